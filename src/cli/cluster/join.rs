//! `foundation cluster join`: a node asks others to be taken in, and is told what is wrong if they do not.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;

use super::place;
use crate::{
    cli::{command::CliError, output::Output},
    config::Config,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Requests addresses of nodes that run, for example 10.0.0.1:7802 [default: cluster.seeds].
    #[arg(value_name = "SEED")]
    seeds: Vec<String>,
    /// How long to ask, for example 30s or 2m.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration)]
    within: Duration,
}

impl Arguments {
    /// The key of the configuration that they override.
    pub(in crate::cli) fn seeds(&self) -> Option<(String, String)> {
        (!self.seeds.is_empty()).then(|| ("cluster.seeds".to_owned(), self.seeds.join(",")))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let told = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    let told = Duration::try_from(told).ok().filter(|told| !told.is_zero());
    told.ok_or_else(|| "it must be longer than nothing".to_owned())
}

pub(in crate::cli) fn run(arguments: &Arguments, config: &Config, output: &Output) -> Result<(), CliError> {
    let (_lock, network) = place(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let joined = runtime.block_on(network.join(&config.db.cluster_dir(), arguments.within))?;
    let (cluster, node, name) = (joined.cluster, joined.node, &network.name);
    let result = json!({
        "cluster": cluster, "node": node, "name": name, "shards": joined.shards, "was_in": joined.is_known,
    });
    output.result(&result, || {
        let is_in = if joined.is_known { "was in" } else { "is in" };
        format!("node {node} ({name}) {is_in} cluster {cluster}; its server starts without asking again")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "0s", "-1s", "30", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

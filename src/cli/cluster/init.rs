//! `foundation cluster init`: a data directory becomes that of the first node of a cluster.

use serde_json::json;

use super::place;
use crate::{
    cli::{command::CliError, output::Output},
    config::Config,
};

pub(in crate::cli) fn run(config: &Config, output: &Output) -> Result<(), CliError> {
    let (_lock, network) = place(config)?;
    let founding = network.found(&config.db.cluster_dir())?;
    let (name, seed) = (&network.name, &network.requests.advertise);
    let join = format!("foundation cluster join {seed} --set cluster.name=NAME");
    let result =
        json!({ "cluster": founding.cluster, "node": founding.node, "name": name, "seed": seed, "join": join });
    output.result(&result, || {
        format!(
            "cluster {}: node {} ({name}) founds it when its server is started; then others join it, each with a name, a data \
             directory and addresses of its own:\n  {join}",
            founding.cluster, founding.node
        )
    });
    Ok(())
}

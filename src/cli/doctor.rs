//! `foundation doctor`: looks at this machine without a server, and says what would go wrong. A server that runs is asked
//! what is wrong with its cluster.

mod judgement;
mod running;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use cluster::Severity;
use jiff::Timestamp;
use serde::Serialize;

use super::{client::Client, command::CliError, output::Output};
use crate::{
    config::Config,
    planes::ai::{
        Provider,
        models::{ModelFiles, Part},
    },
    server::{self, DataLock, FailureNote, migrations},
};

/// Free space under which the server is likely to stop soon.
const FREE_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;

/// Syncs that are measured.
const SYNCS: usize = 16;

/// Median sync above which every write is felt by people.
const SYNC_SLOW: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            detail: detail.into(),
            next: None,
        }
    }

    fn next(self, next: impl Into<String>) -> Self {
        Self {
            next: Some(next.into()),
            ..self
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Check log, snapshots and state of a stopped server against each other. This takes as much free space as log and
    /// state do, for as long as it lasts.
    #[arg(long)]
    verify: bool,
}

pub(super) async fn run(
    arguments: &Arguments,
    config: &Config,
    client: &Client,
    is_named: bool,
    output: &Output,
) -> Result<(), CliError> {
    let mut checks = vec![Check::new("version", Verdict::Good, env!("CARGO_PKG_VERSION"))];
    checks.push(migrations());
    checks.extend(data(&config.db.path));
    checks.extend(last_failure(&config.db.path));
    checks.extend(models(config));
    checks.push(port(config));
    checks.extend(certificate(config));
    let running = running::checks(client, is_named).await;
    // What the server says of its certificate is said of the same one.
    for check in running {
        let is_said = checks
            .iter()
            .any(|said| said.name == check.name && said.detail == check.detail);
        if !is_said {
            checks.push(check);
        }
    }
    if arguments.verify {
        checks.extend(stored(config, output));
    }
    let rows = checks
        .iter()
        .map(|check| {
            let verdict = match check.verdict {
                Verdict::Good => "good",
                Verdict::Warning => "warning",
                Verdict::Bad => "BAD",
            };
            let mut detail = check.detail.clone();
            if let Some(next) = &check.next {
                detail = format!("{detail}\n-> {next}");
            }
            vec![check.name.to_owned(), verdict.to_owned(), detail]
        })
        .collect();
    output.table(&checks, &["check", "verdict", "detail"], rows);
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad).count();
    if bad == 0 {
        Ok(())
    } else {
        Err(CliError::Unhealthy(bad))
    }
}

/// Looks at all that a stopped server keeps.
fn stored(config: &Config, output: &Output) -> Vec<Check> {
    let _lock = match DataLock::take(&config.db.path) {
        Ok(lock) => lock,
        Err(error) => return vec![Check::new("stored", Verdict::Bad, error.to_string())],
    };
    let scratch = config.db.path.join(format!("verify-{}", std::process::id()));
    let progress = output.steps(0).with_prefix("verify");
    let looked = cluster::verify(config.db.cluster_dir(), scratch, |done, total| {
        progress.set_length(total as u64);
        progress.set_position(done as u64);
    });
    progress.finish_and_clear();
    let found = match looked {
        Ok(found) => found,
        Err(error) => return vec![Check::new("stored", Verdict::Bad, error.to_string())],
    };
    let mut checks = found
        .findings
        .iter()
        .map(|finding| {
            let (verdict, name) = match finding.severity {
                Severity::Note => (Verdict::Warning, "stored"),
                Severity::Wrong => (Verdict::Bad, "stored state"),
                Severity::Lost => (Verdict::Bad, "stored log"),
            };
            let shard = finding
                .shard
                .map_or_else(String::new, |shard| format!(" (shard {shard})"));
            let help = match finding.severity {
                Severity::Note => "",
                Severity::Wrong => "; remove the folder, it is rebuilt",
                Severity::Lost => "; restore a backup",
            };
            let path = finding.path.display();
            Check::new(name, verdict, format!("{path}{shard}: {}{help}", finding.text))
        })
        .collect::<Vec<_>>();
    if checks.is_empty() {
        let entries = found.groups.iter().map(|group| group.entries).sum::<u64>();
        let rows = found.groups.iter().filter_map(|group| group.rows).sum::<u64>();
        let detail = format!(
            "{} logs with {entries} entries, their snapshots and {rows} rows agree",
            found.groups.len()
        );
        checks.push(Check::new("stored", Verdict::Good, detail));
    }
    checks
}

/// The class migrations that a server of this version has applied once it runs.
fn migrations() -> Check {
    let migrations = migrations::migrations();
    let tags: Vec<_> = migrations
        .list()
        .iter()
        .map(|migration| migration.tag.as_str())
        .collect();
    Check::new("migrations", Verdict::Good, tags.join(", "))
}

/// Looks at the directory, or at the nearest parent that exists: nothing is created but one file that is removed again.
fn data(path: &Path) -> Vec<Check> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let Some(existing) = absolute.ancestors().find(|ancestor| ancestor.is_dir()) else {
        return vec![Check::new(
            "data",
            Verdict::Bad,
            format!("{} has no parent that exists", path.display()),
        )];
    };
    let shown = existing.display();
    let mut checks = Vec::new();
    match sync_time(existing) {
        Ok(median) => {
            checks.push(Check::new("data", Verdict::Good, format!("{shown} can be written")));
            let verdict = if median > SYNC_SLOW {
                Verdict::Warning
            } else {
                Verdict::Good
            };
            let micros = median.as_micros();
            checks.push(Check::new(
                "sync",
                verdict,
                format!("append and sync of 4 KiB takes {micros} µs (median of {SYNCS})"),
            ));
        }
        Err(error) => checks.push(Check::new(
            "data",
            Verdict::Bad,
            format!("{shown} cannot be written: {error}"),
        )),
    }
    match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let verdict = if free < FREE_BYTES_MIN {
                Verdict::Warning
            } else {
                Verdict::Good
            };
            checks.push(Check::new(
                "space",
                verdict,
                format!("{} MiB are free", free / (1024 * 1024)),
            ));
        }
        Err(error) => checks.push(Check::new("space", Verdict::Warning, format!("unknown: {error}"))),
    }
    checks
}

/// Why the last run of the server ended, if that was a fault and the server was not started since.
fn last_failure(path: &Path) -> Option<Check> {
    let text = FailureNote::new(path).read()?;
    Some(Check::new("last run", Verdict::Warning, text))
}

/// Median time to append 4 KiB and make it durable: what every write of an actor waits for at least.
fn sync_time(directory: &Path) -> io::Result<Duration> {
    let path = directory.join(format!(".foundation-doctor-{}", std::process::id()));
    let result = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|file| measure(&file));
    fs::remove_file(&path).ok();
    result
}

fn measure(mut file: &File) -> io::Result<Duration> {
    let block = [7_u8; 4096];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

/// The certificate with which the node shows who it is to the others, if it is among others.
fn certificate(config: &Config) -> Option<Check> {
    match server::network(config) {
        Ok(network) => judgement::certificate(network?.security.ends()?.as_millis(), Timestamp::now()),
        Err(error) => {
            let check = Check::new("certificate", Verdict::Bad, error.to_string());
            Some(check.next(
                "make one with `foundation cluster certs`, and set cluster.ca-file, certificate-file and key-file",
            ))
        }
    }
}

fn models(config: &Config) -> Vec<Check> {
    let directory = config.models_dir();
    let mut parts = vec![("embedding model", Part::Embedding)];
    match config.ai.provider {
        Provider::Embedded => parts.push(("language model", Part::Language)),
        Provider::OpenAiCompatible => {}
    }
    parts
        .into_iter()
        .map(|(name, part)| match ModelFiles::locate(&directory, part) {
            Ok(_) => Check::new(name, Verdict::Good, "the files are the pinned ones"),
            Err(error) => Check::new(name, Verdict::Warning, error.to_string()),
        })
        .collect()
}

fn port(config: &Config) -> Check {
    let address = config.server.bind;
    match TcpListener::bind(address) {
        Ok(_) => Check::new("port", Verdict::Good, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Check::new(
            "port",
            Verdict::Warning,
            format!("{address} is in use, perhaps by the server itself"),
        ),
        Err(error) => Check::new("port", Verdict::Bad, format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_does_not_exist_yet_is_judged_by_its_parent() {
        let directory = tempfile::tempdir().unwrap();
        let checks = data(&directory.path().join("a/b"));
        assert!(checks.iter().all(|check| check.verdict != Verdict::Bad), "{checks:?}");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "nothing is left behind"
        );
    }

    #[test]
    fn the_reason_of_the_last_stop_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert!(last_failure(directory.path()).is_none());
        fs::write(directory.path().join("last-failure"), "the disk is full   \n").unwrap();
        let check = last_failure(directory.path()).unwrap();
        assert_eq!(
            (check.verdict, check.detail.as_str()),
            (Verdict::Warning, "the disk is full")
        );
    }

    #[test]
    fn a_port_that_is_taken_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.server.bind = taken.local_addr().unwrap();
        assert_eq!(port(&config).verdict, Verdict::Warning);
    }
}

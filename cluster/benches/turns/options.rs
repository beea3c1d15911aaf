//! What the benchmark is asked to do.

use std::{path::PathBuf, time::Duration};

const USAGE: &str = "usage: cargo bench -p cluster [-- [--quick] [--only asks|durable|cold|live|start|nodes] [--report PATH] | -- --soak WRITES]";

/// What the benchmark is asked to do.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    only: Vec<String>,
    pub(crate) report: Option<PathBuf>,
    /// How many values to write instead of everything else.
    pub(crate) soak: Option<u64>,
    /// The one thing that a process of its own measures.
    pub(crate) child: Option<Child>,
}

/// What only a fresh process can measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Child {
    /// The memory of live actors.
    Live,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // cargo says so to everything it runs as a benchmark.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--only" => options.only.push(arguments.next().ok_or(USAGE)?),
                "--report" => options.report = Some(arguments.next().ok_or(USAGE)?.into()),
                "--soak" => {
                    let writes = arguments.next().and_then(|writes| writes.parse().ok());
                    options.soak = Some(writes.ok_or(USAGE)?);
                }
                "--child-live" => options.child = Some(Child::Live),
                _ => return Err(USAGE),
            }
        }
        Ok(options)
    }

    /// Whether a part was asked for.
    pub(crate) fn runs(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// Rounds that count; one more warms up.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 10 }
    }

    /// How long a case runs in each round.
    pub(crate) fn span(&self) -> Duration {
        Duration::from_millis(if self.quick { 150 } else { 600 })
    }

    /// The command that repeats the run.
    pub(crate) fn command(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        let only: String = self.only.iter().map(|part| format!(" --only {part}")).collect();
        format!("cargo bench -p cluster --{quick}{only} --report PATH")
    }
}

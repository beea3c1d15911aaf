//! What a turn costs, beside what it is made of: a bare ractor actor, fjall alone, a bare append with `fdatasync`.
//!
//! `cargo bench -p cluster` runs everything and prints each target beside what was reached. `-- --quick` takes a tenth
//! of the time, `-- --only asks` one part of it, `-- --report PATH` also writes the figures as Markdown.
//!
//! All cases of a part run in each round, one after another, so that a noisy machine is noisy for all of them. Figures
//! are medians of the rounds, and a ratio is the median of the ratios within the rounds.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod actors;
mod asks;
mod cold;
mod durable;
mod figures;
mod live;
mod load;
mod machine;
mod options;
mod peers;
mod report;
mod start;
mod syncs;
mod targets;

use figures::Figures;
use options::{Child, Options};

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            println!("{usage}");
            std::process::exit(2);
        }
    };
    if let Some(child) = options.child {
        return match child {
            Child::Live => live::child(),
        };
    }
    let mut figures = Figures::default();
    if options.runs("asks") {
        asks::run(&options, &mut figures);
    }
    if options.runs("durable") {
        durable::run(&options, &mut figures);
    }
    if options.runs("cold") {
        cold::run(&options, &mut figures);
    }
    if options.runs("live") {
        live::run(&options, &mut figures);
    }
    if options.runs("start") {
        start::run(&options, &mut figures);
    }
    print!("{}", report::text(&options, &figures));
    if let Some(path) = &options.report {
        std::fs::write(path, report::markdown(&options, &figures)).expect("the report can be written");
    }
}

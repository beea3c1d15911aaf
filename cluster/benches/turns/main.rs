//! What a turn costs, beside what it is made of: a bare ractor actor, fjall alone, a bare append with `fdatasync`.
//!
//! `cargo bench -p cluster` runs everything and prints each target beside what was reached. `-- --quick` takes a tenth
//! of the time, `-- --only asks` one part of it, `-- --report PATH` also writes the figures as Markdown,
//! `-- --soak 50000000` writes that many values and shows what they leave on the disk and in memory.
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
mod nodes;
mod options;
mod peers;
mod report;
mod seal;
mod soak;
mod start;
mod syncs;
mod targets;

#[path = "../../tests/nodes/bridge.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod bridge;
#[path = "../../tests/nodes/client.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod client;
#[path = "../../tests/nodes/field.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod field;
#[path = "../../tests/nodes/history.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod history;
#[path = "../../tests/nodes/host.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod host;
#[path = "../../tests/nodes/lists.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod lists;
#[path = "../../tests/nodes/process.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod process;
#[path = "../../tests/nodes/slots.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is shared with the tests of several nodes"
)]
mod slots;

use figures::Figures;
use options::{Child, Options};

fn main() {
    // A node of the part of several nodes: this program starts itself.
    if std::env::var_os(process::SETTINGS).is_some() {
        return process::run();
    }
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
    if let Some(writes) = options.soak {
        return soak::run(writes);
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
    if options.runs("nodes") {
        nodes::run(&options, &mut figures);
    }
    print!("{}", report::text(&options, &figures));
    if let Some(path) = &options.report {
        std::fs::write(path, report::markdown(&options, &figures)).expect("the report can be written");
    }
}

//! Counters over HTTP, here and in workerd, the runtime of Durable Objects: the same work, the same client, one run.
//!
//! `benches/peers/run` fetches workerd and starts this. Each server is a process of its own; each round measures every
//! server in turn, so that a noisy machine is noisy for all of them. Medians are printed, with the processor time that the
//! server spent for a request.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod client;
mod process;
mod server;

use std::{path::PathBuf, time::Duration};

use client::Load;
use process::Server;

/// Rounds that count; one more goes before them and warms up.
const ROUNDS: usize = 10;
/// How long a case is measured in a round.
const SPAN: Duration = Duration::from_secs(1);
/// Clients, each of which asks again when it has its answer.
const CONNECTIONS: usize = 64;

const CASES: [Load; 4] = [
    Load {
        name: "in memory, one object",
        path: "add",
        objects: 1,
        target: 5.0,
    },
    Load {
        name: "in memory, 100 objects",
        path: "add",
        objects: 100,
        target: 5.0,
    },
    Load {
        name: "durable, one object",
        path: "store",
        objects: 1,
        target: 10.0,
    },
    Load {
        name: "durable, 100 objects",
        path: "store",
        objects: 100,
        target: 10.0,
    },
];

/// One figure of one server.
#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Requests per second.
    rate: f64,
    /// Median time of a request, in microseconds.
    latency: f64,
    /// Processor time of the server for a request, in microseconds.
    cpu: f64,
}

fn measure(server: &Server, load: &Load) -> Figure {
    let before = server.cpu();
    let seen = load.run(server.address(), CONNECTIONS, SPAN);
    let cpu = server.cpu().saturating_sub(before);
    Figure {
        rate: seen.rate,
        latency: seen.median.as_secs_f64() * 1e6,
        cpu: cpu.as_secs_f64() * 1e6 / seen.requests,
    }
}

fn median(figures: &[Figure], of: impl Fn(&Figure) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // cargo adds `--bench` to what it runs as a benchmark.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("serve"), Some(directory)) => server::serve(directory.as_ref()),
        (Some("against"), Some(workerd)) => compare(&PathBuf::from(workerd)),
        _ => println!("usage: peers against PATH-OF-WORKERD   (benches/peers/run finds it)"),
    }
}

fn compare(workerd: &std::path::Path) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk of the build");
    let servers = [
        Server::ours(&directory.path().join("foundation")),
        Server::workerd(workerd, &directory.path().join("workerd")),
    ];
    let mut figures = vec![[const { Vec::new() }; 2]; CASES.len()];
    for round in 0..=ROUNDS {
        for (load, figures) in CASES.iter().zip(&mut figures) {
            for (server, figures) in servers.iter().zip(figures.iter_mut()) {
                let figure = measure(server, load);
                if round > 0 {
                    figures.push(figure);
                }
            }
        }
    }
    println!(
        "medians of {ROUNDS} rounds of {} s, {CONNECTIONS} connections, {} against {}",
        SPAN.as_secs(),
        servers[0].name(),
        servers[1].name()
    );
    println!(
        "{:<24} {:>12} {:>12} {:>8} {:>8}   {:>9} {:>9} {:>8}   {:>9} {:>9}",
        "", "ours /s", "workerd /s", "ratio", "aim", "ours us", "wd us", "of its", "ours p50", "wd p50"
    );
    for (load, [ours, theirs]) in CASES.iter().zip(&figures) {
        let rate = |figures| median(figures, |figure| figure.rate);
        let cpu = |figures| median(figures, |figure| figure.cpu);
        let latency = |figures| median(figures, |figure| figure.latency);
        println!(
            "{:<24} {:>12.0} {:>12.0} {:>7.1}x {:>7.0}x   {:>9.1} {:>9.1} {:>7.0}%   {:>9.0} {:>9.0}",
            load.name,
            rate(ours),
            rate(theirs),
            rate(ours) / rate(theirs),
            load.target,
            cpu(ours),
            cpu(theirs),
            100.0 * cpu(ours) / cpu(theirs),
            latency(ours),
            latency(theirs),
        );
    }
    println!("us: processor time of the server for a request; p50: microseconds a client waited");
}

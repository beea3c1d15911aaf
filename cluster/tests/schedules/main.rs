//! Random schedules: turns, asks, sends, alarms and everything that can go wrong, in an order that follows from a seed;
//! at every step the promises of the runtime are checked. See `script/simulate`.
//!
//! Guarantees 1 to 10, 12, 13, 15 and 17.

#![expect(
    clippy::print_stdout,
    reason = "a program that is run by a person, and by the test runner"
)]

mod cell;
mod clients;
mod ground;
mod plan;
mod run;
mod shrink;
mod turn;
mod world;

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    plan::Plan,
    world::{Tally, Tracing},
};

/// Schedules of so many nodes that run with the other tests, by the name that the test runner has for them.
const QUICK: [(&str, &[(usize, u64)]); 2] = [
    ("random_schedules_keep_every_promise", &[(1, 500)]),
    (
        "random_schedules_of_several_nodes_keep_every_promise",
        &[(3, 160), (5, 40)],
    ),
];

/// Real time after which a schedule counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be run.
struct Job {
    nodes: usize,
    from: u64,
    seeds: u64,
    /// Events to keep of the one schedule.
    keep: Option<Vec<usize>>,
    /// Whether to tell what happens while it happens.
    trace: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            for (name, _) in QUICK {
                println!("{name}: test");
            }
        }
        return ExitCode::SUCCESS;
    }
    let number = |flag: &str| value(flag).map(|text| text.parse::<u64>().expect("seeds are whole numbers"));
    let keep = value("--keep").map(|list| {
        let numbers = list.split(',').filter(|text| !text.is_empty());
        numbers
            .map(|text| text.parse().expect("events have whole numbers"))
            .collect()
    });
    let nodes = number("--nodes").map_or(1, |nodes| usize::try_from(nodes).expect("few nodes"));
    let many = |nodes, seeds| Job {
        nodes,
        from: number("--from").unwrap_or(0),
        seeds,
        keep: None,
        trace: false,
    };
    let jobs: Vec<_> = match (number("--seed"), number("--seeds")) {
        (Some(seed), _) => vec![Job {
            nodes,
            from: seed,
            seeds: 1,
            keep,
            trace: arguments.iter().any(|argument| argument == "--trace"),
        }],
        (None, Some(seeds)) => vec![many(nodes, seeds)],
        (None, None) => {
            let named = |name: &str| arguments.iter().any(|argument| argument == name);
            let all = QUICK.iter().all(|(name, _)| !named(name));
            let chosen = QUICK.iter().filter(|(name, _)| all || named(name));
            chosen
                .flat_map(|(_, jobs)| jobs.iter().map(|(nodes, seeds)| many(*nodes, *seeds)))
                .collect()
        }
    };
    silence_expected_panics();
    if jobs.iter().all(run) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Actors panic because they are told to; that needs no report.
fn silence_expected_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("told to panic") {
            report(panic);
        }
    }));
}

/// Runs schedules on every core; answers whether all went well.
fn run(job: &Job) -> bool {
    let begin = Instant::now();
    let (next, stop) = (AtomicU64::new(job.from), AtomicBool::new(false));
    let (total, failed) = (Mutex::new(Tally::default()), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tally = Tally::default();
                let watch = Watch::begin();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= job.from + job.seeds {
                        break;
                    }
                    let plan = plan(seed, job);
                    watch.over(&plan);
                    let outcome = run::run(&plan, if job.trace { Tracing::Live } else { Tracing::Off });
                    watch.end();
                    tally += outcome.tally;
                    if outcome.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        failed.lock().expect("nobody panics with it").get_or_insert(plan);
                    }
                }
                *total.lock().expect("nobody panics with it") += tally;
            });
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let ran = (next.into_inner() - job.from).min(job.seeds);
    report(
        job.nodes,
        ran,
        seconds,
        threads,
        total.into_inner().expect("nobody panics with it"),
    );
    let Some(plan) = failed.into_inner().expect("nobody panics with it") else {
        return true;
    };
    explain(&plan);
    false
}

/// Ends the program, and says why, when a schedule never ends.
struct Watch(Arc<Mutex<Option<(Plan, Instant)>>>);

impl Watch {
    fn begin() -> Self {
        let watched = Arc::<Mutex<Option<(Plan, Instant)>>>::default();
        let over = Arc::downgrade(&watched);
        std::thread::spawn(move || {
            while let Some(watched) = over.upgrade() {
                if let Some((plan, since)) = &*watched.lock().expect("nobody panics with it")
                    && since.elapsed() > PATIENCE
                {
                    println!("seed {} never ends\n{plan}", plan.seed);
                    println!(
                        "rerun: script/simulate --nodes {} --seed {} --trace",
                        plan.nodes, plan.seed
                    );
                    std::process::exit(1);
                }
                drop(watched);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self(watched)
    }

    fn over(&self, plan: &Plan) {
        *self.0.lock().expect("nobody panics with it") = Some((plan.clone(), Instant::now()));
    }

    fn end(&self) {
        *self.0.lock().expect("nobody panics with it") = None;
    }
}

fn plan(seed: u64, job: &Job) -> Plan {
    let plan = match job.nodes {
        1 => Plan::of(seed),
        nodes => Plan::among(seed, nodes),
    };
    match &job.keep {
        Some(keep) => plan.keep(keep),
        None => plan,
    }
}

fn report(nodes: usize, ran: u64, seconds: f64, threads: usize, tally: Tally) {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = ran as f64 / seconds;
    println!("{ran} schedules of {nodes} nodes in {seconds:.1} s on {threads} threads: {rate:.0}/s");
    let Tally {
        calls,
        acknowledged,
        unknown,
        denied,
        refused,
        turns,
        sends,
        firings,
        activations,
        checks,
    } = tally;
    println!(
        "{calls} calls ({acknowledged} acknowledged, {unknown} unknown, {denied} retryable, {refused} overloaded), \
         {turns} turns, {sends} sends, {firings} firings, {activations} activations, {checks} checks between steps"
    );
}

fn explain(plan: &Plan) {
    println!(
        "seed {} breaks a promise; looking for the smallest part of the schedule that does",
        plan.seed
    );
    let (small, outcome) = shrink::shrink(plan);
    let Some((violation, trace)) = outcome.violation else {
        println!("it does not when it is run again: the schedule is not a function of its seed");
        return;
    };
    let events: Vec<_> = small.numbers().iter().map(ToString::to_string).collect();
    println!("{violation}\n{small}");
    for line in trace {
        println!("  {line}");
    }
    println!(
        "{violation}\nrerun: script/simulate --nodes {} --seed {} --keep {}",
        small.nodes,
        small.seed,
        events.join(",")
    );
}

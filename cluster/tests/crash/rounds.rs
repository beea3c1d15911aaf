//! Rounds of crashes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use faults::{Loss, history};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::machine::{Broken, Kill, Machine};

/// Steps that no client reaches.
const ENDLESS: u64 = 1_000_000_000;

/// What goes wrong in the rounds of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is killed at a random moment, and what it did not sync is lost.
    Unsynced,
    /// As before, but some of it stays, up to a torn write.
    Torn,
    /// A random sync fails.
    SyncError,
    /// The disk becomes full.
    Full,
}

/// What came of some rounds.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    rounds: u64,
    /// Processes that were killed before they took traffic.
    early: u64,
    acknowledged: u64,
    unsynced_writes: usize,
    unsynced_names: usize,
    lost_sectors: u64,
    reasons: BTreeMap<String, u64>,
}

impl Summary {
    fn report(&self, fault: Fault, seed: u64, took: Duration) {
        println!(
            "{fault:?}, seed {seed}: {} crashes ({} before traffic) in {:.1} s, {} steps acknowledged, {} writes and {} names \
             not synced, {} sectors lost",
            self.rounds,
            self.early,
            took.as_secs_f32(),
            self.acknowledged,
            self.unsynced_writes,
            self.unsynced_names,
            self.lost_sectors
        );
        for (reason, count) in &self.reasons {
            println!("  {count} x {reason}");
        }
    }
}

/// Runs rounds on one machine until so many of its processes have met the fault.
pub(crate) fn run(fault: Fault, count: u64, seed: u64) {
    println!("{fault:?}, seed {seed}");
    let started = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let mut summary = Summary::default();
    let mut machine = Machine::new(ENDLESS);
    let mut lives = 0;
    while summary.rounds < count {
        lives += 1;
        assert!(
            lives <= 4 * count + 20,
            "seed {seed}: the fault is hardly ever met: {summary:?}"
        );
        if let Err(broken) = round(fault, &mut machine, &mut random, &mut summary) {
            panic!(
                "{fault:?}, seed {seed}, life {lives}, {} rounds: {broken:?}",
                summary.rounds
            );
        }
        // A machine of its own now and then: much of what can go wrong is in creating things.
        if random.random_bool(0.04) {
            close(&mut machine, seed);
            summary.acknowledged += machine.told();
            machine = Machine::new(ENDLESS);
        }
    }
    close(&mut machine, seed);
    summary.acknowledged += machine.told();
    summary.report(fault, seed, started.elapsed());
    assert!(summary.acknowledged > 0, "no step was ever acknowledged");
}

/// A last life without faults.
fn close(machine: &mut Machine, seed: u64) {
    let plan = machine.plan();
    let closed = machine
        .run(&plan, Kill::Ready(Duration::ZERO))
        .and_then(|end| machine.settle(&plan, Loss::Nothing, 0).map(|_| end));
    let end = closed.unwrap_or_else(|broken| panic!("seed {seed}, last life: {broken:?}"));
    assert!(end.was_ready, "seed {seed}: {end:?}");
}

fn round(fault: Fault, machine: &mut Machine, random: &mut StdRng, summary: &mut Summary) -> Result<(), Broken> {
    let mut plan = machine.plan();
    plan.seed = random.random();
    if random.random_bool(0.5) {
        plan.sync_delay = Duration::from_micros(random.random_range(0..5000));
    }
    let mut kill = if random.random_bool(0.8) {
        Kill::Ready(Duration::from_millis(random.random_range(0..300)))
    } else {
        Kill::Started(Duration::from_millis(random.random_range(0..400)))
    };
    match fault {
        Fault::Unsynced | Fault::Torn => {
            // At a certain change the process dies between any two calls of the kernel, which no clock would hit.
            if random.random_bool(0.6) {
                plan.kill_at = Some(skewed(random, 1500));
                kill = Kill::Ready(Duration::from_secs(5));
            }
        }
        Fault::SyncError => {
            plan.sync_error_at = Some(skewed(random, 1500));
            kill = Kill::Ready(Duration::from_secs(10));
        }
        Fault::Full => {
            // What a node writes before it takes traffic is little: most of the space is for the traffic.
            plan.space_bytes = Some(if random.random_bool(0.3) {
                skewed(random, 1 << 20)
            } else {
                random.random_range(1 << 20..8 << 20)
            });
            kill = Kill::Ready(Duration::from_secs(20));
        }
    }
    let end = machine.run(&plan, kill)?;
    let mut met = match fault {
        Fault::Unsynced | Fault::Torn => end.was_killed(),
        Fault::SyncError | Fault::Full => end.stopped_itself(),
    };
    let loss = match fault {
        // The machine may live longer than the process; this is no power loss and does not count as one.
        Fault::Unsynced | Fault::Torn if random.random_bool(0.1) => Loss::Nothing,
        Fault::Unsynced => Loss::Unsynced,
        Fault::Torn if random.random_bool(0.3) => Loss::Scattered,
        Fault::Torn => Loss::Torn,
        Fault::SyncError | Fault::Full => match random.random_range(0..4) {
            0 => Loss::Nothing,
            1 => Loss::Scattered,
            2 => Loss::Torn,
            _ => Loss::Unsynced,
        },
    };
    let settled = machine.settle(&plan, loss, random.random())?;
    machine.must_have_stopped(&end)?;
    if loss != Loss::Nothing && random.random_bool(0.05) {
        machine.lose_state(&plan);
    }
    met &= loss != Loss::Nothing || matches!(fault, Fault::SyncError | Fault::Full);
    if met {
        summary.rounds += 1;
        summary.early += u64::from(!end.was_ready);
        summary.unsynced_writes += settled.unsynced_writes;
        summary.unsynced_names += settled.unsynced_names;
        summary.lost_sectors += settled.lost_sectors;
        for reason in end.reasons {
            // Numbers and directories would make every reason another one.
            let reason = reason.split(" (data directory").next().unwrap_or_default();
            let reason = reason.replace(|letter: char| letter.is_ascii_digit(), "#");
            *summary.reasons.entry(reason).or_default() += 1;
        }
    }
    Ok(())
}

/// A number up to `most`, small ones more often.
fn skewed(random: &mut StdRng, most: u64) -> u64 {
    let most = random.random_range(1..=most);
    random.random_range(1..=most)
}

fn seed() -> u64 {
    rand::random::<u32>().into()
}

/// Guarantees 6 and 7, and 10 across restarts.
#[test]
fn a_crash_that_loses_unsynced_writes_loses_nothing_acknowledged() {
    run(Fault::Unsynced, 40, seed());
}

/// Guarantees 6 and 7.
#[test]
fn a_crash_that_tears_writes_loses_nothing_acknowledged() {
    run(Fault::Torn, 20, seed());
}

/// Guarantee 7.
#[test]
fn a_sync_that_fails_stops_the_node_and_loses_nothing_acknowledged() {
    run(Fault::SyncError, 12, seed());
}

/// Guarantee 7.
#[test]
fn a_full_disk_stops_the_node_and_loses_nothing_acknowledged() {
    run(Fault::Full, 12, seed());
}

/// Guarantee 7. The kernel takes a page for written once its sync has failed, and still shows it to whoever reads: what a
/// new process finds in the log must be made durable before anything is built on it.
#[test]
fn what_a_failed_sync_left_readable_does_not_become_a_hole() {
    for at in [60, 90, 130, 180] {
        let mut machine = Machine::new(ENDLESS);
        let mut plan = machine.plan();
        plan.sync_error_at = Some(at);
        let end = machine.run(&plan, Kill::Ready(Duration::from_secs(20))).unwrap();
        assert!(end.stopped_itself(), "{end:?}");
        machine.settle(&plan, Loss::Nothing, 0).unwrap();
        let plan = machine.plan();
        machine.run(&plan, Kill::Ready(Duration::from_millis(100))).unwrap();
        machine.settle(&plan, Loss::Unsynced, 0).unwrap();
        close(&mut machine, at);
        assert!(machine.told() > 0);
    }
}

/// Guarantee 7. What a crash leaves of a data directory that is being made is made again.
#[test]
fn a_first_start_that_is_cut_off_anywhere_is_begun_again() {
    for at in 1.. {
        let mut machine = Machine::new(ENDLESS);
        let mut plan = machine.plan();
        plan.kill_at = Some(at);
        let end = machine.run(&plan, Kill::Ready(Duration::ZERO)).unwrap();
        // Each with one of the two: making the log alone is fifty changes.
        let loss = if at % 2 == 0 { Loss::Nothing } else { Loss::Torn };
        machine.settle(&plan, loss, at).unwrap();
        close(&mut machine, at);
        if end.was_ready {
            break;
        }
    }
}

/// Guarantee 7. A process that is killed before the name of a new snapshot is durable leaves that name for others to find:
/// the log must not be purged behind such a snapshot before it is.
#[test]
fn the_snapshots_that_are_found_are_made_durable_first() {
    let mut machine = Machine::new(ENDLESS);
    for life in 0..2 {
        let plan = machine.plan();
        let end = machine.run(&plan, Kill::Ready(Duration::from_secs(1))).unwrap();
        assert!(end.was_ready, "{end:?}");
        machine.settle(&plan, Loss::Unsynced, life).unwrap();
        let changes = history(&plan).unwrap();
        let first = |what: &str| changes.iter().position(|change| change.contains(what));
        let synced = first("sync directory \"snapshots\"");
        let renamed = first("to snapshots/0").expect("a snapshot was taken");
        assert!(
            synced.is_some_and(|synced| synced < renamed),
            "life {life}: found at {synced:?}, replaced at {renamed}"
        );
    }
}

/// The long form, started by `script/crash`: how many of each kind, and from which seed.
#[test]
#[ignore = "takes minutes: script/crash"]
fn long() {
    let number = |name: &str| {
        let value = std::env::var_os(name)?;
        Some(
            value
                .to_str()
                .and_then(|value| value.parse::<u64>().ok())
                .expect("a number"),
        )
    };
    let seed = number("CRASH_SEED").unwrap_or_else(seed);
    let kinds = [
        ("CRASH_COUNT", Fault::Unsynced),
        ("CRASH_TORN", Fault::Torn),
        ("CRASH_SYNC_ERROR", Fault::SyncError),
        ("CRASH_FULL", Fault::Full),
    ];
    for (name, fault) in kinds {
        if let Some(count) = number(name).filter(|count| *count > 0) {
            run(fault, count, seed);
        }
    }
}

//! Rounds of faults under traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    bridge::Bridge,
    client::{self, Clients, Connection},
    history::{self, Call, Element, What},
    host::Host,
    nemesis::Fault,
};

/// Clients of a run.
const CLIENTS: u64 = 8;

/// Time without faults before the first and after each one.
const CALM: Duration = Duration::from_millis(1_500);

/// Longest time until every node answers for every list once all is well.
const HEALS: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug, Default)]
struct Summary {
    faults: BTreeMap<Fault, u64>,
    acknowledged: usize,
    doubtful: usize,
    refused: usize,
    reads: usize,
}

impl Summary {
    fn of(faults: BTreeMap<Fault, u64>, calls: &[Call]) -> Self {
        let mut summary = Self {
            faults,
            ..Self::default()
        };
        for call in calls {
            *match call.what {
                What::Appended { .. } => &mut summary.acknowledged,
                What::Doubtful { .. } => &mut summary.doubtful,
                What::Refused { .. } => &mut summary.refused,
                What::Read { .. } => &mut summary.reads,
            } += 1;
        }
        summary
    }
}

/// Lets faults strike three nodes under traffic, each of `faults` at least once if there is room for it, and checks what
/// clients were told.
pub(crate) async fn run(faults: &[Fault], strikes: usize, seed: u64) {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::new();
    let certificates = crate::process::certificates(directory.path(), 3);
    let first = bridge.address(1);
    let mut hosts: Vec<_> = (1..=3)
        .map(|number| {
            let seeds = if number == 1 { Vec::new() } else { vec![first] };
            Host::new(&mut bridge, number, seeds, certificates.clone())
        })
        .collect();
    for host in &mut hosts {
        host.start(&bridge);
        host.ready().await;
    }
    whole(&mut hosts).await;
    let began = Instant::now();
    let nodes: Vec<_> = hosts.iter().map(Host::clients).collect();
    let clients = Clients::start(nodes.clone(), CLIENTS, seed);
    let mut struck = BTreeMap::new();
    for strike in 0..strikes {
        tokio::time::sleep(CALM).await;
        let fault = match faults.get(strike) {
            Some(fault) => *fault,
            None => *faults.choose(&mut random).unwrap(),
        };
        let before = clients.acknowledged();
        println!("{:>6.1} s: {fault:?}", began.elapsed().as_secs_f32());
        fault.strike(&bridge, &mut hosts, &mut random).await;
        *struck.entry(fault).or_default() += 1;
        println!("           {} acknowledged meanwhile", clients.acknowledged() - before);
    }
    tokio::time::sleep(CALM).await;
    let before = clients.acknowledged();
    tokio::time::sleep(CALM).await;
    let goes_on = clients.acknowledged() > before;
    let calls = clients.stop().await;
    let lists = settled(&nodes).await;
    let heard = heard(&nodes, &lists).await;
    let mut wrong: BTreeSet<_> = history::check(&calls, &lists);
    wrong.extend(history::check_effects(&lists, &heard));
    let summary = Summary::of(struck, &calls);
    let times = |is: fn(&history::Violation) -> bool| wrong.iter().filter(|violation| is(violation)).count();
    println!(
        "{} faults {:?}\n{} appends acknowledged, {} in doubt, {} refused, {} reads\nlost {}, stale {}, doubled {}, other {}",
        strikes,
        summary.faults,
        summary.acknowledged,
        summary.doubtful,
        summary.refused,
        summary.reads,
        times(|violation| matches!(violation, history::Violation::Lost { .. })),
        times(|violation| matches!(violation, history::Violation::Stale { .. })),
        times(|violation| {
            matches!(
                violation,
                history::Violation::Doubled { .. } | history::Violation::Effect { .. }
            )
        }),
        times(|violation| {
            matches!(
                violation,
                history::Violation::Invented { .. } | history::Violation::Torn { .. }
            )
        }),
    );
    if !wrong.is_empty() || !goes_on {
        for host in &mut hosts {
            let kept = host.keep();
            println!("host {}: {}\n{}", host.number, kept.display(), host.log());
        }
    }
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    assert!(goes_on, "seed {seed}: nothing was acknowledged after the last fault");
    assert!(
        summary.acknowledged > 0 && summary.reads > 0,
        "seed {seed}: {summary:?}"
    );
}

/// Waits until every group has a voter on every host, and each host answers for each list.
async fn whole(hosts: &mut [Host]) {
    let nodes: Vec<_> = hosts.iter().map(Host::clients).collect();
    eventually("every group has all its voters", async || {
        let mut connection = Connection::open(nodes[0]).await.ok()?;
        let overview: serde_json::Value = serde_json::from_str(&connection.call("overview").await.ok()?).ok()?;
        let groups = overview["groups"].as_array()?;
        let is_whole = |group: &serde_json::Value| group["voters"].as_array().is_some_and(|v| v.len() == nodes.len());
        (!groups.is_empty() && groups.iter().all(is_whole)).then_some(())
    })
    .await;
    settled(&nodes).await;
}

/// The lists as they are in the end, on which all nodes must agree.
async fn settled(nodes: &[std::net::SocketAddr]) -> BTreeMap<u32, Vec<Element>> {
    let first = eventually("every list can be read", async || client::all(nodes[0], "list").await).await;
    for node in &nodes[1..] {
        let other = eventually("every list can be read", async || client::all(*node, "list").await).await;
        assert_eq!(first, other, "two nodes answer differently at rest");
    }
    first
}

/// What the witnesses heard, once they have heard of every element.
async fn heard(nodes: &[std::net::SocketAddr], lists: &BTreeMap<u32, Vec<Element>>) -> BTreeMap<u32, Vec<Element>> {
    let expected: usize = lists.values().map(Vec::len).sum();
    let deadline = Instant::now() + HEALS;
    loop {
        let heard = eventually("every witness can be read", async || {
            client::all(nodes[0], "heard").await
        })
        .await;
        let has_all = heard.values().map(Vec::len).sum::<usize>() >= expected;
        if has_all || Instant::now() > deadline {
            return heard;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + HEALS;
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(Instant::now() < deadline, "not within {HEALS:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the tests can run; says loudly why not.
fn permitted() -> bool {
    match Bridge::permitted() {
        Ok(()) => true,
        Err(reason) => {
            eprintln!("SKIPPED: nodes on hosts of their own need network namespaces: {reason}");
            false
        }
    }
}

/// Guarantees 3 and 17.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whatever_strikes() {
    if permitted() {
        run(&Fault::ALL, Fault::ALL.len(), rand::random::<u32>().into()).await;
    }
}

/// The long form, started by `script/chaos`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: script/chaos"]
async fn long() {
    let number = |name: &str| std::env::var_os(name)?.to_str()?.parse::<u64>().ok();
    let runs = number("CHAOS_RUNS").unwrap_or(10);
    let strikes = usize::try_from(number("CHAOS_STRIKES").unwrap_or(24)).unwrap();
    let seed = number("CHAOS_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    for run in 0..runs {
        println!("\nrun {} of {runs}", run + 1);
        self::run(&Fault::ALL, strikes, seed + run).await;
    }
}

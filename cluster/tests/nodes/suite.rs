//! Rounds of faults under traffic.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    bridge::Bridge,
    client::{self, Clients, Connection, LISTS},
    field::{Field, eventually},
    history::{Call, Violation, What},
    nemesis::Fault,
};

/// Clients of a run.
pub(crate) const CLIENTS: u64 = 8;

/// Time without faults before the first and after each one.
const CALM: Duration = Duration::from_millis(1_500);

/// Longest time that no append to any list may be acknowledged while nodes come and go.
const PAUSE: Duration = Duration::from_secs(3);

/// How many of each answer clients had.
#[derive(Debug, Default)]
struct Answers {
    acknowledged: usize,
    doubtful: usize,
    refused: usize,
    reads: usize,
}

impl Answers {
    fn of(calls: &[Call]) -> Self {
        let mut answers = Self::default();
        for call in calls {
            *match call.what {
                What::Appended { .. } => &mut answers.acknowledged,
                What::Doubtful { .. } => &mut answers.doubtful,
                What::Refused { .. } => &mut answers.refused,
                What::Read { .. } => &mut answers.reads,
            } += 1;
        }
        answers
    }
}

/// Lets faults strike three nodes under traffic, each of `faults` at least once if there is room for it, and checks what
/// clients were told.
async fn run(faults: &[Fault], strikes: usize, seed: u64) {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut field = Field::new(3).await;
    field.grow().await;
    let began = Instant::now();
    let clients = Clients::start(field.clients(), CLIENTS, seed);
    let mut struck = BTreeMap::new();
    for strike in 0..strikes {
        tokio::time::sleep(CALM).await;
        let fault = match faults.get(strike) {
            Some(fault) => *fault,
            None => *faults.choose(&mut random).unwrap(),
        };
        let before = clients.acknowledged();
        println!("{:>6.1} s: {fault:?}", began.elapsed().as_secs_f32());
        fault.strike(&field.bridge, &mut field.hosts, &mut random).await;
        *struck.entry(fault).or_insert(0) += 1;
        println!("           {} acknowledged meanwhile", clients.acknowledged() - before);
    }
    let before = clients.acknowledged();
    eventually("appends are acknowledged again", async || {
        (clients.acknowledged() > before + CLIENTS).then_some(())
    })
    .await;
    let calls = clients.stop().await;
    let wrong = field.check(&calls, &field.clients()).await;
    let times = |is: fn(&Violation) -> bool| wrong.iter().filter(|violation| is(violation)).count();
    let answers = Answers::of(&calls);
    println!(
        "{strikes} faults injected: {struck:?}\n{} appends acknowledged, {} in doubt, {} refused, {} reads\n\
         lost {}, stale reads {}, doubled effects {}, other {}",
        answers.acknowledged,
        answers.doubtful,
        answers.refused,
        answers.reads,
        times(|violation| matches!(violation, Violation::Lost { .. })),
        times(|violation| matches!(violation, Violation::Stale { .. })),
        times(|violation| matches!(violation, Violation::Doubled { .. } | Violation::Effect { .. })),
        times(|violation| matches!(violation, Violation::Invented { .. } | Violation::Torn { .. })),
    );
    // No seed brings back when everything happened: whoever looks for the fault needs the calls themselves.
    let concerns = |call: &&Call| {
        let is_of = |violation: &Violation| matches!(violation, Violation::Stale { actor, .. } if *actor == call.actor);
        wrong.iter().any(is_of)
    };
    calls.iter().filter(concerns).for_each(|call| println!("{call:?}"));
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    assert!(
        answers.acknowledged > 0 && answers.reads > 0,
        "seed {seed}: {answers:?}"
    );
}

/// How long after a fault the lists that a node owned answer on another one.
async fn failover(fault: Fault, trials: usize, seed: u64) -> Vec<Duration> {
    println!("{fault:?}, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut field = Field::new(3).await;
    field.grow().await;
    let mut times = Vec::new();
    while times.len() < trials {
        let victim = random.random_range(0..field.hosts.len());
        let survivor = field.hosts[(victim + 1) % field.hosts.len()].clients();
        // Everybody knows who owns what.
        eventually("every list can be read", async || client::all(survivor, "list").await).await;
        let began = Instant::now();
        match fault {
            Fault::Freeze => field.hosts[victim].freeze(true),
            _ => field.hosts[victim].kill(),
        }
        let elsewhere = (0..LISTS).map(|list| async move {
            eventually("the list answers elsewhere", async || {
                let mut connection = Connection::open(survivor).await.ok()?;
                let answer = connection
                    .call(&format!("append {list} {}", rand::random::<u64>()))
                    .await
                    .ok()?;
                answer.starts_with("appended").then_some(())
            })
            .await;
        });
        futures_util::future::join_all(elsewhere).await;
        times.push(began.elapsed());
        match fault {
            Fault::Freeze => field.hosts[victim].freeze(false),
            _ => field.hosts[victim].start(&field.bridge),
        }
        field.hosts[victim].ready().await;
        eventually("everybody leads again", async || {
            let overview = field.overview().await?;
            let nodes = overview["nodes"].as_array()?;
            let leads = |node: &serde_json::Value| node["leads"].as_u64().is_some_and(|leads| leads > 0);
            nodes.iter().all(leads).then_some(())
        })
        .await;
    }
    times.sort_unstable();
    times
}

/// Whether the tests can run; says loudly why not.
pub(crate) fn permitted() -> bool {
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

/// Guarantee 17.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_grows_to_three_and_back_to_one_and_loses_nothing() {
    if !permitted() {
        return;
    }
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut field = Field::new(3).await;
    let alone = field.clients()[..1].to_vec();
    let clients = Clients::start(alone.clone(), CLIENTS, seed);
    field.grow().await;
    for node in [3, 2] {
        let removed = async || {
            let mut connection = Connection::open(alone[0]).await.ok()?;
            (connection.call(&format!("remove {node}")).await.ok()? == "removing").then_some(())
        };
        eventually("the node may be removed", removed).await;
        eventually("the node is out", async || {
            let overview = field.overview().await?;
            let nodes = overview["nodes"].as_array()?;
            let it = nodes.iter().find(|it| it["id"] == node)?;
            (it["state"] == "Removed").then_some(())
        })
        .await;
        field.hosts[node - 1].kill();
    }
    field.voters(1).await;
    let calls = clients.stop().await;
    let wrong = field.check(&calls, &alone).await;
    let pause = longest_pause(&calls);
    println!("{:?}, longest pause {} ms", Answers::of(&calls), pause.as_millis());
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    assert!(pause < PAUSE, "seed {seed}: nothing was acknowledged for {pause:?}");
}

/// The longest time that a caller waited until its append, or the next one to the same list, was acknowledged.
fn longest_pause(calls: &[Call]) -> Duration {
    let is_append = |call: &&Call| !matches!(call.what, What::Read { .. });
    let waits = calls.iter().filter(is_append).filter_map(|call| {
        let same = calls
            .iter()
            .filter(|next| next.actor == call.actor && next.answered >= call.answered);
        let acknowledged = same.filter(|next| matches!(next.what, What::Appended { .. }));
        Some(acknowledged.map(|next| next.answered).min()? - call.called)
    });
    waits.max().unwrap_or_default()
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

/// Started by `script/chaos --failover`: how long it takes until another node owns what one owned.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: script/chaos --failover"]
async fn failovers() {
    let trials = std::env::var_os("CHAOS_TRIALS").and_then(|value| value.to_str()?.parse().ok());
    let trials = trials.unwrap_or(50);
    for fault in [Fault::Kill, Fault::Freeze] {
        let times = failover(fault, trials, rand::random::<u32>().into()).await;
        println!(
            "{trials} x {fault:?}: every list answers elsewhere after {} ms (least), {} ms (median), {} ms (most)",
            times[0].as_millis(),
            times[times.len() / 2].as_millis(),
            times[times.len() - 1].as_millis()
        );
    }
}

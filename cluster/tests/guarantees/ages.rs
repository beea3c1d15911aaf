//! Listings that may be of some age: copies answer, and say how old what they show is.

use std::{collections::BTreeSet, time::Duration};

use cluster::{
    Bounds, Dated, Freshness, ReadToken, TenantQuery,
    prelude::*,
    testing::{TestNodes, TestNodesBuilder, Weather},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use crate::fixture::{Account, Activations, Add, tenant};

fn accounts(seed: u64) -> TestNodesBuilder {
    TestNodes::builder(seed).actor::<Account>(Activations::default())
}

fn id(name: &str) -> ActorId {
    ActorId::from_name::<Account>(&tenant(), name)
}

async fn add(test: &TestNodes, node: usize, name: &str) -> Result<u64> {
    let account = test.node(node).get::<Account>(id(name));
    account.ask_within(Duration::from_millis(500), Add(1)).await
}

async fn names(test: &TestNodes, node: usize, freshness: Freshness) -> Result<Dated<Vec<String>>> {
    let listing = test.node(node).listing().with(freshness);
    listing.names("account", &tenant(), DirectoryQuery::default()).await
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn a_copy_answers_within_the_age_while_its_owner_is_cut_off_and_not_after() {
    let test = accounts(1).engines().shards(4).start().await;
    for name in ["a", "b", "c", "d"] {
        add(&test, 0, name).await.unwrap();
    }
    let all = ["a", "b", "c", "d"];
    for node in 0..3 {
        let latest = names(&test, node, Freshness::latest()).await.unwrap();
        assert_eq!(
            (latest.found.as_slice(), latest.age),
            (&all.map(String::from)[..], Duration::ZERO)
        );
    }
    // Each node asks the owners now and then how far they are.
    test.advance(seconds(2)).await;
    test.isolate(0);
    let cut = Instant::now();
    test.advance(seconds(1)).await;
    let (one, asked) = (Freshness::at_most(seconds(5)), Instant::now());
    let shown = names(&test, 0, one.clone()).await.unwrap();
    assert_eq!(shown.found, all);
    assert!(shown.age >= seconds(1) && shown.age <= seconds(5), "{:?}", shown.age);
    assert_eq!(asked.elapsed(), Duration::ZERO, "nobody was asked");
    let tenants = test.node(0).listing().with(one.clone());
    let tenants = tenants.tenants(TenantQuery::default()).await.unwrap();
    assert_eq!((tenants.found, tenants.age), (vec![tenant()], shown.age));
    let count = test.node(0).listing().with(one.clone());
    let count = count.count("account", Some(&tenant())).await.unwrap();
    assert_eq!((count.found.actors, count.found.exact), (4, true));

    let young = names(&test, 0, Freshness::at_most(millis(900))).await.unwrap_err();
    assert_eq!(young.kind(), ErrorKind::Retryable);
    assert!(cut.elapsed() <= seconds(3), "it waited for {:?}", asked.elapsed());
    test.advance(seconds(5)).await;
    let asked = Instant::now();
    let late = names(&test, 0, one).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Retryable);
    // The owners are asked once more, and nobody waits for others.
    assert!(asked.elapsed() <= seconds(1), "it waited for {:?}", asked.elapsed());
    test.heal();
    assert_eq!(names(&test, 0, Freshness::latest()).await.unwrap().found, all);
}

/// Guarantee 3. The owner goes on to answer whoever is cut off together with it, but does not say any more that it is the owner.
#[tokio::test(start_paused = true)]
async fn a_copy_beside_a_deposed_owner_does_not_take_itself_for_young() {
    for seed in 0..8 {
        let bounds = Bounds {
            ask: millis(200),
            ..Bounds::default()
        };
        let test = accounts(seed).engines().nodes(5).shards(1).bounds(bounds).start().await;
        let (owner, beside) = (test.owner(0), (test.owner(0) + 1) % 5);
        add(&test, owner, "before").await.unwrap();
        for other in (0..5).filter(|node| ![owner, beside].contains(node)) {
            for (from, to) in [(owner, other), (beside, other)] {
                test.cut(from, to);
                test.cut(to, from);
            }
        }
        let cut = Instant::now();
        let written = async {
            let node = (owner + 2) % 5;
            while add(&test, node, "after").await.is_err() {
                test.advance(millis(5)).await;
            }
            Instant::now()
        };
        let shown = async {
            let mut shown = Vec::new();
            while cut.elapsed() < seconds(4) {
                let asked = Instant::now();
                if let Ok(Dated { found, age, .. }) = names(&test, beside, Freshness::at_most(millis(20))).await {
                    assert!(age <= millis(20), "seed {seed}: {age:?}");
                    shown.push((asked - age, found));
                }
                test.advance(millis(5)).await;
            }
            shown
        };
        let (written, shown) = tokio::join!(written, shown);
        assert!(written - cut < seconds(4), "seed {seed}: nobody else became the owner");
        for (moment, found) in &shown {
            assert!(
                *moment < written || found.contains(&"after".to_owned()),
                "seed {seed}: what was written {:?} after the cut is not shown as of {:?} after it",
                written - cut,
                *moment - cut
            );
        }
        let last = shown.last().map(|(moment, _)| *moment - cut);
        assert!(last > Some(millis(400)), "seed {seed}: it answered until {last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_for_what_a_token_covers() {
    for seed in 0..8 {
        let test = accounts(seed).engines().shards(1).start().await;
        let owner = test.owner(0);
        let (copy, other) = ((owner + 1) % 3, (owner + 2) % 3);
        add(&test, owner, "a").await.unwrap();
        let age = Freshness::at_most(seconds(60));
        names(&test, copy, age.clone()).await.unwrap();
        // That another one is durable is heard somewhat later.
        test.set_weather(Weather {
            delay: millis(50)..=millis(60),
            ..Weather::default()
        });
        add(&test, owner, "b").await.unwrap();
        let token = test.node(owner).read_token(&id("b")).await.unwrap();
        let old = names(&test, copy, age.clone()).await.unwrap();
        assert_eq!(old.found, ["a"], "seed {seed}");
        let asked = Instant::now();
        let shown = names(&test, copy, age.clone().covering(&token)).await.unwrap();
        assert_eq!(shown.found, ["a", "b"], "seed {seed}");
        assert!(
            !asked.elapsed().is_zero() && !shown.age.is_zero(),
            "seed {seed}: the copy did not wait"
        );
        // The next one is shown no less, wherever it asks.
        let again = names(&test, other, age.clone().covering(&shown.token)).await.unwrap();
        assert_eq!(again.found, ["a", "b"], "seed {seed}");
        assert_eq!(again.token.to_string().parse::<ReadToken>().unwrap(), again.token);

        // A copy that cannot come so far says so.
        test.isolate(copy);
        while add(&test, other, "c").await.is_err() {}
        let token = test.node(other).read_token(&id("c")).await.unwrap();
        let lacking = names(&test, copy, age.clone().covering(&token)).await.unwrap_err();
        assert_eq!(lacking.kind(), ErrorKind::Retryable, "seed {seed}");
        assert_eq!(names(&test, copy, age).await.unwrap().found, ["a", "b"], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_without_copies_shows_what_the_owners_have() {
    let test = accounts(1).without_replicas().start().await;
    for node in 0..3 {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            add(&test, node, name).await.unwrap();
        }
        for reader in 0..3 {
            let shown = names(&test, reader, Freshness::at_most(seconds(60))).await.unwrap();
            assert_eq!(shown.found.len(), 8);
            let covering = Freshness::latest().covering(&shown.token);
            assert_eq!(names(&test, reader, covering).await.unwrap().found.len(), 8);
        }
        for shard in 0..8 {
            test.move_shard(shard, (test.owner(shard) + 1) % 3).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_cluster_is_refused() {
    let test = accounts(1).engines().shards(2).start().await;
    add(&test, 0, "a").await.unwrap();
    // Entry 65535 of shard 0, and entry 7 of shard 5.
    for text in ["r1-010100fbffff", "r1-01010507"] {
        let token = text.parse::<ReadToken>().unwrap();
        for node in 0..3 {
            for freshness in [Freshness::latest(), Freshness::at_most(seconds(60))] {
                let refused = names(&test, node, freshness.covering(&token)).await.unwrap_err();
                assert_eq!(
                    (refused.kind(), refused.code()),
                    (ErrorKind::Invalid, "read-token.foreign")
                );
            }
        }
    }
}

/// What a schedule has shown.
#[derive(Default)]
struct Observed {
    shown: usize,
    by_copies: usize,
    refused: usize,
    /// Age beside its bound, of what copies showed.
    ages: Vec<(Duration, Duration)>,
}

/// Actors come to be through any node, and listings of any age are asked of any other, while messages are late and lost,
/// links are cut and owners move: each shows everything that was acknowledged so long before it was asked for.
async fn schedule(seed: u64, observed: &mut Observed) {
    let bounds = Bounds {
        ask: seconds(2),
        ..Bounds::default()
    };
    let weather = Weather {
        delay: Duration::from_micros(50)..=millis(20),
        loss: 0.02,
        repeat: 0.02,
    };
    let test = accounts(seed).engines().shards(4).bounds(bounds).start().await;
    test.set_weather(weather);
    let end = Instant::now() + seconds(12);
    let acknowledged = parking_lot::Mutex::new(Vec::<(String, Instant)>::new());
    let random = |stream: u64| StdRng::seed_from_u64(seed << 8 | stream);
    let write = async |stream: u64| {
        let mut random = random(stream);
        let mut number = 0;
        while Instant::now() < end {
            let name = format!("{stream}-{number}");
            if add(&test, random.random_range(0..3), &name).await.is_ok() {
                acknowledged.lock().push((name, Instant::now()));
            }
            number += 1;
            test.advance(millis(random.random_range(0..80))).await;
        }
    };
    let read = async |stream: u64| {
        let mut random = random(stream);
        let mut seen = Observed::default();
        let (mut token, mut before) = (ReadToken::default(), BTreeSet::new());
        while Instant::now() < end {
            let bound = millis([0, 20, 200, 1_000, 5_000][random.random_range(0..5)]);
            let freshness = Freshness::at_most(bound).covering(&token);
            let asked = Instant::now();
            match names(&test, random.random_range(0..3), freshness).await {
                Ok(shown) => {
                    assert!(shown.age <= bound, "seed {seed}: {:?} of {bound:?}", shown.age);
                    let found: BTreeSet<_> = shown.found.into_iter().collect();
                    for (name, at) in &*acknowledged.lock() {
                        assert!(
                            *at >= asked - shown.age || found.contains(name),
                            "seed {seed}: {name} was acknowledged {:?} before, and the age was said to be {:?}",
                            asked - *at,
                            shown.age
                        );
                    }
                    assert!(before.is_subset(&found), "seed {seed}: it showed less than before");
                    (token, before) = (shown.token, found);
                    seen.shown += 1;
                    if !shown.age.is_zero() {
                        seen.by_copies += 1;
                        seen.ages.push((shown.age, bound));
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Retryable, "seed {seed}: {error}");
                    seen.refused += 1;
                }
            }
            test.advance(millis(random.random_range(0..50))).await;
        }
        seen
    };
    let trouble = async {
        let mut random = random(0);
        while Instant::now() < end {
            match random.random_range(0..4) {
                0 => test.isolate(random.random_range(0..3)),
                1 => test.cut(random.random_range(0..3), random.random_range(0..3)),
                2 => {
                    test.try_move_shard(random.random_range(0..4), random.random_range(0..3))
                        .await
                }
                _ => {}
            }
            test.advance(millis(random.random_range(100..2_500))).await;
            test.heal();
            test.advance(millis(random.random_range(0..500))).await;
        }
    };
    let (_, _, one, two, ()) = tokio::join!(write(1), write(2), read(3), read(4), trouble);
    assert_eq!(test.fatal(), Vec::<String>::new(), "seed {seed}");
    for seen in [one, two] {
        observed.shown += seen.shown;
        observed.by_copies += seen.by_copies;
        observed.refused += seen.refused;
        observed.ages.extend(seen.ages);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_was_acknowledged_before_the_age_is_shown() {
    let mut observed = Observed::default();
    for seed in 0..6 {
        schedule(seed, &mut observed).await;
    }
    let Observed {
        shown,
        by_copies,
        refused,
        mut ages,
    } = observed;
    ages.sort();
    let share = ages.iter().map(|(age, bound)| age.as_secs_f64() / bound.as_secs_f64());
    let share = share.sum::<f64>() / f64::from(u32::try_from(ages.len()).unwrap());
    println!("{shown} listings, {by_copies} of them with an age by copies, {refused} refused");
    println!(
        "ages are {:.0} % of their bound on average, the oldest is {:?}",
        share * 100.0,
        ages.last()
    );
    assert!(shown > 1_000 && by_copies > 400 && refused > 0);
}

//! Random schedules of calls that are repeated under idempotency keys until their outcome is certain.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::LocalSet;

use crate::{
    fixture::{Account, Activations, Add, Total, account, tenant},
    idempotency::{Clerk, Forward, Stamps, key},
};

/// Repeats until the outcome is certain.
async fn insist<F: Future<Output = Result<u64>>>(attempt: impl Fn() -> F, seed: u64) -> Result<u64> {
    for _ in 0..200 {
        match attempt().await {
            Err(error) if ["retryable", "unknown", "deadline"].contains(&error.code()) => {
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
            outcome => return outcome,
        }
    }
    panic!("seed {seed}: no certain outcome");
}

#[derive(Default)]
struct Tally {
    certain: usize,
    interrupted: usize,
    repeated: usize,
}

async fn schedule(seed: u64, simulated: bool, tally: &mut Tally) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut builder = TestCluster::builder(seed)
        .actor::<Clerk>(Activations::default())
        .actor::<Account>(Activations::default());
    if simulated {
        let rate = if random.random_bool(0.7) { 0.05 } else { 0.0 };
        let commit_delay = Duration::from_millis(random.random_range(0..40));
        builder = builder.simulated(Faults {
            commit_delay,
            unknown: rate,
            refused: rate,
            ..Faults::default()
        });
    }
    let mut test = builder.start().await;
    let cluster = Rc::new(RefCell::new(test.cluster()));
    let attempts = Rc::new(RefCell::new(BTreeMap::<u32, usize>::new()));
    let calls: Vec<_> = (0..12)
        .map(|id: u32| {
            let (cluster, attempts) = (Rc::clone(&cluster), Rc::clone(&attempts));
            let start = Duration::from_millis(random.random_range(0..300));
            let account = format!("account-{id}");
            let name = key(&format!("call-{id}"));
            // A third adds by itself, a third has a clerk add with nothing but a key, a third also stamps.
            let forward = Forward {
                stamp: id % 3 == 2,
                account: account.clone(),
                work: Duration::from_millis(random.random_range(0..30)),
                panic: false,
                key: Some(name.clone()),
            };
            tokio::task::spawn_local(async move {
                tokio::time::sleep(start).await;
                let attempt = || {
                    *attempts.borrow_mut().entry(id).or_default() += 1;
                    let cluster = cluster.borrow().clone();
                    let (name, forward, account) = (name.clone(), forward.clone(), account.clone());
                    async move {
                        if id.is_multiple_of(3) {
                            let account = cluster.get::<Account>(ActorId::from_name::<Account>(&tenant(), &account));
                            account.ask_idempotent(&name, Add(1)).await
                        } else {
                            let clerk = ActorId::from_name::<Clerk>(&tenant(), &format!("clerk-{id}"));
                            cluster.get::<Clerk>(clerk).ask_idempotent(&name, forward).await
                        }
                    }
                };
                let outcome = insist(&attempt, seed).await;
                // However late, a repetition gets the same.
                tokio::time::sleep(Duration::from_secs(60)).await;
                assert_eq!(
                    insist(&attempt, seed).await,
                    outcome,
                    "seed {seed}: call {id} is answered differently"
                );
                (id, outcome)
            })
        })
        .collect();
    for _ in 0..random.random_range(0..4) {
        test.advance(Duration::from_millis(random.random_range(1..150))).await;
        test.crash_and_restart().await;
        *cluster.borrow_mut() = test.cluster();
    }
    for call in calls {
        let (id, outcome) = call.await.unwrap();
        let total = insist(
            || async { account(&test, &format!("account-{id}")).ask(Total).await },
            seed,
        )
        .await
        .unwrap();
        let clerk = ActorId::from_name::<Clerk>(&tenant(), &format!("clerk-{id}"));
        let stamps = insist(
            || async {
                test.cluster()
                    .get::<Clerk>(clerk.clone())
                    .ask(Stamps)
                    .await
                    .map(u64::from)
            },
            seed,
        )
        .await
        .unwrap();
        match outcome {
            Ok(answer) => {
                tally.certain += 1;
                assert_eq!((answer, total), (1, 1), "seed {seed}: call {id} was lost or doubled");
                assert_eq!(stamps, u64::from(id % 3 == 2), "seed {seed}: call {id}");
            }
            Err(error) => {
                tally.interrupted += 1;
                assert_eq!(error.code(), "idempotency.interrupted", "seed {seed}: call {id}");
                assert!(
                    total <= 1 && stamps <= u64::from(id % 3 == 2),
                    "seed {seed}: call {id} was doubled"
                );
                assert_ne!(
                    id % 3,
                    0,
                    "seed {seed}: call {id} asks nobody, so nothing can interrupt it"
                );
            }
        }
        tally.repeated += usize::from(attempts.borrow()[&id] > 2);
    }
}

fn run(seed: u64, simulated: bool, tally: &mut Tally) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, schedule(seed, simulated, tally));
}

/// Guarantees 6, 7 and 13.
#[test]
fn calls_that_are_repeated_under_a_key_take_effect_once() {
    let mut tally = Tally::default();
    for seed in 0..500 {
        run(seed, true, &mut tally);
    }
    assert!(tally.certain > 4000, "{} calls were certain", tally.certain);
    assert!(tally.repeated > 500, "{} calls were repeated before", tally.repeated);
    assert!(tally.interrupted > 25, "{} calls were interrupted", tally.interrupted);
}

/// Guarantees 6, 7 and 13.
#[test]
fn calls_that_are_repeated_under_a_key_take_effect_once_on_the_engine() {
    let mut tally = Tally::default();
    for seed in 0..40 {
        run(seed, false, &mut tally);
    }
    assert!(tally.certain > 300, "{} calls were certain", tally.certain);
    assert!(tally.repeated > 20, "{} calls were repeated before", tally.repeated);
}

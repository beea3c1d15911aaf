//! Calls under idempotency keys.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use cluster::{
    Bounds,
    prelude::*,
    testing::{Faults, TestCluster},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::fixture::{
    Account, Activations, Add, AddAndFail, AddAndPanic, AddSlowly, Total, WritePair, account, engine_accounts, tenant,
};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_repeated_call_is_handled_once_and_answered_alike() {
    let (mut test, _) = engine_accounts(1).await;
    let add =
        async |test: &TestCluster, name: &str| account(test, "a").ask_idempotent(&key(name), Add(1)).await.unwrap();
    assert_eq!(add(&test, "first").await, 1);
    assert_eq!(add(&test, "second").await, 2);
    assert_eq!(add(&test, "first").await, 1);
    test.passivate_all().await;
    assert_eq!(add(&test, "first").await, 1);
    test.crash_and_restart().await;
    assert_eq!(add(&test, "first").await, 1);
    assert_eq!(
        account(&test, "b").ask_idempotent(&key("first"), Add(1)).await.unwrap(),
        1,
        "keys are of one actor"
    );
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 2);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_repeated_error_is_the_same_error() {
    let (mut test, _) = engine_accounts(2).await;
    let first = account(&test, "a")
        .ask_idempotent(&key("k"), AddAndFail(5))
        .await
        .unwrap_err();
    test.crash_and_restart().await;
    let second = account(&test, "a")
        .ask_idempotent(&key("k"), AddAndFail(5))
        .await
        .unwrap_err();
    assert_eq!((second.code(), &first), ("account.refused", &second));
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 5);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_used_for_another_message_is_refused() {
    let (test, _) = engine_accounts(3).await;
    let account = account(&test, "a");
    account.ask_idempotent(&key("k"), Add(1)).await.unwrap();
    let content = account.ask_idempotent(&key("k"), Add(2)).await.unwrap_err();
    let name = account.ask_idempotent(&key("k"), WritePair(1)).await.unwrap_err();
    for refused in [content, name] {
        assert_eq!(
            (refused.kind(), refused.code()),
            (ErrorKind::Conflict, "idempotency.reused")
        );
    }
    assert_eq!(account.ask(Total).await.unwrap(), 1, "and the reference is whole");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_repetition_while_the_first_call_runs_gets_its_outcome() {
    let (test, _) = engine_accounts(4).await;
    let slowly = || AddSlowly(1, Duration::from_secs(3));
    let account = account(&test, "a");
    let hurried = account.clone();
    let hurry = Duration::from_secs(1);
    let name = key("k");
    let (first, second, third) = tokio::join!(
        hurried.ask_idempotent_within(hurry, &name, slowly()),
        account.ask_idempotent(&name, slowly()),
        account.ask_idempotent(&name, slowly()),
    );
    assert_eq!(first.unwrap_err().code(), "deadline");
    assert_eq!((second.unwrap(), third.unwrap()), (1, 1));
    assert_eq!(account.ask(Total).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_call_that_panicked_had_no_effect_and_is_handled_anew() {
    let (test, activations) = engine_accounts(5).await;
    for _ in 0..3 {
        let panicked = account(&test, "a")
            .ask_idempotent(&key("k"), AddAndPanic(1))
            .await
            .unwrap_err();
        assert_eq!(panicked.code(), "panic");
    }
    assert_eq!(activations.count(), 3);
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 0);
}

const STAMPS: Key<u32> = Key::new("stamps");

/// Stamps, and does more than that when told to.
struct Clerk;

/// Stamps; answers so many bytes.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "clerk.stamp", reply = String)]
struct Stamp(usize);

/// Stamps, has the account add one, and then ends in some way.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "clerk.forward", reply = u64)]
struct Forward {
    stamp: bool,
    account: String,
    work: Duration,
    panic: bool,
    /// Under which the account is asked.
    key: Option<IdempotencyKey>,
}

/// Says that it is busy, without having done anything.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "clerk.yawn")]
struct Yawn;

/// Removes everything.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "clerk.shred")]
struct Shred;

/// Answers how often it stamped.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "clerk.stamps", reply = u32)]
struct Stamps;

impl VirtualActor for Clerk {
    const CLASS: &'static str = "clerk";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Stamp>()
            .on::<Forward>()
            .on::<Yawn>()
            .on::<Shred>()
            .on::<Stamps>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if ctx.storage().get(&STAMPS).await? == Some(13) {
            return Err(ActorError::internal("clerk.ill", "thirteen stamps"));
        }
        Ok(Self)
    }
}

async fn stamp(ctx: &mut Ctx<Clerk>) -> Result<()> {
    let stamps = ctx.storage().get(&STAMPS).await?.unwrap_or_default();
    ctx.storage().put(&STAMPS, &(stamps + 1))
}

impl Handler<Stamp> for Clerk {
    async fn handle(&mut self, Stamp(bytes): Stamp, ctx: &mut Ctx<Self>) -> Result<String> {
        stamp(ctx).await?;
        Ok("x".repeat(bytes))
    }
}

impl Handler<Forward> for Clerk {
    async fn handle(&mut self, forward: Forward, ctx: &mut Ctx<Self>) -> Result<u64> {
        if forward.stamp {
            stamp(ctx).await?;
        }
        let account = ctx.get::<Account>(&forward.account);
        let total = match &forward.key {
            Some(key) => ctx.ask_idempotent(&account, key, Add(1)).await?,
            None => ctx.ask(&account, Add(1)).await?,
        };
        tokio::time::sleep(forward.work).await;
        assert!(!forward.panic, "told to panic");
        Ok(total)
    }
}

impl Handler<Yawn> for Clerk {
    async fn handle(&mut self, _: Yawn, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.env().another();
        Err(ActorError::overloaded("clerk.busy", "come back later"))
    }
}

impl Handler<Shred> for Clerk {
    async fn handle(&mut self, _: Shred, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete_all()
    }
}

impl Handler<Stamps> for Clerk {
    async fn handle(&mut self, _: Stamps, ctx: &mut Ctx<Self>) -> Result<u32> {
        Ok(ctx.storage().get(&STAMPS).await?.unwrap_or_default())
    }
}

async fn clerks(seed: u64, bounds: Bounds) -> (TestCluster, Activations) {
    let yawns = Activations::default();
    let test = TestCluster::builder(seed)
        .bounds(bounds)
        .actor::<Clerk>(yawns.clone())
        .actor::<Account>(Activations::default())
        .start()
        .await;
    (test, yawns)
}

fn clerk(test: &TestCluster) -> ActorRef<Clerk> {
    test.cluster().get(ActorId::from_name::<Clerk>(&tenant(), "c"))
}

fn forward(panic: bool) -> Forward {
    Forward {
        stamp: true,
        account: "a".into(),
        work: Duration::ZERO,
        panic,
        key: None,
    }
}

/// Guarantees 6 and 13.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_off_half_way_is_not_run_again() {
    let (mut test, _) = clerks(6, Bounds::default()).await;
    let panicked = clerk(&test)
        .ask_idempotent(&key("panic"), forward(true))
        .await
        .unwrap_err();
    assert_eq!(panicked.code(), "panic");
    let slowly = || Forward {
        work: Duration::from_secs(5),
        ..forward(false)
    };
    let hurry = Duration::from_secs(2);
    let cut = clerk(&test)
        .ask_idempotent_within(hurry, &key("crash"), slowly())
        .await
        .unwrap_err();
    assert_eq!(cut.code(), "deadline");
    test.crash_and_restart().await;
    let again = clerk(&test)
        .ask_idempotent(&key("panic"), forward(true))
        .await
        .unwrap_err();
    let crashed = clerk(&test).ask_idempotent(&key("crash"), slowly()).await.unwrap_err();
    for again in [again, crashed] {
        assert_eq!(
            (again.kind(), again.code()),
            (ErrorKind::Unknown, "idempotency.interrupted")
        );
    }
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 2);
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 2);
}

/// Guarantees 6 and 13.
#[tokio::test(start_paused = true)]
async fn a_call_that_asks_half_way_stores_its_outcome_at_the_end() {
    let (test, _) = clerks(7, Bounds::default()).await;
    for _ in 0..2 {
        assert_eq!(clerk(&test).ask_idempotent(&key("k"), forward(false)).await.unwrap(), 1);
    }
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 1);
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_failure_on_the_way_to_another_is_not_handed_on_as_the_lasting_outcome() {
    let bounds = Bounds {
        mailbox: 1,
        ..Bounds::default()
    };
    let (test, _) = clerks(8, bounds).await;
    let busy = account(&test, "a");
    let busy = async move { busy.ask(AddSlowly(1, Duration::from_secs(3))).await };
    let name = key("k");
    let clerk_of = clerk(&test);
    let refused = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        clerk_of.ask_idempotent(&name, forward(false)).await.unwrap_err()
    };
    let (busy, refused) = tokio::join!(busy, refused);
    busy.unwrap();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Overloaded, "overloaded"));
    // The stamp is durable, so the call is not run again, and must not look as if it could be.
    let again = clerk(&test)
        .ask_idempotent(&key("k"), forward(false))
        .await
        .unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (ErrorKind::Unknown, "idempotency.interrupted")
    );
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn an_error_that_passes_and_had_no_effect_is_not_kept() {
    let (test, yawns) = clerks(9, Bounds::default()).await;
    for _ in 0..2 {
        let busy = clerk(&test).ask_idempotent(&key("k"), Yawn).await.unwrap_err();
        assert_eq!(busy.code(), "clerk.busy");
    }
    assert_eq!(yawns.count(), 2);
    // Nothing was stored, so the key is still free.
    clerk(&test).ask_idempotent(&key("k"), Stamp(1)).await.unwrap();
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_repetition_behind_delete_all_does_not_run_again() {
    let (test, _) = clerks(10, Bounds::default()).await;
    clerk(&test).ask_idempotent(&key("k"), Stamp(3)).await.unwrap();
    clerk(&test).ask_idempotent(&key("shred"), Shred).await.unwrap();
    test.passivate_all().await;
    assert_eq!(clerk(&test).ask_idempotent(&key("k"), Stamp(3)).await.unwrap(), "xxx");
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 0);
    clerk(&test).ask_idempotent(&key("after"), Stamp(3)).await.unwrap();
    clerk(&test).ask_idempotent(&key("shred"), Shred).await.unwrap();
    assert_eq!(
        clerk(&test).ask(Stamps).await.unwrap(),
        1,
        "the repeated removal removed nothing"
    );
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn an_actor_that_cannot_be_activated_any_more_answers_for_what_it_did() {
    let (test, _) = clerks(11, Bounds::default()).await;
    for n in 0..13 {
        clerk(&test)
            .ask_idempotent(&key(&n.to_string()), Stamp(n))
            .await
            .unwrap();
    }
    test.passivate_all().await;
    assert_eq!(clerk(&test).ask_idempotent(&key("2"), Stamp(2)).await.unwrap(), "xx");
    assert_eq!(
        clerk(&test)
            .ask_idempotent(&key("new"), Stamp(2))
            .await
            .unwrap_err()
            .code(),
        "clerk.ill"
    );
}

/// Guarantees 13 and 14.
#[tokio::test(start_paused = true)]
async fn a_reply_too_large_to_keep_is_said_once_and_the_effect_is_not_doubled() {
    let (test, _) = clerks(12, Bounds::default()).await;
    // The bound counts the encoded reply: four bytes of framing here.
    let fits = (16 << 10) - 4;
    for _ in 0..2 {
        assert_eq!(
            clerk(&test)
                .ask_idempotent(&key("fits"), Stamp(fits))
                .await
                .unwrap()
                .len(),
            fits
        );
    }
    let beyond = fits + 1;
    let first = clerk(&test).ask_idempotent(&key("k"), Stamp(beyond)).await.unwrap();
    assert_eq!(first.len(), beyond);
    let second = clerk(&test).ask_idempotent(&key("k"), Stamp(beyond)).await.unwrap_err();
    assert_eq!(
        (second.kind(), second.code()),
        (ErrorKind::TooLarge, "idempotency.reply-too-large")
    );
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 2);
}

/// Guarantees 13 and 14.
#[tokio::test(start_paused = true)]
async fn the_oldest_outcomes_are_forgotten_first() {
    let bounds = Bounds {
        idempotency_keys: 3,
        ..Bounds::default()
    };
    let (mut test, _) = clerks(13, bounds).await;
    let stamp = async |test: &TestCluster, n: u32| {
        clerk(test)
            .ask_idempotent(&key(&n.to_string()), Stamp(1))
            .await
            .unwrap()
    };
    for n in 0..5 {
        stamp(&test, n).await;
    }
    let rows = test.rows();
    for n in [4, 3, 2] {
        stamp(&test, n).await;
    }
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 5);
    test.crash_and_restart().await;
    stamp(&test, 1).await;
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 6, "it was forgotten");
    for n in 5..50 {
        stamp(&test, n).await;
    }
    assert_eq!(test.rows(), rows, "what is forgotten is gone");
}

/// Guarantees 13 and 14.
#[tokio::test(start_paused = true)]
async fn an_outcome_is_forgotten_when_it_is_old() {
    let (test, _) = clerks(14, Bounds::default()).await;
    let stamp = async |name: &str| clerk(&test).ask_idempotent(&key(name), Stamp(1)).await.unwrap();
    stamp("k").await;
    let rows = test.rows();
    test.advance(Duration::from_secs(24 * 3600 - 10)).await;
    stamp("k").await;
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 1);
    test.advance(Duration::from_secs(10)).await;
    stamp("k").await;
    assert_eq!(clerk(&test).ask(Stamps).await.unwrap(), 2);
    assert_eq!(test.rows(), rows, "the new outcome replaces the old one");
    for n in 0..20 {
        stamp(&n.to_string()).await;
    }
    test.advance(Duration::from_secs(24 * 3600)).await;
    for name in ["x", "y"] {
        stamp(name).await;
    }
    assert_eq!(test.rows(), rows + 2, "old ones go with the next turns");
}

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
    for seed in 0..1000 {
        run(seed, true, &mut tally);
    }
    assert!(tally.certain > 8000, "{} calls were certain", tally.certain);
    assert!(tally.repeated > 1000, "{} calls were repeated before", tally.repeated);
    assert!(tally.interrupted > 50, "{} calls were interrupted", tally.interrupted);
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

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_call_without_a_key_stores_nothing() {
    let (test, _) = clerks(15, Bounds::default()).await;
    clerk(&test).ask(Stamp(1)).await.unwrap();
    let rows = test.rows();
    clerk(&test).ask(Stamp(1)).await.unwrap();
    assert_eq!(test.rows(), rows);
    clerk(&test).ask_idempotent(&key("k"), Stamp(1)).await.unwrap();
    assert_eq!(test.rows(), rows + 2);
}

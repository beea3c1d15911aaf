//! Random schedules: asks, durable sends and alarms meet slow, refused and doubtful commits and crashes, and an oracle
//! looks at what is left.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::fixture::tenant;

const ENTRIES: Keys<u32> = Keys::new("entries/");
const NOTES: Keys<u32> = Keys::new("notes/");
const RINGS: Keys<u32> = Keys::new("rings/");
const WAITING: Keys<()> = Keys::new("waiting/");

/// Keeps a book of what happened to it.
struct Ledger;

/// Enters an operation; notes it with another ledger, and rings, if asked to.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "ledger.enter")]
struct Enter {
    id: u32,
    note_with: Option<String>,
    ring_in: Option<Duration>,
    /// Asks this one before the rest, which splits the turn.
    ask_first: Option<String>,
    work: Duration,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "ledger.note")]
struct Note(u32);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Book {
    entries: BTreeMap<u32, u32>,
    notes: BTreeMap<u32, u32>,
    rings: BTreeMap<u32, u32>,
    waiting: usize,
    alarm: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "ledger.read", reply = Book)]
struct Read;

impl VirtualActor for Ledger {
    const CLASS: &'static str = "ledger";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Enter>().on::<Note>().on::<Read>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        for (id, ()) in ctx.storage().list(&WAITING, List::default()).await? {
            count(&RINGS.key(&id), ctx).await?;
            ctx.storage().delete(&WAITING.key(&id))?;
        }
        Ok(())
    }
}

async fn count(key: &Key<u32>, ctx: &mut Ctx<Ledger>) -> Result<()> {
    let before = ctx.storage().get(key).await?.unwrap_or_default();
    ctx.storage().put(key, &(before + 1))
}

impl Handler<Enter> for Ledger {
    async fn handle(&mut self, enter: Enter, ctx: &mut Ctx<Self>) -> Result<()> {
        if let Some(name) = enter.ask_first {
            ctx.ask(&ctx.get::<Self>(&name), Read).await?;
        }
        count(&ENTRIES.key(&enter.id.to_string()), ctx).await?;
        if !enter.work.is_zero() {
            tokio::time::sleep(enter.work).await;
        }
        if let Some(name) = enter.note_with {
            ctx.send(&ctx.get::<Self>(&name), Note(enter.id))?;
        }
        if let Some(delay) = enter.ring_in {
            ctx.storage().put(&WAITING.key(&enter.id.to_string()), &())?;
            ctx.set_alarm(ctx.now().plus(delay));
        }
        Ok(())
    }
}

impl Handler<Note> for Ledger {
    async fn handle(&mut self, Note(id): Note, ctx: &mut Ctx<Self>) -> Result<()> {
        count(&NOTES.key(&id.to_string()), ctx).await
    }
}

impl Handler<Read> for Ledger {
    async fn handle(&mut self, _: Read, ctx: &mut Ctx<Self>) -> Result<Book> {
        let alarm = ctx.get_alarm();
        let storage = ctx.storage();
        let numbered = |rows: Vec<(String, u32)>| rows.into_iter().map(|(id, n)| (id.parse().unwrap(), n)).collect();
        Ok(Book {
            entries: numbered(storage.list(&ENTRIES, List::default()).await?),
            notes: numbered(storage.list(&NOTES, List::default()).await?),
            rings: numbered(storage.list(&RINGS, List::default()).await?),
            waiting: storage.list(&WAITING, List::default()).await?.len(),
            alarm,
        })
    }
}

const NAMES: [&str; 3] = ["x", "y", "z"];

/// What the caller of an operation knows.
#[derive(Debug, Clone)]
struct Known {
    at: &'static str,
    enter: Enter,
    outcome: Option<ErrorKind>,
}

#[derive(Default)]
struct Tally {
    acknowledged: usize,
    unknown: usize,
    retryable: usize,
}

fn operation(id: u32, random: &mut StdRng) -> (&'static str, Enter) {
    let at = random.random_range(0..3);
    let next = NAMES[(at + 1) % 3];
    let enter = Enter {
        id,
        note_with: random
            .random_bool(0.6)
            .then(|| NAMES[random.random_range(0..3)].to_owned()),
        ring_in: random
            .random_bool(0.3)
            .then(|| Duration::from_millis(random.random_range(0..200))),
        // Only downwards, so that no two ledgers wait for each other.
        ask_first: (at < 2 && random.random_bool(0.2)).then(|| next.to_owned()),
        work: Duration::from_millis(if random.random_bool(0.2) {
            random.random_range(0..30)
        } else {
            0
        }),
    };
    (NAMES[at], enter)
}

async fn schedule(seed: u64, simulated: bool, tally: &mut Tally) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut builder = TestCluster::builder(seed).actor::<Ledger>(());
    if simulated {
        let rate = if random.random_bool(0.5) { 0.03 } else { 0.0 };
        let commit_delay = Duration::from_millis(random.random_range(0..40));
        builder = builder.simulated(Faults {
            commit_delay,
            unknown: rate,
            refused: rate,
        });
    }
    let mut test = builder.start().await;
    let cluster = Rc::new(RefCell::new(test.cluster()));
    let operations: Vec<_> = (0..20)
        .map(|id| {
            let (at, enter) = operation(id, &mut random);
            let start = Duration::from_millis(random.random_range(0..400));
            let cluster = Rc::clone(&cluster);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(start).await;
                let ledger = cluster
                    .borrow()
                    .get::<Ledger>(ActorId::from_name::<Ledger>(&tenant(), at));
                let outcome = ledger.ask(enter.clone()).await.err().map(|error| error.kind());
                Known { at, enter, outcome }
            })
        })
        .collect();
    for _ in 0..random.random_range(0..3) {
        test.advance(Duration::from_millis(random.random_range(1..200))).await;
        test.crash_and_restart().await;
        *cluster.borrow_mut() = test.cluster();
    }
    let mut known = Vec::new();
    for operation in operations {
        known.push(operation.await.unwrap());
    }
    test.advance(Duration::from_secs(300)).await;
    let mut books = BTreeMap::new();
    for name in NAMES {
        let ledger = test
            .cluster()
            .get::<Ledger>(ActorId::from_name::<Ledger>(&tenant(), name));
        books.insert(name, ledger.ask(Read).await.unwrap());
    }
    judge(seed, &known, &books, tally);
}

fn judge(seed: u64, known: &[Known], books: &BTreeMap<&'static str, Book>, tally: &mut Tally) {
    for Known { at, enter, outcome } in known {
        let id = enter.id;
        let entered = books[at].entries.get(&id).copied().unwrap_or_default();
        match outcome {
            None => {
                tally.acknowledged += 1;
                assert_eq!(
                    entered, 1,
                    "seed {seed}: acknowledged operation {id} was lost or doubled"
                );
            }
            Some(ErrorKind::Unknown) => {
                tally.unknown += 1;
                assert!(entered <= 1, "seed {seed}: operation {id} was doubled");
            }
            Some(ErrorKind::Retryable) => {
                tally.retryable += 1;
                assert_eq!(
                    entered, 0,
                    "seed {seed}: operation {id} took effect and was called retryable"
                );
            }
            Some(other) => panic!("seed {seed}: operation {id} failed with {other:?}"),
        }
        let noted: u32 = books.values().filter_map(|book| book.notes.get(&id)).sum();
        let due = if enter.note_with.is_some() { entered } else { 0 };
        assert_eq!(
            noted, due,
            "seed {seed}: the send of operation {id} was lost or doubled"
        );
        let rung = books[at].rings.get(&id).copied().unwrap_or_default();
        let due = if enter.ring_in.is_some() { entered } else { 0 };
        assert_eq!(
            rung, due,
            "seed {seed}: the alarm of operation {id} took effect {rung} times"
        );
    }
    for (name, book) in books {
        assert_eq!(
            (book.waiting, book.alarm),
            (0, None),
            "seed {seed}: ledger {name} still waits"
        );
    }
}

/// Guarantees 3, 4, 6, 7, 10 and 13.
#[test]
fn random_schedules_keep_every_promise() {
    let mut tally = Tally::default();
    for seed in 0..2000 {
        run(seed, true, &mut tally);
    }
    assert!(
        tally.acknowledged > 20_000,
        "{} operations were acknowledged",
        tally.acknowledged
    );
    assert!(tally.unknown > 1000, "{} operations were left open", tally.unknown);
    assert!(tally.retryable > 10, "{} operations were refused", tally.retryable);
}

/// Guarantees 3, 4, 6, 7, 10 and 13.
#[test]
fn random_schedules_keep_every_promise_on_the_engine() {
    let mut tally = Tally::default();
    for seed in 0..50 {
        run(seed, false, &mut tally);
    }
    assert!(
        tally.acknowledged > 500,
        "{} operations were acknowledged",
        tally.acknowledged
    );
}

fn run(seed: u64, simulated: bool, tally: &mut Tally) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, schedule(seed, simulated, tally));
}

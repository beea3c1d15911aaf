//! Versions of what a class stores, and the upgrade on activation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::{
    prelude::*,
    testing::{TestCluster, TestClusterBuilder},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::fixture::{Account, Activations, Total, slow, tenant};

/// What happened to the books, in order.
#[derive(Clone, Default)]
struct Journal {
    lines: Arc<Mutex<Vec<String>>>,
    /// Upgrades fail.
    broken: Arc<AtomicBool>,
    /// Upgrades ask another actor.
    curious: Arc<AtomicBool>,
}

impl Journal {
    fn note(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock())
    }
}

/// A book, by the version of the code: the first kept its pages as text, the later ones keep two numbers that are equal.
struct Book<const V: u32>;

const TEXT: Key<String> = Key::new("pages");
const PAGES: Key<u64> = Key::new("pages");
const COPY: Key<u64> = Key::new("copy");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "book.write")]
struct Write(u64);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "book.read", reply = (u64, u64))]
struct Read;

/// Sets an alarm after some time.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "book.remind")]
struct Remind(Duration);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "book.empty")]
struct Empty;

/// Sends `Write` durably to another book.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "book.dictate")]
struct Dictate(String, u64);

impl<const V: u32> VirtualActor for Book<V> {
    const CLASS: &'static str = "book";
    const VERSION: u32 = V;
    type Env = Journal;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Write>()
            .on::<Read>()
            .on::<Remind>()
            .on::<Empty>()
            .on::<Dictate>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if V > 1 {
            let (pages, copy) = (ctx.storage().get(&PAGES).await?, ctx.storage().get(&COPY).await?);
            assert_eq!(pages, copy, "a half of an upgrade is visible");
            // What the upgrade wrote is on its way to the disk meanwhile, by itself.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self)
    }

    async fn upgrade(from: u32, ctx: &mut Ctx<Self>) -> Result<()> {
        let line = format!("{} {from}->{V}", ctx.name());
        ctx.env().note(line);
        if ctx.env().curious.load(Ordering::SeqCst) {
            let other = ctx.get::<Account>("a");
            ctx.ask(&other, Total).await?;
        }
        if from == 1 {
            let text = ctx.storage().get(&TEXT).await?.unwrap_or_default();
            let pages = text
                .parse()
                .map_err(|_| ActorError::internal("book.text", "no number"))?;
            ctx.storage().put(&PAGES, &pages)?;
            tokio::task::yield_now().await;
            if ctx.env().broken.load(Ordering::SeqCst) {
                return Err(ActorError::internal("book.broken", "told to fail"));
            }
            ctx.storage().put(&COPY, &pages)?;
        }
        Ok(())
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let line = format!("{} alarm", ctx.name());
        ctx.env().note(line);
        Ok(())
    }
}

impl<const V: u32> Handler<Write> for Book<V> {
    async fn handle(&mut self, Write(pages): Write, ctx: &mut Ctx<Self>) -> Result<()> {
        if V == 1 {
            return ctx.storage().put(&TEXT, &pages.to_string());
        }
        ctx.storage().put(&PAGES, &pages)?;
        ctx.storage().put(&COPY, &pages)
    }
}

impl<const V: u32> Handler<Read> for Book<V> {
    async fn handle(&mut self, _: Read, ctx: &mut Ctx<Self>) -> Result<(u64, u64)> {
        let storage = ctx.storage();
        Ok((
            storage.get(&PAGES).await?.unwrap_or_default(),
            storage.get(&COPY).await?.unwrap_or_default(),
        ))
    }
}

impl<const V: u32> Handler<Remind> for Book<V> {
    async fn handle(&mut self, Remind(after): Remind, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(ctx.now().plus(after));
        Ok(())
    }
}

impl<const V: u32> Handler<Empty> for Book<V> {
    async fn handle(&mut self, _: Empty, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete_all()
    }
}

impl<const V: u32> Handler<Dictate> for Book<V> {
    async fn handle(&mut self, Dictate(to, pages): Dictate, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&to);
        ctx.send(&to, Write(pages))
    }
}

/// The program whose books have version `V`.
fn program<const V: u32>(seed: u64, journal: &Journal) -> TestClusterBuilder {
    TestCluster::builder(seed)
        .actor::<Book<V>>(journal.clone())
        .actor::<Account>(Activations::default())
}

fn book<const V: u32>(test: &TestCluster, name: &str) -> ActorRef<Book<V>> {
    test.cluster().get(ActorId::from_name::<Book<V>>(&tenant(), name))
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn stored_values_are_upgraded_once_and_before_anything_is_delivered() {
    let journal = Journal::default();
    let mut test = program::<1>(1, &journal).start().await;
    book::<1>(&test, "a").ask(Write(7)).await.unwrap();
    book::<1>(&test, "emptied").ask(Write(1)).await.unwrap();
    book::<1>(&test, "emptied").ask(Empty).await.unwrap();

    test.crash_and_restart_as(program::<2>(1, &journal)).await.unwrap();
    assert_eq!(book::<2>(&test, "a").ask(Read).await.unwrap(), (7, 7));
    assert_eq!(book::<2>(&test, "emptied").ask(Read).await.unwrap(), (0, 0));
    book::<2>(&test, "emptied").ask(Write(3)).await.unwrap();
    book::<2>(&test, "new").ask(Write(9)).await.unwrap();
    assert_eq!(journal.take(), ["a 1->2"]);
    test.passivate_all().await;
    assert_eq!(book::<2>(&test, "a").ask(Read).await.unwrap(), (7, 7));
    assert!(journal.take().is_empty());

    test.crash_and_restart_as(program::<3>(1, &journal)).await.unwrap();
    for (name, pages) in [("a", 7), ("emptied", 3), ("new", 9)] {
        assert_eq!(book::<3>(&test, name).ask(Read).await.unwrap(), (pages, pages));
    }
    assert_eq!(journal.take(), ["a 2->3", "emptied 2->3", "new 2->3"]);
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_cut_short_has_happened_whole_or_not_at_all() {
    let (mut whole, mut not_at_all) = (0, 0);
    for seed in 0..60 {
        let journal = Journal::default();
        let mut test = program::<1>(seed, &journal).simulated(slow(10)).start().await;
        book::<1>(&test, "a").ask(Write(7)).await.unwrap();
        test.crash_and_restart_as(program::<2>(seed, &journal)).await.unwrap();
        let reader = book::<2>(&test, "a");
        let ask = tokio::spawn(async move { reader.ask(Read).await });
        test.advance(Duration::from_millis(seed % 20)).await;
        test.crash_and_restart().await;
        ask.abort();
        let begun = journal.take().len();
        // `activate` looks for halves.
        assert_eq!(book::<2>(&test, "a").ask(Read).await.unwrap(), (7, 7), "seed {seed}");
        if begun == 1 {
            match journal.take().len() {
                0 => whole += 1,
                _ => not_at_all += 1,
            }
        }
    }
    assert!(whole > 0 && not_at_all > 0, "{whole} whole, {not_at_all} not at all");
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn an_alarm_upgrades_as_a_message_does() {
    let journal = Journal::default();
    let mut test = program::<1>(3, &journal).start().await;
    book::<1>(&test, "a").ask(Write(7)).await.unwrap();
    book::<1>(&test, "a")
        .ask(Remind(Duration::from_secs(60)))
        .await
        .unwrap();
    test.crash_and_restart_as(program::<2>(3, &journal)).await.unwrap();
    test.advance(Duration::from_secs(61)).await;
    assert_eq!(journal.take(), ["a 1->2", "a alarm"]);
    test.crash_and_restart().await;
    assert_eq!(book::<2>(&test, "a").ask(Read).await.unwrap(), (7, 7));
    assert!(journal.take().is_empty());
}

/// What waits for a book that the program does not fit: an alarm, a durable send; and that nothing of it is lost.
async fn waits_for_another_program(test: &mut TestCluster, code: &str) {
    let refused = book::<2>(test, "a").ask(Read).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Retryable, code));
    // Longer than an alarm is retried, and a durable send that fails.
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(test.dead_letters(), 0);
    assert!(book::<2>(test, "a").ask(Read).await.is_err());
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn an_actor_of_a_newer_program_is_refused_and_loses_nothing() {
    let journal = Journal::default();
    let mut test = program::<3>(4, &journal).start().await;
    book::<3>(&test, "a").ask(Write(7)).await.unwrap();
    book::<3>(&test, "a")
        .ask(Remind(Duration::from_secs(60)))
        .await
        .unwrap();
    test.crash_and_restart_as(program::<2>(4, &journal)).await.unwrap();
    // One that has stored nothing may be used.
    book::<2>(&test, "b").ask(Dictate("a".into(), 8)).await.unwrap();
    waits_for_another_program(&mut test, "actor.newer").await;
    let refused = book::<2>(&test, "a").ask(Read).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "book/acme/a was written as version 3 and this program knows version 2: start the newer one"
    );
    assert!(journal.take().is_empty());

    test.crash_and_restart_as(program::<3>(4, &journal)).await.unwrap();
    test.advance(Duration::from_secs(40)).await;
    assert_eq!(book::<3>(&test, "a").ask(Read).await.unwrap(), (8, 8));
    assert_eq!(journal.take(), ["a alarm"]);
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_failed_upgrade_changes_nothing_and_loses_nothing() {
    let journal = Journal::default();
    journal.broken.store(true, Ordering::SeqCst);
    let mut test = program::<1>(5, &journal).start().await;
    book::<1>(&test, "a").ask(Write(7)).await.unwrap();
    book::<1>(&test, "a")
        .ask(Remind(Duration::from_secs(60)))
        .await
        .unwrap();
    test.crash_and_restart_as(program::<2>(5, &journal)).await.unwrap();
    book::<2>(&test, "b").ask(Dictate("a".into(), 8)).await.unwrap();
    waits_for_another_program(&mut test, "actor.upgrade").await;
    journal.take();

    // Also within the same program: the alarm is tried again by itself.
    journal.broken.store(false, Ordering::SeqCst);
    test.advance(Duration::from_secs(1300)).await;
    assert_eq!(journal.take(), ["a 1->2", "a alarm"]);
    assert_eq!(book::<2>(&test, "a").ask(Read).await.unwrap(), (8, 8));
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn an_upgrade_cannot_be_split_by_an_ask() {
    let journal = Journal::default();
    journal.curious.store(true, Ordering::SeqCst);
    let mut test = program::<1>(6, &journal).start().await;
    book::<1>(&test, "a").ask(Write(7)).await.unwrap();
    test.crash_and_restart_as(program::<2>(6, &journal)).await.unwrap();
    let refused = book::<2>(&test, "a").ask(Read).await.unwrap_err();
    assert!(refused.message().contains("an ask would split it"), "{refused}");
}

/// A book whose author forgot the upgrade.
struct Forgetful;

impl VirtualActor for Forgetful {
    const CLASS: &'static str = "book";
    const VERSION: u32 = 2;
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Read>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Read> for Forgetful {
    async fn handle(&mut self, _: Read, _: &mut Ctx<Self>) -> Result<(u64, u64)> {
        Ok((0, 0))
    }
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn a_version_without_an_upgrade_is_refused() {
    let journal = Journal::default();
    let mut test = program::<1>(7, &journal).start().await;
    book::<1>(&test, "a").ask(Write(7)).await.unwrap();
    let forgetful = TestCluster::builder(7)
        .actor::<Forgetful>(())
        .actor::<Account>(Activations::default());
    test.crash_and_restart_as(forgetful).await.unwrap();
    let forgetful = test
        .cluster()
        .get::<Forgetful>(ActorId::from_name::<Forgetful>(&tenant(), "a"));
    let refused = forgetful.ask(Read).await.unwrap_err();
    assert_eq!(refused.code(), "actor.upgrade");
    assert!(
        refused.message().contains("class book has no upgrade from version 1"),
        "{refused}"
    );
    test.crash_and_restart_as(program::<1>(7, &journal)).await.unwrap();
    book::<1>(&test, "a").ask(Write(8)).await.unwrap();
}

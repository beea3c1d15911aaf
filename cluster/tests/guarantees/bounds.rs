//! Bounds and their errors.

use std::time::Duration;

use cluster::{Bounds, prelude::*, testing::TestCluster};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::fixture::{Account, Activations, Add, AddSlowly, Total, account, tenant};

/// Guarantee 14.
#[test]
fn the_defaults_are_those_of_the_documentation() {
    let Bounds {
        mailbox,
        queue_age,
        turn_bytes,
        value_bytes,
        key_bytes,
        list_page,
        count,
        activations,
        backlog_bytes,
        dead_letters,
        dead_letter_age,
        idempotency_keys,
        idempotency_age,
        idempotency_reply_bytes,
        sockets,
        idle,
        ask,
        slow_turn,
        slow_turns,
    } = Bounds::default();
    assert_eq!((mailbox, queue_age), (1024, Duration::from_secs(30)));
    assert_eq!((turn_bytes, value_bytes, key_bytes), (8 << 20, 2 << 20, 2 << 10));
    assert_eq!((list_page, count), (1000, 100_000));
    assert_eq!((activations, backlog_bytes), (10_000, 64 << 20));
    assert_eq!(
        (dead_letters, dead_letter_age),
        (1000, Duration::from_secs(30 * 86_400))
    );
    assert_eq!(
        (idempotency_keys, idempotency_age, idempotency_reply_bytes),
        (1000, Duration::from_secs(86_400), 16 << 10)
    );
    assert_eq!(
        (sockets, idle, ask),
        (32_768, Duration::from_secs(30), Duration::from_secs(10))
    );
    assert_eq!((slow_turn, slow_turns), (Duration::from_millis(100), 128));
}

async fn bounded(bounds: Bounds) -> TestCluster {
    TestCluster::builder(1)
        .bounds(bounds)
        .actor::<Account>(Activations::default())
        .actor::<Writer>(())
        .start()
        .await
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn a_full_mailbox_is_overloaded() {
    let test = bounded(Bounds {
        mailbox: 10,
        ..Bounds::default()
    })
    .await;
    let account = account(&test, "a");
    // The first refusal would break a common one.
    let references = vec![account.clone(); 15];
    let asks = references
        .iter()
        .map(|account| account.ask(AddSlowly(1, Duration::from_millis(1))));
    let outcomes = join_all(asks).await;
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 5);
    assert!(
        refused
            .iter()
            .all(|error| (error.kind(), error.code()) == (ErrorKind::Overloaded, "overloaded"))
    );
    assert_eq!(account.ask(Total).await.unwrap(), 10);
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn a_message_that_waited_too_long_is_overloaded() {
    let test = bounded(Bounds {
        queue_age: Duration::from_secs(2),
        ..Bounds::default()
    })
    .await;
    let account = account(&test, "a");
    let (slow, aged) = tokio::join!(account.ask(AddSlowly(1, Duration::from_secs(3))), account.ask(Add(1)));
    slow.unwrap();
    assert_eq!(aged.unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(account.clone().ask(Total).await.unwrap(), 1);
}

/// Writes as much as it is told to.
struct Writer;

/// Writes so many values of so many bytes, below keys of so many bytes.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "writer.write")]
struct Write {
    values: usize,
    bytes: usize,
    key: usize,
}

/// Sends itself so many bytes.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "writer.send")]
struct SendBytes(usize);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "writer.take")]
struct TakeText(String);

impl VirtualActor for Writer {
    const CLASS: &'static str = "writer";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Write>().on::<SendBytes>().on::<TakeText>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Write> for Writer {
    async fn handle(&mut self, write: Write, ctx: &mut Ctx<Self>) -> Result<()> {
        for n in 0..write.values {
            let key = format!("{n:0width$}", width = write.key);
            ctx.storage().put(&Key::named(key), &"x".repeat(write.bytes))?;
        }
        Ok(())
    }
}

impl Handler<SendBytes> for Writer {
    async fn handle(&mut self, SendBytes(bytes): SendBytes, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.send(&ctx.self_ref(), TakeText("x".repeat(bytes)))
    }
}

impl Handler<TakeText> for Writer {
    async fn handle(&mut self, _: TakeText, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn writes_beyond_a_bound_are_too_large() {
    let test = bounded(Bounds::default()).await;
    let writer = test
        .cluster()
        .get::<Writer>(ActorId::from_name::<Writer>(&tenant(), "w"));
    writer
        .ask(Write {
            values: 1,
            bytes: (2 << 20) - 16,
            key: 2048,
        })
        .await
        .unwrap();
    writer
        .ask(Write {
            values: 4,
            bytes: 1 << 20,
            key: 10,
        })
        .await
        .unwrap();
    for beyond in [
        Write {
            values: 1,
            bytes: 2 << 20,
            key: 1,
        },
        Write {
            values: 1,
            bytes: 1,
            key: 2049,
        },
        Write {
            values: 9,
            bytes: 1 << 20,
            key: 1,
        },
    ] {
        let refused = writer.ask(beyond).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::TooLarge, "too-large"));
    }
    writer.ask(SendBytes(1 << 20)).await.unwrap();
    assert_eq!(writer.ask(SendBytes(2 << 20)).await.unwrap_err().code(), "too-large");
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn a_disk_that_falls_behind_is_overloaded() {
    let test = TestCluster::builder(2)
        .bounds(Bounds {
            backlog_bytes: 4 << 20,
            ..Bounds::default()
        })
        .syncs(Duration::from_secs(2)..=Duration::from_secs(2))
        .actor::<Account>(Activations::default())
        .actor::<Writer>(())
        .start()
        .await;
    let writers = (0..20).map(|n| {
        let name = n.to_string();
        test.cluster()
            .get::<Writer>(ActorId::from_name::<Writer>(&tenant(), &name))
    });
    let writers: Vec<_> = writers.collect();
    let megabyte = || Write {
        values: 1,
        bytes: 1 << 20,
        key: 1,
    };
    // Each is in memory before the load comes.
    join_all(writers.iter().map(|writer| {
        writer.ask(Write {
            values: 0,
            ..megabyte()
        })
    }))
    .await;
    let mut writes = Vec::new();
    for writer in writers {
        let write = megabyte();
        writes.push(tokio::spawn(async move { writer.ask(write).await }));
        test.advance(Duration::from_millis(1)).await;
    }
    let outcomes = join_all(writes).await.into_iter().map(Result::unwrap);
    let refused: Vec<_> = outcomes.filter_map(Result::err).collect();
    assert!((15..=16).contains(&refused.len()), "{} refused", refused.len());
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Overloaded));
    account(&test, "a").ask(Add(1)).await.unwrap();
}

//! Order between nodes: of calls through one reference, and of durable messages.

use std::{collections::BTreeMap, time::Duration};

use cluster::{
    IdempotencyKey,
    prelude::*,
    testing::{TestNodes, Weather},
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};

use crate::fixture::{slow, tenant};

fn rough(loss: f64, repeat: f64) -> Weather {
    Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(5),
        loss,
        repeat,
    }
}

/// Writes down what it is told.
struct Scroll;

const LINES: Keys<u32> = Keys::new("lines/");
const LENGTH: Key<u32> = Key::new("length");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "scroll.append")]
struct Append(u32);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "scroll.lines", reply = Vec<u32>)]
struct Lines(u32);

/// Sends lines to another scroll, durably.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "scroll.dictate")]
struct Dictate {
    to: String,
    from: u32,
    lines: u32,
}

impl VirtualActor for Scroll {
    const CLASS: &'static str = "scroll";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Append>().on::<Lines>().on::<Dictate>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Append> for Scroll {
    async fn handle(&mut self, Append(line): Append, ctx: &mut Ctx<Self>) -> Result<()> {
        let length = ctx.storage().get(&LENGTH).await?.unwrap_or_default();
        ctx.storage().put(&LENGTH, &(length + 1))?;
        ctx.storage().put(&LINES.key(&format!("{length:06}")), &line)
    }
}

impl Handler<Lines> for Scroll {
    async fn handle(&mut self, Lines(from): Lines, ctx: &mut Ctx<Self>) -> Result<Vec<u32>> {
        let page = List {
            start: Some(format!("{from:06}")),
            ..List::default()
        };
        let lines = ctx.storage().list(&LINES, page).await?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

impl Handler<Dictate> for Scroll {
    async fn handle(&mut self, Dictate { to, from, lines }: Dictate, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&to);
        (from..from + lines).try_for_each(|line| ctx.send(&to, Append(line)))
    }
}

fn scroll_id(name: &str) -> ActorId {
    ActorId::from_name::<Scroll>(&tenant(), name)
}

async fn lines(test: &TestNodes, node: usize, name: &str) -> Vec<u32> {
    let mut lines: Vec<u32> = Vec::new();
    for _ in 0..200 {
        let from = u32::try_from(lines.len()).unwrap();
        match test.node(node).get::<Scroll>(scroll_id(name)).ask(Lines(from)).await {
            Ok(page) if page.is_empty() => return lines,
            Ok(page) => lines.extend(page),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Retryable | ErrorKind::Unknown)),
        }
    }
    panic!("the scroll never answers");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn calls_through_one_reference_keep_their_order_to_another_node() {
    let (mut whole, mut broken, mut refused) = (0, 0, 0);
    for seed in 0..40 {
        let (loss, repeat, moves) = match seed % 4 {
            0 => (0.0, 0.0, 0),
            1 => (0.0, 0.2, 0),
            2 => (0.0, 0.1, 3),
            _ => (0.01, 0.1, 2),
        };
        let test = TestNodes::builder(seed)
            .actor::<Scroll>(())
            .weather(rough(loss, repeat))
            .faults(slow(5))
            .start()
            .await;
        let shard = test.shard_of::<Scroll>(&scroll_id("s"));
        test.move_shard(shard, 1).await;
        let scroll = test.node(0).get::<Scroll>(scroll_id("s"));
        let calls = FuturesUnordered::new();
        for line in 0..300 {
            calls.push(scroll.ask(Append(line)).map(move |outcome| (line, outcome)));
        }
        let moving = async {
            for round in 0..moves {
                test.advance(Duration::from_millis(4)).await;
                test.move_shard(shard, (round + 2) % 3).await;
            }
        };
        let (outcomes, ()) = tokio::join!(calls.collect::<BTreeMap<_, _>>(), moving);
        let lines = lines(&test, 2, "s").await;
        assert!(lines.is_sorted_by(|a, b| a < b), "seed {seed}: {lines:?}");
        for (line, outcome) in &outcomes {
            let written = lines.binary_search(line).is_ok();
            match outcome {
                Ok(()) => assert!(written, "seed {seed}: line {line} was lost"),
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                Err(error) => {
                    assert!(!written, "seed {seed}: line {line} was written, and {error}");
                    refused += 1;
                }
            }
        }
        if outcomes.values().all(Result::is_ok) {
            whole += 1;
            assert_eq!(lines.len(), 300, "seed {seed}");
        } else {
            broken += 1;
        }
    }
    assert!(
        whole >= 20 && broken >= 5 && refused > 0,
        "{whole} whole, {broken} broken, {refused} refused"
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn durable_messages_between_nodes_have_their_effect_once_and_in_order() {
    for seed in 0..20 {
        let test = TestNodes::builder(seed)
            .actor::<Scroll>(())
            .weather(rough(0.2, 0.2))
            .faults(slow(5))
            .start()
            .await;
        let (source, target) = (
            test.shard_of::<Scroll>(&scroll_id("source")),
            test.shard_of::<Scroll>(&scroll_id("target")),
        );
        test.move_shard(source, 0).await;
        test.move_shard(target, 1).await;
        for round in 0..10 {
            let dictate = Dictate {
                to: "target".into(),
                from: round * 10,
                lines: 10,
            };
            let key = IdempotencyKey::new(&format!("round-{round}")).unwrap();
            let again = || test.node(2).get::<Scroll>(scroll_id("source"));
            while again()
                .ask_idempotent_within(Duration::from_secs(1), &key, dictate.clone())
                .await
                .is_err()
            {}
            match round % 3 {
                0 => test.move_shard(target, (round as usize / 3) % 3).await,
                1 => test.move_shard(source, (round as usize / 3 + 1) % 3).await,
                _ => {}
            }
        }
        test.advance(Duration::from_secs(120)).await;
        let lines = lines(&test, 2, "target").await;
        assert_eq!(lines, (0..100).collect::<Vec<_>>(), "seed {seed}");
    }
}

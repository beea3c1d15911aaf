//! What goes its way over several nodes: chains of calls, and alarms whose actor moves.

use std::time::Duration;

use cluster::{RequestId, prelude::*, testing::TestNodes};
use serde::{Deserialize, Serialize};

use crate::fixture::tenant;

/// Asks its way along a path of walkers, wherever they live.
struct Walker;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "walker.walk", reply = String)]
struct Walk(Vec<String>);

impl VirtualActor for Walker {
    const CLASS: &'static str = "walker";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Walk>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Walk> for Walker {
    async fn handle(&mut self, Walk(mut path): Walk, ctx: &mut Ctx<Self>) -> Result<String> {
        if path.is_empty() {
            let request = RequestId::current().map(|request| request.to_string());
            return Ok(request.unwrap_or_default());
        }
        let next = ctx.get::<Self>(&path.remove(0));
        ctx.ask(&next, Walk(path)).await
    }
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn a_cycle_over_nodes_is_an_error_at_once() {
    let test = TestNodes::builder(7).actor::<Walker>(()).start().await;
    let walker = |name: &str| ActorId::from_name::<Walker>(&tenant(), name);
    let names: Vec<_> = (0..3)
        .map(|node| {
            let names = (0..).map(|number| format!("walker-{number}"));
            let mut owned = names.filter(|name| test.owner(test.shard_of::<Walker>(&walker(name))) == node);
            owned.next().unwrap()
        })
        .collect();
    let path = |places: &[usize]| Walk(places.iter().map(|place| names[*place].clone()).collect());
    let first = test.node(2).get::<Walker>(walker(&names[0]));
    for cycle in [&[1, 0][..], &[1, 2, 0], &[2, 1, 2], &[1, 2, 1]] {
        let begin = tokio::time::Instant::now();
        let error = first.ask(path(cycle)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "actor.cycle"));
        assert!(begin.elapsed() < Duration::from_secs(1), "{cycle:?}");
    }
    let request = RequestId::new("0198-7c").scope(first.ask(path(&[1, 2]))).await;
    assert_eq!(request.unwrap(), "0198-7c", "the id of a request goes along");
}

/// Rings once at a time.
struct Bell;

const RINGS: Key<u32> = Key::new("rings");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bell.wind")]
struct Wind(Duration);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bell.rings", reply = u32)]
struct Rings;

impl VirtualActor for Bell {
    const CLASS: &'static str = "bell";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Wind>().on::<Rings>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let rings = ctx.storage().get(&RINGS).await?.unwrap_or_default();
        ctx.storage().put(&RINGS, &(rings + 1))
    }
}

impl Handler<Wind> for Bell {
    async fn handle(&mut self, Wind(pause): Wind, ctx: &mut Ctx<Self>) -> Result<()> {
        let due = ctx.now().plus(pause);
        ctx.set_alarm(due);
        Ok(())
    }
}

impl Handler<Rings> for Bell {
    async fn handle(&mut self, _: Rings, ctx: &mut Ctx<Self>) -> Result<u32> {
        Ok(ctx.storage().get(&RINGS).await?.unwrap_or_default())
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_fires_on_the_node_that_owns_its_actor_by_then() {
    let test = TestNodes::builder(8).actor::<Bell>(()).start().await;
    let id = ActorId::from_name::<Bell>(&tenant(), "bell");
    let shard = test.shard_of::<Bell>(&id);
    let bell = |node: usize, test: &TestNodes| test.node(node).get::<Bell>(id.clone());
    test.move_shard(shard, 1).await;
    bell(0, &test).ask(Wind(Duration::from_secs(10))).await.unwrap();
    test.move_shard(shard, 2).await;
    test.advance(Duration::from_secs(11)).await;
    assert_eq!(bell(0, &test).ask(Rings).await.unwrap(), 1);
    bell(0, &test).ask(Wind(Duration::from_secs(10))).await.unwrap();
    test.crash(2).await;
    test.advance(Duration::from_secs(11)).await;
    assert_eq!(bell(0, &test).ask(Rings).await.unwrap(), 2);
}

//! Calls that come back to an actor that waits for them.

use std::time::Duration;

use cluster::{prelude::*, testing::TestCluster};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::fixture::tenant;

/// Asks its way along a path of walkers.
#[derive(Default)]
struct Walker {
    /// References it has met, and keeps.
    met: Vec<ActorRef<Walker>>,
    arrived: Option<String>,
}

/// How a walker asks the next one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Way {
    /// By its context.
    Context,
    /// By a reference it just made.
    Reference,
    /// By a reference from an earlier turn.
    Kept,
    /// By work beside its mailbox.
    Beside,
}

/// Walks along a path; answers how far it got, or why not further.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "walker.walk", reply = String)]
struct Walk {
    path: Vec<String>,
    way: Way,
    /// Time before the next step.
    pause: Duration,
}

/// The walk beside the mailbox ended so.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "walker.arrive")]
struct Arrive(String);

/// Answers how the walk beside the mailbox ended.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "walker.arrived", reply = Option<String>)]
struct Arrived;

impl VirtualActor for Walker {
    const CLASS: &'static str = "walker";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Walk>().on::<Arrive>().on::<Arrived>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self::default())
    }
}

impl Handler<Walk> for Walker {
    async fn handle(&mut self, mut walk: Walk, ctx: &mut Ctx<Self>) -> Result<String> {
        tokio::time::sleep(walk.pause).await;
        if walk.path.is_empty() {
            return Ok("there".into());
        }
        let next = ctx.get::<Self>(&walk.path.remove(0));
        self.met.push(next.clone());
        match walk.way {
            Way::Context => ctx.ask(&next, walk).await,
            Way::Reference => next.ask(walk).await,
            Way::Kept => self.met[0].clone().ask(walk).await,
            Way::Beside => {
                walk.way = Way::Reference;
                ctx.pipe_to_self(async move {
                    let end = next.ask(walk).await;
                    Arrive(end.unwrap_or_else(|error| error.code().to_owned()))
                });
                Ok("beside".into())
            }
        }
    }
}

impl Handler<Arrive> for Walker {
    async fn handle(&mut self, Arrive(end): Arrive, _: &mut Ctx<Self>) -> Result<()> {
        self.arrived = Some(end);
        Ok(())
    }
}

impl Handler<Arrived> for Walker {
    async fn handle(&mut self, _: Arrived, _: &mut Ctx<Self>) -> Result<Option<String>> {
        Ok(self.arrived.clone())
    }
}

async fn walkers(seed: u64) -> TestCluster {
    TestCluster::builder(seed).actor::<Walker>(()).start().await
}

fn walker(test: &TestCluster, name: &str) -> ActorRef<Walker> {
    test.cluster().get(ActorId::from_name::<Walker>(&tenant(), name))
}

fn walk(path: &[&str], way: Way) -> Walk {
    Walk {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        way,
        pause: Duration::ZERO,
    }
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn a_cycle_through_any_reference_is_an_error_at_once() {
    let test = walkers(1).await;
    for way in [Way::Context, Way::Reference] {
        for path in [&["a"][..], &["b", "a"], &["b", "c", "a"], &["b", "c", "b"]] {
            let begin = Instant::now();
            let cycle = walker(&test, "a").ask(walk(path, way)).await.unwrap_err();
            assert_eq!((cycle.kind(), cycle.code()), (ErrorKind::Conflict, "actor.cycle"));
            assert!(begin.elapsed() < Duration::from_secs(1), "{way:?} {path:?}");
        }
        let end = walker(&test, "a").ask(walk(&["b", "c"], way)).await.unwrap();
        assert_eq!(end, "there", "nobody waits for a walker that has not begun");
    }
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn a_reference_of_an_earlier_turn_is_part_of_the_present_chain() {
    let test = walkers(2).await;
    walker(&test, "a").ask(walk(&["b"], Way::Context)).await.unwrap();
    walker(&test, "b").ask(walk(&["a"], Way::Context)).await.unwrap();
    let cycle = walker(&test, "a").ask(walk(&["b", "a"], Way::Kept)).await.unwrap_err();
    assert_eq!(cycle.code(), "actor.cycle");
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn work_beside_the_mailbox_may_ask_its_own_actor() {
    let test = walkers(3).await;
    for path in [&["a"][..], &["b", "a"]] {
        walker(&test, "a").ask(walk(path, Way::Beside)).await.unwrap();
        test.advance(Duration::from_secs(1)).await;
        assert_eq!(walker(&test, "a").ask(Arrived).await.unwrap().as_deref(), Some("there"));
    }
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn chains_that_cross_end_at_the_deadline() {
    let test = walkers(4).await;
    let begin = Instant::now();
    let late = Duration::from_secs(30);
    let pause = Duration::from_secs(1);
    let cross = |path: &[&str]| Walk {
        pause,
        ..walk(path, Way::Context)
    };
    let (a, b) = (walker(&test, "a"), walker(&test, "b"));
    let (first, second) = tokio::join!(a.ask_within(late, cross(&["b"])), b.ask_within(late, cross(&["a"])));
    for crossed in [first, second] {
        let crossed = crossed.unwrap_err();
        assert_eq!((crossed.kind(), crossed.code()), (ErrorKind::Unknown, "deadline"));
    }
    assert_eq!(begin.elapsed().as_secs(), 11);
    for name in ["a", "b"] {
        assert_eq!(walker(&test, name).ask(walk(&[], Way::Context)).await.unwrap(), "there");
    }
}

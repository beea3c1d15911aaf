//! The request that a call is part of goes along with it.

use std::time::Duration;

use cluster::{RequestId, prelude::*, testing::TestCluster};
use serde::{Deserialize, Serialize};

use crate::fixture::tenant;

/// Says which request its turns are part of.
struct Witness {
    heard: Vec<Option<String>>,
}

/// Answers the request of this turn, and of one of another witness that it asks.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "witness.tell", reply = (Option<String>, Option<String>))]
struct Tell;

/// Answers the request of this turn.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "witness.say", reply = Option<String>)]
struct Say;

/// Begins work beside the mailbox, and sets the alarm.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "witness.begin")]
struct Begin;

/// What the work found, in which request.
#[derive(Serialize, Deserialize, Message)]
#[message(name = "witness.found")]
struct Found(Option<String>);

/// Answers what was heard since [`Begin`].
#[derive(Serialize, Deserialize, Message)]
#[message(name = "witness.heard", reply = Vec<Option<String>>)]
struct Heard;

fn current() -> Option<String> {
    RequestId::current().map(|request| request.to_string())
}

impl VirtualActor for Witness {
    const CLASS: &'static str = "witness";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Tell>().on::<Say>().on::<Begin>().on::<Found>().on::<Heard>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { heard: Vec::new() })
    }

    async fn alarm(&mut self, _: Alarm, _: &mut Ctx<Self>) -> Result<()> {
        self.heard.push(current());
        Ok(())
    }
}

impl Handler<Tell> for Witness {
    async fn handle(&mut self, _: Tell, ctx: &mut Ctx<Self>) -> Result<(Option<String>, Option<String>)> {
        let other = ctx.get::<Self>("other");
        Ok((current(), ctx.ask(&other, Say).await?))
    }
}

impl Handler<Say> for Witness {
    async fn handle(&mut self, _: Say, _: &mut Ctx<Self>) -> Result<Option<String>> {
        Ok(current())
    }
}

impl Handler<Begin> for Witness {
    async fn handle(&mut self, _: Begin, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(Timestamp::from_millis(ctx.now().as_millis() + 5_000));
        ctx.pipe_to_self(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Found(current())
        });
        Ok(())
    }
}

impl Handler<Found> for Witness {
    async fn handle(&mut self, Found(request): Found, _: &mut Ctx<Self>) -> Result<()> {
        self.heard.extend([request, current()]);
        Ok(())
    }
}

impl Handler<Heard> for Witness {
    async fn handle(&mut self, _: Heard, _: &mut Ctx<Self>) -> Result<Vec<Option<String>>> {
        Ok(self.heard.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_along_with_asks_and_with_work_beside_the_mailbox() {
    let test = TestCluster::builder(1).actor::<Witness>(()).start().await;
    let witness = test
        .cluster()
        .get::<Witness>(ActorId::from_name::<Witness>(&tenant(), "a"));
    let some = |id: &str| Some(id.to_owned());

    assert_eq!(witness.ask(Tell).await.unwrap(), (None, None));
    let (first, second) = tokio::join!(
        RequestId::new("r1").scope(witness.ask(Tell)),
        RequestId::new("r2").scope(witness.ask(Tell)),
    );
    assert_eq!(first.unwrap(), (some("r1"), some("r1")));
    assert_eq!(second.unwrap(), (some("r2"), some("r2")));
    assert_eq!(
        witness.ask(Tell).await.unwrap(),
        (None, None),
        "a turn keeps no request"
    );

    RequestId::new("r3").scope(witness.ask(Begin)).await.unwrap();
    test.advance(Duration::from_secs(10)).await;
    assert_eq!(
        witness.ask(Heard).await.unwrap(),
        [some("r3"), some("r3"), None],
        "the work, its message, and an alarm, which is nobody's request"
    );
}

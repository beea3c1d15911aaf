//! What operators ask is answered the same by every node, whoever owns the shards.

use std::time::Duration;

use cluster::{
    ClassState, DeadLetterQuery, TenantQuery,
    prelude::*,
    testing::{TestNodes, Weather},
};
use serde::{Deserialize, Serialize};

use crate::fixture::{Account, Activations, Add, AddSlowly, tenant};

fn id(name: &str) -> ActorId {
    ActorId::from_name::<Account>(&tenant(), name)
}

async fn accounts(seed: u64) -> TestNodes {
    let test = TestNodes::builder(seed)
        .actor::<Account>(Activations::default())
        .actor::<Post>(())
        .weather(Weather {
            loss: 0.05,
            repeat: 0.05,
            ..Weather::default()
        })
        .without_replicas()
        .start()
        .await;
    for number in 0..40_u64 {
        let account = test.node(0).get::<Account>(id(&format!("account-{number:02}")));
        let key = IdempotencyKey::new("add").unwrap();
        while account
            .clone()
            .ask_idempotent_within(Duration::from_secs(1), &key, Add(number))
            .await
            .is_err()
        {}
    }
    test
}

/// Guarantee 1.
#[tokio::test(start_paused = true)]
async fn every_node_lists_the_same_actors() {
    let test = accounts(1).await;
    for round in 0..2 {
        for node in 0..3 {
            let cluster = test.node(node);
            let names = cluster
                .list::<Account>(&tenant(), DirectoryQuery::default())
                .await
                .unwrap();
            let expected: Vec<_> = (0..40).map(|number| format!("account-{number:02}")).collect();
            assert_eq!(names, expected, "round {round}, node {node}");
            let page = DirectoryQuery {
                prefix: "account-".into(),
                after: Some("account-10".into()),
                limit: 5,
            };
            let names = cluster.list::<Account>(&tenant(), page).await.unwrap();
            assert_eq!(names, expected[11..16], "round {round}, node {node}");
            let listing = cluster.listing();
            assert_eq!(listing.tenants(TenantQuery::default()).await.unwrap(), [tenant()]);
            let count = listing.count("account", Some(&tenant())).await.unwrap();
            assert_eq!((count.actors, count.exact), (40, true));
            let classes = cluster.classes().await.unwrap();
            assert!(classes.iter().all(|class| class.state == ClassState::Live));
        }
        for shard in 0..8 {
            test.move_shard(shard, (test.owner(shard) + 1) % 3).await;
        }
    }
}

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn every_node_sees_an_actor_and_puts_it_away() {
    let test = accounts(2).await;
    let shown = id("account-07");
    for node in 0..3 {
        let cluster = test.node(node);
        while cluster
            .get::<Account>(shown.clone())
            .ask(AddSlowly(1, Duration::from_millis(150)))
            .await
            .is_err()
        {}
        let status = cluster.inspect(&shown).await.unwrap();
        assert!(status.exists && status.epoch.is_some());
        assert_eq!(status.state.rows, 1);
        let turn = status.live.unwrap().last_turn.unwrap();
        assert_eq!(turn.message.as_deref(), Some("account.add-slowly"));
        assert_eq!(status.slow_turns[0].actor, shown);
        let values = cluster.stored_values(&shown, None, 0).await.unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(
            (values[0].key.as_str(), values[0].value.as_ref()),
            ("total", &[1, values[0].value[1]][..])
        );
        assert!(cluster.live(&shown).await.unwrap().is_some());
        match cluster.passivate(&shown).await {
            Ok(was_live) => assert!(was_live),
            // Its answer was lost.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unknown),
        }
        assert_eq!(cluster.live(&shown).await.unwrap(), None);
    }
}

/// Takes and sends what it does not know.
struct Post;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.send")]
struct Send(String);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.explode")]
struct Explode;

impl VirtualActor for Post {
    const CLASS: &'static str = "post";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Send>().on::<Explode>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Send> for Post {
    async fn handle(&mut self, Send(to): Send, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&to);
        ctx.send(&to, Explode)
    }
}

impl Handler<Explode> for Post {
    async fn handle(&mut self, _: Explode, _: &mut Ctx<Self>) -> Result<()> {
        panic!("told to explode")
    }
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn every_node_decides_about_dead_letters() {
    let test = accounts(3).await;
    for number in 0..4 {
        let post = ActorId::from_name::<Post>(&tenant(), &format!("post-{number}"));
        let key = IdempotencyKey::new("send").unwrap();
        let send = || Send(format!("post-{}", number + 1));
        while test
            .node(0)
            .get::<Post>(post.clone())
            .ask_idempotent(&key, send())
            .await
            .is_err()
        {}
    }
    test.advance(Duration::from_secs(600)).await;
    let mut listed = Vec::new();
    for node in 0..3 {
        let letters = test.node(node).dead_letters();
        let all = letters.list(DeadLetterQuery::default()).await.unwrap();
        assert_eq!(all.len(), 4, "node {node}: {all:?}");
        let first = DeadLetterQuery {
            limit: 1,
            ..DeadLetterQuery::default()
        };
        assert_eq!(letters.list(first).await.unwrap(), all[..1]);
        let behind = DeadLetterQuery {
            after: Some(all[1].id),
            ..DeadLetterQuery::default()
        };
        assert_eq!(letters.list(behind).await.unwrap(), all[2..]);
        let read = letters.read(all[0].id).await.unwrap();
        assert_eq!(
            (read.letter(), read.letter().message.as_str()),
            (&all[0], "post.explode")
        );
        assert!(read.message::<Explode>().is_ok());
        listed.push(all);
    }
    assert!(listed.windows(2).all(|pair| pair[0] == pair[1]));
    for (node, letter) in (0..3).zip(&listed[0]) {
        let discarded = test.node(node).dead_letters().discard(letter.id).await;
        if let Err(error) = discarded {
            assert_eq!(error.kind(), ErrorKind::Unknown);
        }
    }
    let left = test
        .node(1)
        .dead_letters()
        .list(DeadLetterQuery::default())
        .await
        .unwrap();
    assert!(
        left.contains(&listed[0][3]) && !left.contains(&listed[0][0]),
        "{left:?}"
    );
}

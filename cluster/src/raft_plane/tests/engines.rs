//! Groups of three engines that talk over planes, with certificates.

use std::collections::BTreeSet;

use tokio::{runtime::Handle, sync::oneshot};

use super::*;
use crate::{
    consensus::{Engine, EngineConfig, MemoryDisk, Stores},
    shard::{Op, Outcome, Proposal, Shard, WriteSet},
    tls::authority::Authority,
};

/// The group that is looked at: the first shard.
const SHARD: u32 = 1;

struct Member {
    id: NodeId,
    plane: RaftPlane,
    engine: Engine,
}

impl Member {
    async fn start(authority: &Authority, id: NodeId) -> Self {
        let plane = RaftPlane::bind(certificates::certified(authority, id)).await.unwrap();
        let engine = Engine::open(EngineConfig {
            shards: 2,
            stores: Stores::Memory(MemoryDisk::new(id.get())),
            node: id,
            peers: plane.peers(),
            found: id == A,
            raft: Handle::current(),
            actors: Handle::current(),
            clock: Arc::new(crate::SystemClock),
            on_fatal: Arc::new(|reason| panic!("the node was stopped: {reason}")),
        })
        .await
        .unwrap();
        plane.serve(engine.service());
        Self { id, plane, engine }
    }

    fn shard(&self) -> Arc<dyn Shard> {
        Arc::clone(&self.engine.shards()[0])
    }

    fn leads(&self) -> bool {
        self.shard().ownership().borrow().is_some()
    }

    fn applied(&self) -> u64 {
        self.engine.group(SHARD).unwrap().status().applied.unwrap_or(0)
    }

    async fn write(&self, key: &str) -> Outcome {
        let (tell, heard) = oneshot::channel();
        let shard = self.shard();
        let epoch = shard.ownership().borrow().expect("the shard is owned");
        let put = Op::Put {
            key: [&[1], key.as_bytes()].concat().into(),
            value: Bytes::from_static(b"value"),
        };
        shard.propose(Proposal {
            epoch,
            writes: WriteSet { ops: vec![put] },
            done: Box::new(move |outcome| {
                let _ = tell.send(outcome);
            }),
        });
        heard.await.expect("every proposal is answered")
    }

    async fn commit(&self, key: &str) -> u64 {
        match self.write(key).await {
            Outcome::Committed { index, .. } => index,
            outcome @ (Outcome::NotProposed | Outcome::Unknown) => panic!("the write was not committed: {outcome:?}"),
        }
    }

    async fn stop(self) {
        self.plane.shutdown().await;
        self.engine.shutdown().await;
    }
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        while !is() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

#[tokio::test]
async fn three_engines_elect_a_leader_and_commit_over_their_planes() {
    let authority = Authority::new();
    let mut members = Vec::new();
    for id in [A, B, C] {
        members.push(Member::start(&authority, id).await);
    }
    for from in &members {
        for to in members.iter().filter(|to| to.id != from.id) {
            let address = to.plane.address().to_string();
            from.plane.set_peer(to.id, &address, Some(&name(to.id)));
        }
    }
    members[0].engine.ready().await;
    for number in 0..=2 {
        let group = members[0].engine.group(number).unwrap();
        for id in [B, C] {
            group.add_learner(id).await.unwrap();
        }
        // Refused until they have what there is.
        let growing = async {
            while group.change_voters(&BTreeSet::from([A, B, C])).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, growing).await.expect("the others become voters in time");
    }

    let mut index = 0;
    for key in 0..100 {
        index = members[0].commit(&format!("first {key}")).await;
    }
    until("all to apply what was written", || {
        members.iter().all(|member| member.applied() >= index)
    })
    .await;

    // The owner goes without a word.
    members.remove(0).stop().await;
    until("another owner", || members.iter().any(Member::leads)).await;
    let owner = members.iter().find(|member| member.leads()).unwrap();
    let index = owner.commit("second").await;
    until("both to apply what was written", || {
        members.iter().all(|member| member.applied() >= index)
    })
    .await;
    for member in members {
        member.stop().await;
    }
}

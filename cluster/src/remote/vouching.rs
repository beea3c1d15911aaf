//! Whether each shard has an owner that answers.
//!
//! What a node heard of owners it goes on to believe while it is cut off: a follower elects nobody without the others, and
//! so keeps the leader it had. So each node asks the owners again and again whether they still are, which they say only
//! after they have made sure of it (as for [`looking`](super::looking)). A shard counts as owned for a while after that.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{consensus::LEASE, router::Node};

/// Pause between two rounds of questions. It is short enough that an owner which dies right before a round is replaced
/// before the one it replaced counts no longer.
const ROUND: Duration = Duration::from_secs(1);

/// Pause as long as some shard has no owner that answers.
const HURRY: Duration = Duration::from_millis(200);

/// For how long after it was asked an owner counts as one: until the next question (a lease, about), and as long as its
/// followers may take to see that it is silent, and to elect another, which the longest election timeout bounds twice, and
/// once more for the rounds that are lost with it.
const VOUCHED: Duration = LEASE.saturating_mul(5);

impl Node {
    /// Shards that neither this node owns nor, as was made sure of lately, another one.
    pub(crate) fn unvouched(&self) -> Vec<u16> {
        self.unvouched_since(self.clock.elapsed().saturating_sub(VOUCHED))
    }

    /// Those of which it is not known that anybody owned them after that moment.
    pub(super) fn unvouched_since(&self, since: Duration) -> Vec<u16> {
        let unowned = self.hosts.iter().filter(|host| host.epoch().is_none());
        let unowned = unowned.map(|host| host.shard.number());
        unowned
            .filter(|shard| self.remote.horizons.since(*shard, since).is_none())
            .collect()
    }
}

/// Asks the owners of all shards, again and again.
pub(crate) async fn vouch(node: Weak<Node>) {
    loop {
        let Some(remote) = node.upgrade().map(|node| Arc::clone(&node.remote)) else {
            return;
        };
        remote.accompanied().await;
        let pause = {
            let Some(node) = node.upgrade() else {
                return;
            };
            let now = node.clock.elapsed();
            node.confirm(now, |_| true).await;
            if node.unvouched_since(now).is_empty() {
                ROUND
            } else {
                HURRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

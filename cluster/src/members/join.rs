//! How a node without a number comes into a cluster.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    messages::{Answer, Joined, Letter, Refusal, Request},
    node::NodeAddress,
    table::Introduction,
};
use crate::cluster_id::ClusterId;

/// How long a seed may take.
const SEED_WITHIN: Duration = Duration::from_secs(10);

/// Pause after all seeds were asked in vain, at first and at most.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The way of a node without a number to those that are configured.
pub(crate) trait Seeds: Send + Sync {
    /// Asks the node at an address, and says in words why there is no answer.
    fn ask(&self, seed: &NodeAddress, request: Bytes, within: Duration) -> BoxFuture<'static, Result<Bytes, String>>;
}

/// Asks seeds to be taken in, again and again until one of them has an answer that will not change.
pub(crate) async fn join(
    ways: &dyn Seeds,
    seeds: &[NodeAddress],
    node: Introduction,
    cluster: Option<ClusterId>,
) -> Result<Joined, Refusal> {
    let letter = Letter::new(Request::Join { node, cluster }).encode();
    let mut pause = PAUSE;
    loop {
        for seed in seeds {
            let answer = ways.ask(seed, letter.clone(), SEED_WITHIN).await;
            match answer.map(|answer| Answer::decode(&answer)) {
                Ok(Some(Answer::Joined(joined))) => return Ok(joined),
                Ok(Some(Answer::Refused(refusal))) => return Err(refusal),
                Ok(Some(Answer::NotLeader(_))) => {
                    tracing::info!(%seed, "a seed knows no leader of the cluster yet");
                }
                Ok(Some(Answer::Failed(reason))) => tracing::info!(%seed, reason, "a seed failed to take this node in"),
                Ok(_) => tracing::warn!(%seed, "a seed does not understand this node"),
                Err(reason) => tracing::info!(%seed, reason, "a seed does not answer"),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

//! How a node without a number comes into a cluster.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

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
    /// Asks the node at an address.
    fn ask(&self, seed: &NodeAddress, request: Bytes, within: Duration) -> BoxFuture<'static, Result<Bytes, Silence>>;
}

/// Why a seed has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silence {
    /// In words.
    pub(crate) reason: String,
    /// Whether it may have done what it was asked nevertheless.
    pub(crate) may_be_done: bool,
    /// Whether it will be the same when it is asked again, as long as nobody changes anything.
    pub(crate) is_lasting: bool,
}

/// Why a node is not in the cluster that it asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unjoined {
    /// It will not be if it asks again.
    Refused(Refusal),
    /// No seed had an answer.
    Unanswered {
        /// What became of asking each, the last time.
        seeds: Vec<(NodeAddress, Silence)>,
        /// Whether a seed may have taken it in, without its hearing of that.
        may_be_in: bool,
    },
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
            match ask(ways, seed, &letter, SEED_WITHIN).await {
                Ok(told) => return told,
                Err(Silence { reason, .. }) => tracing::info!(%seed, reason, "a seed does not take this node in"),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// As [`join`], for so long, and only while it may help.
pub(crate) async fn join_within(
    ways: &dyn Seeds,
    seeds: &[NodeAddress],
    node: Introduction,
    cluster: Option<ClusterId>,
    within: Duration,
) -> Result<Joined, Unjoined> {
    let letter = Letter::new(Request::Join { node, cluster }).encode();
    let deadline = Instant::now() + within;
    let left = || deadline.saturating_duration_since(Instant::now());
    let (mut pause, mut may_be_in) = (PAUSE, false);
    let mut silent: Vec<Option<Silence>> = vec![None; seeds.len()];
    loop {
        for (seed, silence) in seeds.iter().zip(&mut silent) {
            // Time that is used up by one seed leaves what the others said before.
            if silence.is_some() && left().is_zero() {
                continue;
            }
            match ask(ways, seed, &letter, SEED_WITHIN.min(left())).await {
                Ok(Ok(joined)) => return Ok(joined),
                Ok(Err(refusal)) => return Err(Unjoined::Refused(refusal)),
                Err(error) => {
                    may_be_in |= error.may_be_done;
                    *silence = Some(error);
                }
            }
        }
        let rest = left();
        if rest <= PAUSE || silent.iter().flatten().all(|silence| silence.is_lasting) {
            let silent = seeds.iter().cloned().zip(silent.into_iter().flatten());
            return Err(Unjoined::Unanswered {
                seeds: silent.collect(),
                may_be_in,
            });
        }
        // So that they are asked once more before the time is over.
        tokio::time::sleep(pause.min(rest - PAUSE)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Asks one seed.
async fn ask(
    ways: &dyn Seeds,
    seed: &NodeAddress,
    letter: &Bytes,
    within: Duration,
) -> Result<Result<Joined, Refusal>, Silence> {
    let answer = ways.ask(seed, letter.clone(), within).await?;
    let (reason, may_be_done, is_lasting) = match Answer::decode(&answer) {
        Some(Answer::Joined(joined)) => return Ok(Ok(joined)),
        Some(Answer::Refused(refusal)) => return Ok(Err(refusal)),
        Some(Answer::NotLeader(_)) => ("it knows no leader of the cluster yet".to_owned(), false, false),
        Some(Answer::Failed(reason)) => (format!("it failed to take this node in: {reason}"), true, false),
        Some(
            Answer::Table(_)
            | Answer::Report(_)
            | Answer::Taken(_)
            | Answer::Moved
            | Answer::Overview(_)
            | Answer::Unreadable
            | Answer::Leaving(_),
        )
        | None => (
            "it does not understand this node: its program has another version".to_owned(),
            false,
            true,
        ),
    };
    Err(Silence {
        reason,
        may_be_done,
        is_lasting,
    })
}

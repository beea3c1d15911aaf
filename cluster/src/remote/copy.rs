//! What the owner of a group is asked by whoever copies it, or puts back what was copied.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    META, Owner,
    request::{Answer, Request},
};
use crate::{
    ActorError, Result,
    consensus::{Asked, Copies, Given, Source},
    peers::CallError,
    router::Node,
};

/// How long a group may take to come to rest or to go on, with the way there and back: all others wait for it.
const MOMENT: Duration = Duration::from_millis(800);

/// Pause before a group that was lost is looked for again.
const PAUSE: Duration = Duration::from_millis(5);

/// Answers as the owner of a group; `None` if this node is not.
pub(super) async fn give(copies: &Copies, group: u16, asked: Asked) -> Option<Result<(Given, Bytes)>> {
    let given = copies.serve(number(group), asked).await?;
    Some(given.map_err(|error| {
        tracing::error!(%error, group, "failed to read what is copied");
        ActorError::internal("storage.read", "failed to read the state")
    }))
}

/// The number of a group, as the engine counts them.
fn number(group: u16) -> u32 {
    u32::from(group.wrapping_add(1))
}

/// The owners of all groups, wherever they are.
pub(crate) struct Owners(pub(crate) Arc<Node>);

impl Source for Owners {
    fn ask(&self, group: u32, asked: Asked) -> BoxFuture<'_, Result<(Given, Bytes)>> {
        let group = group
            .checked_sub(1)
            .map_or(META, |shard| u16::try_from(shard).unwrap_or(META));
        self.0.copy(group, asked).boxed()
    }
}

impl Node {
    /// Has the owner of a group give something to whoever copies it.
    async fn copy(&self, group: u16, asked: Asked) -> Result<(Given, Bytes)> {
        // A rest that nobody knows of is over soon; asked for again, it would be another one.
        let (repeatable, within) = match asked {
            Asked::Rows { .. } | Asked::Log { .. } => (true, self.bounds.ask),
            Asked::Rest { .. } | Asked::GoOn { .. } => (false, MOMENT),
        };
        let remote = &self.remote;
        let owned = remote.leaders.ownership(group);
        let owned = owned.ok_or_else(|| ActorError::internal("backup.group", "there is no such group"))?;
        let given = async {
            let mut search = remote.search(group, owned);
            loop {
                let leader = match search.owner().await {
                    Owner::Here(_) => {
                        let copies = self.copies.as_ref().ok_or_else(|| {
                            ActorError::unsupported("backup.groups", "the groups of this node cannot be copied")
                        })?;
                        match give(copies, group, asked.clone()).await {
                            Some(given) => return given,
                            None => {
                                tokio::time::sleep(PAUSE).await;
                                continue;
                            }
                        }
                    }
                    Owner::There(leader) => leader,
                };
                let request = Request::Copy {
                    group,
                    asked: asked.clone(),
                };
                let answer = remote.exchange(leader.node, request.encode(&[]), within);
                let hint = match remote.answered(group, leader, answer).await {
                    Ok((Answer::Given(given), content)) => return Ok((given, content)),
                    Ok((Answer::Failed(error), _)) => return Err(error),
                    Ok((Answer::NotLeader(hint), _)) => hint,
                    Ok((Answer::Unreadable, _)) => {
                        return Err(ActorError::unsupported(
                            "node.version",
                            "the node that owns the shard does not know how to give it to another one",
                        ));
                    }
                    Err(CallError::NotSent { .. }) => None,
                    Ok(_) | Err(CallError::NoAnswer { .. }) if repeatable => None,
                    Ok(_) | Err(CallError::NoAnswer { .. }) => return Err(silent(group)),
                };
                search.refused(leader, hint);
            }
        };
        let given = tokio::time::timeout(within, given).await;
        given.unwrap_or_else(|_| Err(silent(group)))
    }
}

fn silent(group: u16) -> ActorError {
    let whose = match group {
        META => "the group of the cluster itself".to_owned(),
        shard => format!("shard {shard}"),
    };
    ActorError::retryable("backup.owner", format!("{whose} has no owner that answers"))
}

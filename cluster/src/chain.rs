//! Call chains: which actors wait for each other, so that a cycle is an error and not a wait.
//!
//! The chain of a turn lies with the task that runs the handler. Whatever the handler asks while it runs belongs to the
//! chain, through whichever reference; work beside the mailbox runs in a task of its own and belongs to none, because
//! its actor is free meanwhile.

use std::{future::Future, sync::Arc};

use crate::id::ActorHash;

tokio::task_local! {
    /// The turn that the present task runs.
    static RUNNING: Running;
}

/// A turn that runs, and who waits for it.
struct Running {
    actor: ActorHash,
    askers: Option<Arc<Chain>>,
}

/// Actors that wait for each other, from the asked one back to the first asker.
#[derive(Debug)]
pub(crate) struct Chain {
    asker: ActorHash,
    parent: Option<Arc<Chain>>,
}

impl Chain {
    fn extend(asker: ActorHash, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { asker, parent })
    }

    /// Runs a turn of `actor`, for which `askers` wait.
    pub(crate) fn run<F: Future>(
        actor: ActorHash,
        askers: Option<Arc<Self>>,
        turn: F,
    ) -> impl Future<Output = F::Output> {
        RUNNING.scope(Running { actor, askers }, turn)
    }

    /// The chain whose actors were told in the order of [`actors`](Self::actors).
    pub(crate) fn of(actors: &[ActorHash]) -> Option<Arc<Self>> {
        let first = actors.iter().rev();
        first.fold(None, |parent, actor| Some(Self::extend(*actor, parent)))
    }

    /// The actors that wait, from the asker back to the first.
    pub(crate) fn actors(&self) -> Vec<ActorHash> {
        std::iter::successors(Some(self), |chain| chain.parent.as_deref())
            .map(|chain| chain.asker)
            .collect()
    }

    /// The chain of what is asked now: empty outside a turn.
    pub(crate) fn current() -> Option<Arc<Self>> {
        RUNNING
            .try_with(|running| Self::extend(running.actor, running.askers.clone()))
            .ok()
    }

    /// Whether `actor` waits somewhere up the chain.
    pub(crate) fn contains(&self, actor: ActorHash) -> bool {
        let mut link = Some(self);
        while let Some(chain) = link {
            if chain.asker == actor {
                return true;
            }
            link = chain.parent.as_deref();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 15.
    #[test]
    fn a_chain_knows_everyone_who_waits() {
        let (a, b, c) = (ActorHash([1; 16]), ActorHash([2; 16]), ActorHash([3; 16]));
        let chain = Chain::extend(b, Some(Chain::extend(a, None)));
        assert!(chain.contains(a) && chain.contains(b) && !chain.contains(c));
        assert_eq!(chain.actors(), [b, a]);
        assert_eq!(Chain::of(&chain.actors()).unwrap().actors(), [b, a]);
        assert!(Chain::of(&[]).is_none());
    }

    /// Guarantee 15.
    #[tokio::test]
    async fn what_a_turn_spawns_is_not_of_its_chain() {
        let actor = ActorHash([1; 16]);
        let (inside, spawned) = Chain::run(actor, None, async {
            let spawned = tokio::spawn(async { Chain::current().is_some() });
            (Chain::current(), spawned.await.unwrap())
        })
        .await;
        assert!(inside.unwrap().contains(actor));
        assert!(!spawned && Chain::current().is_none());
    }
}

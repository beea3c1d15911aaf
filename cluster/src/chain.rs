//! Call chains: which actors wait for each other, so that a cycle is an error and not a wait.
//!
//! Whatever a handler asks while it runs belongs to its chain, through whichever reference; work beside the mailbox
//! belongs to none, because its actor is free meanwhile.

use std::sync::Arc;

use crate::id::ActorHash;

/// Actors that wait for each other, from the asked one back to the first asker.
#[derive(Debug)]
pub(crate) struct Chain {
    asker: ActorHash,
    parent: Option<Arc<Chain>>,
}

impl Chain {
    /// The chain of what `asker` asks while `parent` waits for it.
    pub(crate) fn extend(asker: ActorHash, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { asker, parent })
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
}

//! Looking for the owner of a group.

use std::time::Duration;

use tokio::sync::watch;

use super::Remote;
use crate::shard::{Epoch, Leader};

/// First pause before a node that refused is asked again.
const PAUSE: Duration = Duration::from_millis(5);

/// Longest such pause.
const LONGEST: Duration = Duration::from_millis(100);

/// Where a group is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// By this node.
    Here(Epoch),
    /// By another, as far as is known.
    There(Leader),
}

/// Looking for the owner of a group, on behalf of one call.
pub(crate) struct Search<'a> {
    remote: &'a Remote,
    group: u16,
    owned: watch::Receiver<Option<Epoch>>,
    news: watch::Receiver<u64>,
    /// The last who refused: it is not asked again at once.
    refused: Option<Leader>,
    pause: Duration,
}

impl<'a> Search<'a> {
    pub(super) fn new(remote: &'a Remote, group: u16, owned: watch::Receiver<Option<Epoch>>) -> Self {
        Self {
            remote,
            group,
            owned,
            news: remote.leaders.news(),
            refused: None,
            pause: PAUSE,
        }
    }

    /// Waits until there is somebody to ask. Who was asked may turn out not to be the owner: see
    /// [`refused`](Self::refused).
    pub(crate) async fn owner(&mut self) -> Owner {
        loop {
            self.news.mark_unchanged();
            if let Some(epoch) = *self.owned.borrow_and_update() {
                return Owner::Here(epoch);
            }
            let known = self.remote.leaders.of(self.group);
            let known = known.filter(|leader| leader.node != self.remote.node && self.refused != Some(*leader));
            if let Some(leader) = known {
                return Owner::There(leader);
            }
            self.wait().await;
        }
    }

    /// Takes note that a node said it is not the owner, or cannot be reached.
    pub(crate) fn refused(&mut self, leader: Leader, hint: Option<Leader>) {
        self.refused = Some(leader);
        if let Some(hint) = hint {
            self.remote.meet(hint.node);
            self.remote.leaders.learn(self.group, hint);
        }
    }

    /// Waits until something is heard, or for a while, after which the same node may be asked again.
    async fn wait(&mut self) {
        let pause = async {
            if self.remote.is_alone() {
                std::future::pending().await
            } else {
                tokio::time::sleep(self.pause).await;
            }
        };
        tokio::select! {
            biased;
            // The sender lives as long as the group.
            _ = self.owned.changed() => {}
            _ = self.news.changed() => {}
            () = pause => {
                self.refused = None;
                self.pause = (self.pause * 2).min(LONGEST);
                self.remote.ask_around();
            }
        }
    }
}

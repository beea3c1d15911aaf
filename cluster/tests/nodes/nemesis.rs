//! What goes wrong between nodes.

use std::time::Duration;

use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::{
    bridge::{Bridge, Link},
    host::Host,
};

/// How long a fault lasts: longer than a lease and an election.
const FAULT: std::ops::Range<u64> = 2_500..5_000;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A process is killed and started again.
    Kill,
    /// A process stands still, and goes on.
    Freeze,
    /// A host is cut off from all others.
    Isolate,
    /// What one host sends to the others does not arrive; what they send does.
    Mute,
    /// What the others send to one host does not arrive.
    Deafen,
    /// A link is slow and loses packets.
    Spoil,
    /// Each process in turn is stopped in good order and started again.
    Roll,
    /// All processes are killed at once and started again.
    PowerCut,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Kill,
        Self::Freeze,
        Self::Isolate,
        Self::Mute,
        Self::Deafen,
        Self::Spoil,
        Self::Roll,
        Self::PowerCut,
    ];

    /// Does it, to a random host, waits, and undoes it.
    pub(crate) async fn strike(self, bridge: &Bridge, hosts: &mut [Host], random: &mut StdRng) {
        let lasts = Duration::from_millis(random.random_range(FAULT));
        let victim = random.random_range(0..hosts.len());
        let number = hosts[victim].number;
        let others: Vec<_> = hosts
            .iter()
            .map(|host| host.number)
            .filter(|host| *host != number)
            .collect();
        match self {
            Self::Kill => {
                hosts[victim].kill();
                tokio::time::sleep(lasts).await;
                hosts[victim].start(bridge);
            }
            Self::Freeze => {
                hosts[victim].freeze(true);
                tokio::time::sleep(lasts).await;
                hosts[victim].freeze(false);
            }
            Self::Isolate | Self::Mute | Self::Deafen => {
                for other in others {
                    if self != Self::Deafen {
                        bridge.cut(number, other);
                    }
                    if self != Self::Mute {
                        bridge.cut(other, number);
                    }
                }
                tokio::time::sleep(lasts).await;
                bridge.heal();
            }
            Self::Spoil => {
                bridge.spoil(
                    number,
                    Link {
                        kilobits: 2_000,
                        loss: 0.1,
                    },
                );
                tokio::time::sleep(lasts).await;
                bridge.heal();
            }
            Self::Roll => {
                let mut order: Vec<_> = (0..hosts.len()).collect();
                order.shuffle(random);
                for next in order {
                    hosts[next].stop().await;
                    hosts[next].start(bridge);
                    hosts[next].ready().await;
                }
            }
            Self::PowerCut => {
                hosts.iter_mut().for_each(Host::kill);
                tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
                hosts.iter_mut().for_each(|host| host.start(bridge));
            }
        }
        for host in hosts {
            host.ready().await;
        }
    }
}

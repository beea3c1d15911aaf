//! What goes wrong between nodes.

use std::{path::Path, time::Duration};

use faults::{Loss, Plan};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::{
    bridge::{Bridge, Link},
    host::Host,
    process::STOPPED,
};

/// The exit code of a test that panicked: a node that did not open.
const REFUSED: i32 = 101;

/// How long a fault lasts: longer than a lease and an election.
const FAULT: std::ops::Range<u64> = 2_500..5_000;

/// How many bytes a node may write until its disk is full.
const SPACE: std::ops::Range<u64> = 128 << 10..2 << 20;

/// Which of its syncs fails.
const SYNC: std::ops::Range<u64> = 20..800;

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
    /// All hosts lose power at once, and with it what was not synced.
    PowerCut,
    /// The disk of one host becomes full: its process stops, and is started again when there is space.
    FillDisk,
    /// A sync of one host fails: its process stops, and is started again without what was not synced.
    FailSync,
}

/// Whether a node must not go on once a sync of a file has failed. The state is made again from the log; of the list of its
/// keyspaces, which stays as it was, fjall only logs that it could not tidy it up.
fn matters(file: &Path) -> bool {
    !file.starts_with("state") && !file.starts_with("log/keyspaces/0")
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::Kill,
        Self::Freeze,
        Self::Isolate,
        Self::Mute,
        Self::Deafen,
        Self::Spoil,
        Self::Roll,
        Self::PowerCut,
        Self::FillDisk,
        Self::FailSync,
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
                for host in &mut *hosts {
                    host.stop().await;
                    let plan = host.watched_disk();
                    host.start_on(bridge, plan);
                    host.ready().await;
                }
                tokio::time::sleep(lasts).await;
                hosts.iter_mut().for_each(Host::kill);
                for host in &mut *hosts {
                    host.settle(Loss::Unsynced, random.random());
                    host.start(bridge);
                }
            }
            Self::FillDisk | Self::FailSync => {
                let host = &mut hosts[victim];
                host.stop().await;
                let (plan, loss) = match self {
                    Self::FillDisk => (
                        Plan {
                            space_bytes: Some(random.random_range(SPACE)),
                            ..host.watched_disk()
                        },
                        Loss::Nothing,
                    ),
                    _ => (
                        Plan {
                            sync_error_at: Some(random.random_range(SYNC)),
                            ..host.watched_disk()
                        },
                        Loss::Unsynced,
                    ),
                };
                host.start_on(bridge, plan);
                let status = host.ended().await;
                match status {
                    // A node that did not get as far as taking calls panics with what its stores said.
                    Some(status) => assert!(
                        [STOPPED, REFUSED].contains(&status.code().unwrap()),
                        "host {number} ended with {status}:\n{}",
                        host.log()
                    ),
                    None => host.kill(),
                }
                let failed = host.settle(loss, random.random());
                let may_go_on = failed.iter().all(|file| !matters(file));
                assert!(
                    status.is_some() || (matches!(self, Self::FailSync) && may_go_on),
                    "host {number} does not end after {failed:?}:\n{}",
                    host.log()
                );
                host.start(bridge);
            }
        }
        for host in hosts {
            host.ready().await;
        }
    }
}

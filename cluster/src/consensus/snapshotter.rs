//! Decides when a group takes a snapshot, so that its log, and those of all groups together, stay bounded.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::log::Pressure;

/// Bounds of the logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogLimits {
    /// A group takes a snapshot when its log is longer than this, and than half the shard.
    pub(crate) group_bytes: u64,
    /// The group with the longest log takes one when all logs together are longer than this. Their files keep to 512 MiB:
    /// tables are there twice while they are compacted, and until the next time if nothing is written any more, beside a
    /// journal of up to 128 MiB.
    pub(crate) node_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            group_bytes: 64 << 20,
            node_bytes: 160 << 20,
        }
    }
}

/// A log as the decision sees it.
#[derive(Debug, Clone, Copy)]
struct Length {
    log: u64,
    /// Size of the last snapshot.
    shard: u64,
    /// How long the log was when a snapshot was last asked for; zero if it has shrunk since.
    asked: u64,
}

impl Length {
    /// A snapshot that was asked for may still wait for its turn: it is asked for again only after a while.
    fn may_ask(&self, limit: u64) -> bool {
        self.log >= self.asked + limit / 4
    }
}

/// Which groups are due.
fn due(lengths: &[Length], limits: LogLimits) -> Vec<usize> {
    let over = |length: &Length| {
        let limit = limits.group_bytes.max(length.shard / 2);
        length.log > limit && length.may_ask(limit)
    };
    let mut due = (0..lengths.len())
        .filter(|group| over(&lengths[*group]))
        .collect::<Vec<_>>();
    let total = lengths.iter().map(|length| length.log).sum::<u64>();
    let longest = (0..lengths.len()).max_by_key(|group| lengths[*group].log);
    if total > limits.node_bytes
        && due.is_empty()
        && let Some(longest) = longest
        && lengths[longest].may_ask(limits.group_bytes)
    {
        due.push(longest);
    }
    due
}

pub(crate) async fn run(groups: Vec<Arc<Group>>, pressure: Arc<Pressure>, limits: LogLimits, stop: CancellationToken) {
    let mut asked = vec![0_u64; groups.len()];
    // The first look is for what an earlier run left behind.
    loop {
        let lengths = groups
            .iter()
            .zip(&mut asked)
            .map(|(group, asked)| {
                let log = group.log_bytes();
                if log < *asked {
                    *asked = 0;
                }
                Length {
                    log,
                    shard: group.snapshot_bytes(),
                    asked: *asked,
                }
            })
            .collect::<Vec<_>>();
        for group in due(&lengths, limits) {
            asked[group] = lengths[group].log;
            groups[group].take_snapshot().await;
        }
        if stop.run_until_cancelled(pressure.grown.notified()).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LogLimits = LogLimits {
        group_bytes: 100,
        node_bytes: 250,
    };

    fn length(log: u64) -> Length {
        Length {
            log,
            shard: 0,
            asked: 0,
        }
    }

    #[test]
    fn a_long_log_is_due_and_a_short_one_is_not() {
        assert_eq!(due(&[length(100), length(101)], LIMITS), [1]);
    }

    #[test]
    fn a_large_shard_may_have_a_longer_log() {
        assert_eq!(
            due(
                &[Length {
                    shard: 400,
                    ..length(200)
                }],
                LIMITS
            ),
            [0_usize; 0]
        );
        assert_eq!(
            due(
                &[Length {
                    shard: 400,
                    ..length(201)
                }],
                LIMITS
            ),
            [0]
        );
    }

    #[test]
    fn the_longest_log_is_due_when_all_together_are_too_long() {
        assert_eq!(due(&[length(80), length(90), length(80)], LIMITS), [0_usize; 0]);
        assert_eq!(due(&[length(80), length(91), length(80)], LIMITS), [1]);
    }

    #[test]
    fn a_snapshot_is_not_asked_for_twice_while_it_waits_for_its_turn() {
        assert_eq!(
            due(
                &[Length {
                    asked: 101,
                    ..length(125)
                }],
                LIMITS
            ),
            [0_usize; 0]
        );
        assert_eq!(
            due(
                &[Length {
                    asked: 101,
                    ..length(126)
                }],
                LIMITS
            ),
            [0]
        );
    }
}

//! How the members of a group hear from each other while nothing happens.
//!
//! openraft has a clock for each group, which looks every 40 ms whether it is time for a heartbeat or an election. With
//! many groups that would be most of what a node at rest costs. So a voter has it run only when its leader is silent for
//! longer than usual; and a leader is told when to send heartbeats: those of all groups at the same moments, so that what
//! goes to one node leaves as one write.

use std::time::Duration;

use openraft::ServerState;
use openraft::metrics::RaftServerMetrics;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::{ELECTION, HEARTBEAT};
use super::types::{StoredMembership, Types};
use crate::Clock;

/// For how long a leader may be silent until the clock runs, which then still has time to tick before an election is due.
const QUIET: Duration = Duration::from_millis(400);

const _: () = assert!(QUIET.as_millis() >= 2 * HEARTBEAT.as_millis() && QUIET.as_millis() + 100 < ELECTION.as_millis());

/// When this node last heard from a leader that it follows.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Option<Instant>>);

impl Heard {
    /// Notes what a leader sent then, and this node has taken.
    pub(crate) fn note(&self, arrived: Instant) {
        let mut last = self.0.lock();
        *last = (*last).max(Some(arrived));
    }

    /// How long ago that was.
    pub(crate) fn ago(&self) -> Option<Duration> {
        self.0.lock().map(|last| last.elapsed())
    }
}

/// What keeps a group together for the next moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// This node leads others: they have to hear from it.
    Lead,
    /// It follows a leader that it will have heard of lately until then.
    Follow(Instant),
    /// It may have to elect a leader: the clock of openraft runs.
    Search,
    /// Nobody can depose a leader without other members, and nobody without a vote elects anybody.
    Rest,
}

impl Pulse {
    pub(crate) fn of(metrics: &RaftServerMetrics<Types>, heard: &Heard) -> Self {
        let votes = |membership: &StoredMembership| membership.voter_ids().any(|voter| voter == metrics.id);
        match metrics.state {
            ServerState::Leader if metrics.membership_config.nodes().count() > 1 => Self::Lead,
            ServerState::Leader | ServerState::Shutdown => Self::Rest,
            ServerState::Learner | ServerState::Follower | ServerState::Candidate => {
                if !votes(&metrics.membership_config) && !votes(&metrics.committed_membership_config) {
                    return Self::Rest;
                }
                let follows = metrics.current_leader.is_some_and(|leader| leader != metrics.id);
                let heard = heard.0.lock().filter(|_| follows);
                match heard.map(|heard| heard + QUIET) {
                    Some(until) if until > Instant::now() => Self::Follow(until),
                    Some(_) | None => Self::Search,
                }
            }
        }
    }

    /// Waits until there is something to do, or to be looked at again.
    pub(crate) async fn over(self, clock: &dyn Clock) {
        match self {
            Self::Lead => tokio::time::sleep(until_beat(clock.elapsed())).await,
            Self::Follow(until) => tokio::time::sleep_until(until).await,
            Self::Search => tokio::time::sleep(QUIET).await,
            Self::Rest => std::future::pending().await,
        }
    }
}

/// How long it is until all groups of a node send heartbeats.
fn until_beat(now: Duration) -> Duration {
    let period = HEARTBEAT.as_micros();
    let since = now.as_micros() % period;
    Duration::from_micros(u64::try_from(period - since).expect("it is less than a second"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::super::types::{Membership, Vote};
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn metrics(state: ServerState, leader: Option<u64>, voters: &[u64]) -> RaftServerMetrics<Types> {
        let voters: BTreeSet<u64> = voters.iter().copied().collect();
        let membership = Membership::new_with_defaults(vec![voters], [1, 2, 3]);
        let membership = Arc::new(StoredMembership::new(None, membership));
        RaftServerMetrics {
            id: 1,
            vote: Vote::new_committed(1, 2),
            state,
            current_leader: leader,
            membership_config: Arc::clone(&membership),
            committed_membership_config: membership,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_voter_looks_for_a_leader_unless_it_has_heard_of_one() {
        let heard = Heard::default();
        let follower = |leader| metrics(ServerState::Follower, leader, &[1, 2, 3]);
        assert_eq!(
            Pulse::of(&follower(Some(2)), &heard),
            Pulse::Search,
            "it may have voted"
        );
        let arrived = Instant::now();
        heard.note(arrived);
        assert_eq!(Pulse::of(&follower(Some(2)), &heard), Pulse::Follow(arrived + QUIET));
        assert_eq!(
            Pulse::of(&follower(None), &heard),
            Pulse::Search,
            "that was another one"
        );
        assert_eq!(
            Pulse::of(&follower(Some(1)), &heard),
            Pulse::Search,
            "it led before it restarted"
        );
        let candidate = metrics(ServerState::Candidate, None, &[1, 2, 3]);
        assert_eq!(Pulse::of(&candidate, &heard), Pulse::Search);
        tokio::time::advance(QUIET).await;
        assert_eq!(
            Pulse::of(&follower(Some(2)), &heard),
            Pulse::Search,
            "it has fallen silent"
        );
        heard.note(arrived);
        assert_eq!(
            Pulse::of(&follower(Some(2)), &heard),
            Pulse::Search,
            "an answer came late"
        );
    }

    #[test]
    fn who_cannot_elect_anybody_or_be_deposed_rests() {
        let heard = Heard::default();
        let learner = metrics(ServerState::Learner, Some(2), &[2, 3]);
        assert_eq!(Pulse::of(&learner, &heard), Pulse::Rest);
        assert_eq!(
            Pulse::of(&metrics(ServerState::Leader, Some(1), &[1, 2, 3]), &heard),
            Pulse::Lead
        );
        let mut alone = metrics(ServerState::Leader, Some(1), &[1]);
        assert_eq!(
            Pulse::of(&alone, &heard),
            Pulse::Lead,
            "there are members that only follow"
        );
        let sole = Membership::new_with_defaults(vec![BTreeSet::from([1])], [1]);
        alone.membership_config = Arc::new(StoredMembership::new(None, sole));
        assert_eq!(Pulse::of(&alone, &heard), Pulse::Rest);
    }

    #[test]
    fn heartbeats_leave_at_the_same_moments() {
        for (now, until) in [(0, 200), (1, 199), (199, 1), (200, 200), (12_345, 55)] {
            assert_eq!(until_beat(millis(now)), millis(until));
        }
        assert_eq!(until_beat(Duration::from_micros(199_999)), Duration::from_micros(1));
    }
}

//! How openraft is set up, for every group alike.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// Milliseconds without a word from the leader after which a member wants to be elected, at least and at most.
const ELECTION: (u64, u64) = (600, 900);

/// For how long a member that has heard from a leader votes for nobody else: openraft takes the longest election timeout.
pub(crate) const fn lease() -> Duration {
    Duration::from_millis(ELECTION.1)
}

/// The longest time in which a member without a leader wants to be elected.
pub(crate) const fn election() -> Duration {
    Duration::from_millis(ELECTION.1)
}

/// The configuration of a group. Several defaults of openraft would be wrong here; a test asserts ours.
pub(crate) fn raft() -> Config {
    Config {
        cluster_name: "foundation".to_owned(),
        heartbeat_interval: 200,
        election_timeout_min: ELECTION.0,
        election_timeout_max: ELECTION.1,
        // A restarted node must not believe that it still leads: the lease is forgotten with the process.
        enable_leader_restore: Some(false),
        // A member that was cut off must not depose a leader when it comes back.
        enable_pre_vote: Some(true),
        // Snapshots are triggered by bytes, not by entries.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        purge_batch_size: 1,
        replication_lag_threshold: 1_000_000,
        install_snapshot_timeout: 60_000,
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        // Turns are batched before they reach openraft.
        api_batch_linger_ms: 0,
        max_payload_entries: 1024,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_safety_rests_on_are_ours() {
        let config = raft().validate().unwrap();
        assert_eq!(config.enable_leader_restore, Some(false));
        assert_eq!(config.enable_pre_vote, Some(true));
        assert_eq!(config.allow_log_reversion, None);
        assert_eq!(config.snapshot_policy, SnapshotPolicy::Never);
        assert_eq!(
            (
                config.heartbeat_interval,
                config.election_timeout_min,
                config.election_timeout_max
            ),
            (200, 600, 900)
        );
        assert_eq!((config.max_in_snapshot_log_to_keep, config.purge_batch_size), (0, 1));
        assert!(config.install_snapshot_timeout >= 30_000);
        assert_eq!(
            (config.api_channel_size, config.notification_channel_size),
            (Some(4096), Some(4096))
        );
        assert_eq!(config.api_batch_linger_ms, 0);
        assert!(config.enable_tick && config.enable_elect && config.enable_heartbeat);
    }
}

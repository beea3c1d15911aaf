//! How openraft is set up, for every group alike.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// For how long after its last acknowledgement a voter elects nobody else: openraft's lease is the longest election
/// timeout.
pub(crate) const LEASE: Duration = Duration::from_millis(900);
/// Pause between two heartbeats of a leader.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(200);
/// The shortest time without a leader after which a voter wants to elect one.
pub(crate) const ELECTION: Duration = Duration::from_millis(600);
/// For how long a voter that starts elects nobody: a lease, and what clocks may differ in that time.
pub(crate) const GUARD: Duration = Duration::from_millis(1_100);

/// The configuration of a group. Several defaults of openraft would be wrong here; a test asserts ours.
pub(crate) fn raft() -> Config {
    Config {
        cluster_name: "foundation".to_owned(),
        heartbeat_interval: HEARTBEAT.as_millis() as u64,
        election_timeout_min: ELECTION.as_millis() as u64,
        election_timeout_max: LEASE.as_millis() as u64,
        // A restarted node must not believe that it still leads: the lease is forgotten with the process.
        enable_leader_restore: Some(false),
        // A member that was cut off must not depose a leader when it comes back.
        enable_pre_vote: Some(true),
        // A leader that hears nobody, although it is heard, must fall silent for long enough to be deposed.
        quorum_loss_probe_interval: Some(2_000),
        // Snapshots are triggered by bytes, not by entries.
        snapshot_policy: SnapshotPolicy::Never,
        // Logs are purged by us, by bytes and members (see `retention`).
        max_in_snapshot_log_to_keep: u64::MAX,
        purge_batch_size: 1,
        replication_lag_threshold: 1_000_000,
        install_snapshot_timeout: 60_000,
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        // Turns are batched before they reach openraft.
        api_batch_linger_ms: 0,
        max_payload_entries: 1024,
        // Until it is known what this node may have promised before it was started (see `guard`).
        enable_elect: false,
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
        assert_eq!(
            (config.max_in_snapshot_log_to_keep, config.purge_batch_size),
            (u64::MAX, 1)
        );
        assert!(config.install_snapshot_timeout >= 30_000);
        assert_eq!(
            (config.api_channel_size, config.notification_channel_size),
            (Some(4096), Some(4096))
        );
        assert_eq!(config.api_batch_linger_ms, 0);
        assert!(config.enable_tick && !config.enable_elect && config.enable_heartbeat);
        assert!(config.quorum_loss_probe_interval >= Some(2 * config.election_timeout_max));
        assert!(GUARD > LEASE);
    }
}

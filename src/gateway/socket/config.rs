//! Section `[sockets]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Signs of life that a client may leave out before it is taken for lost.
const SILENCES: u32 = 2;

/// Section `[sockets]`: clients that are connected by WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SocketsConfig {
    /// Most sockets of one tenant on this node.
    pub per_tenant: usize,
    /// Longest message of a client, in bytes.
    pub message_limit_bytes: usize,
    /// Time without a sign of life until a client is asked for one; twice as long later it is taken for lost.
    pub ping_seconds: u64,
    /// Time after which a connection is ended, so that clients come back, perhaps to another node.
    pub lifetime_hours: u64,
}

impl Default for SocketsConfig {
    fn default() -> Self {
        Self {
            per_tenant: 10_000,
            message_limit_bytes: 1024 * 1024,
            ping_seconds: 30,
            lifetime_hours: 24,
        }
    }
}

impl SocketsConfig {
    pub(super) fn ping(&self) -> Duration {
        Duration::from_secs(self.ping_seconds)
    }

    /// Time without a sign of life after which a client is lost.
    pub(super) fn silence(&self) -> Duration {
        self.ping() * (1 + SILENCES)
    }

    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_hours(self.lifetime_hours)
    }

    /// Checks bounds outside of which nothing would work; names the key at fault.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.per_tenant == 0 {
            return Err(("sockets.per-tenant", "must be at least 1".to_owned()));
        }
        // An actor takes no larger value.
        if !(1024..=2 * 1024 * 1024 - 1024).contains(&self.message_limit_bytes) {
            return Err((
                "sockets.message-limit-bytes",
                "must be between 1024 and 2096128".to_owned(),
            ));
        }
        if !(1..=3600).contains(&self.ping_seconds) {
            return Err(("sockets.ping-seconds", "must be between 1 and 3600".to_owned()));
        }
        if !(1..=8760).contains(&self.lifetime_hours) {
            return Err(("sockets.lifetime-hours", "must be between 1 and 8760".to_owned()));
        }
        Ok(())
    }
}

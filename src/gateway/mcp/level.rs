//! From which level on a client hears log messages.
#![expect(
    deprecated,
    reason = "the revision of 2026-07-28 gives log messages up, those before it have them"
)]

use rmcp::model::{JsonRpcMessage, LoggingLevel, ServerCapabilities, ServerJsonRpcMessage, ServerNotification};

/// A level that a client has set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level(LoggingLevel);

impl Level {
    /// The level with a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(name)).ok().map(Self)
    }

    /// Whether a client with this level hears a message: log messages below it it does not.
    pub(super) fn hears(self, message: &ServerJsonRpcMessage) -> bool {
        let JsonRpcMessage::Notification(notification) = message else {
            return true;
        };
        match &notification.notification {
            ServerNotification::LoggingMessageNotification(log) => rank(log.params.level) >= rank(self.0),
            _ => true,
        }
    }
}

/// Capabilities with that of setting a level.
pub(super) fn offered(mut capabilities: ServerCapabilities) -> ServerCapabilities {
    capabilities.logging = Some(serde_json::Map::new());
    capabilities
}

/// Levels in the order of how bad they are.
fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

//! Log messages, and from which level on a client hears them.
#![expect(
    deprecated,
    reason = "the revision of 2026-07-28 gives log messages up, those before it have them"
)]

use rmcp::{
    RoleServer,
    model::{
        JsonRpcMessage, LoggingLevel, LoggingMessageNotificationParam, ProtocolVersion, ServerCapabilities,
        ServerJsonRpcMessage, ServerNotification,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::call::McpCall;

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

/// Tells the client how work goes on.
pub(super) async fn info(call: &McpCall, context: &RequestContext<RoleServer>, said: Value) {
    log(call, context, LoggingLevel::Info, said).await;
}

/// Tells the client that work has failed.
pub(super) async fn error(call: &McpCall, context: &RequestContext<RoleServer>, said: Value) {
    log(call, context, LoggingLevel::Error, said).await;
}

/// Tells a client that hears log messages: one with a session, which sets the level, or since 2026-07-28 one that says the level in its
/// request.
async fn log(call: &McpCall, context: &RequestContext<RoleServer>, level: LoggingLevel, said: Value) {
    let is_newer = context
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    let hears = match context.meta.log_level() {
        Some(asked) if is_newer => rank(level) >= rank(asked),
        Some(_) | None => !is_newer && call.session().is_some(),
    };
    if hears {
        let log = LoggingMessageNotificationParam::new(level, said);
        context.peer.notify_logging_message(log).await.ok();
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

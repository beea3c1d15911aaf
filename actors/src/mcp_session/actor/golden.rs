//! Samples of what is stored, against the golden files.

use cluster::prelude::{Timestamp, VirtualActor};

use super::{
    EVENTS, Event, INBOX, LAST, LEVEL, McpSession, OPENED, Opened, SEEN, STREAMS, SUBSCRIPTIONS, Stream, Waiting,
};
use crate::golden::{check, check_family};

/// Guarantee 16.
#[test]
fn what_sessions_have_stored_is_readable() {
    let class = McpSession::CLASS;
    let at = Timestamp::from_millis(1_790_000_000_001);
    let opened = Opened {
        user: "ann".to_owned(),
        endpoint: "/mcp".to_owned(),
        initialize: r#"{"protocolVersion":"2025-11-25"}"#.to_owned(),
    };
    check(class, &OPENED, &[opened]);
    check(class, &SEEN, &[at]);
    check(class, &LEVEL, &["warning".to_owned()]);
    check(class, &LAST, &[7]);
    let event = Event {
        stream: "5f".to_owned(),
        at,
        text: "{}".to_owned(),
    };
    check_family(class, &EVENTS, &[event]);
    let stream = Stream {
        request: "1".to_owned(),
        count: 2,
    };
    check_family(class, &STREAMS, &[stream]);
    check_family(class, &SUBSCRIPTIONS, &["3".to_owned()]);
    let waiting = Waiting {
        to: "5f".to_owned(),
        at,
        text: "{}".to_owned(),
    };
    check_family(class, &INBOX, &[waiting]);
}

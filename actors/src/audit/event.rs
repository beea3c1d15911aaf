//! What an actor does to have an event recorded.

use cluster::{
    Credential, RequestId,
    prelude::{ActorError, ActorRef, Ctx, ErrorKind, IdempotencyKey, Result, Uuid, VirtualActor},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    chain::{AuditLog, NAME},
    hex::Hex,
    messages::Append,
    record::AuditRecord,
    who::who,
};

/// Most bytes of a payload.
pub const PAYLOAD_BYTES: usize = 16 * 1024;
/// Most bytes of the type of an event.
pub const EVENT_TYPE_BYTES: usize = 64;
/// How often an event is tried that no turn stands behind.
const ATTEMPTS: usize = 3;

/// Has an event recorded in the chain of the tenant, in this turn: if what the turn changes happens, the event is recorded, exactly
/// once. `members` is a JSON object of what the event is about; who acted and in which request is added.
///
/// # Errors
/// As [`Ctx::send`]. The type of the event must be one that the chain takes, or the event is lost.
pub fn record<A: VirtualActor>(ctx: &mut Ctx<A>, event_type: &'static str, members: Value) -> Result<()> {
    debug_assert!(is_event_type(event_type), "{event_type} is no type of an event");
    let audit = ctx.get::<AuditLog>(NAME);
    let payload = about(ctx, members);
    ctx.send(
        &audit,
        Append {
            event_type: event_type.to_owned(),
            payload,
        },
    )
}

/// The payload of an event of this turn.
pub(super) fn about<A: VirtualActor>(ctx: &Ctx<A>, members: Value) -> String {
    let request = RequestId::current();
    let who = who(ctx.credential().map(Credential::as_str));
    payload(&who, request.as_ref().map(RequestId::as_str), members)
}

/// Has an event recorded that no turn stands behind, as a denial: once for each `once`, however often it is tried. That is never the id of
/// the request, which a client may choose: it could hide one event behind another. The payload says in which request it was.
///
/// # Errors
/// As [`ActorRef::ask_idempotent`], after some attempts.
pub async fn append_once(
    audit: &ActorRef<AuditLog>,
    who: &str,
    once: Uuid,
    event_type: &str,
    members: Value,
) -> Result<AuditRecord> {
    let key = IdempotencyKey::new(&format!("{once}/{event_type}"))?;
    let request = RequestId::current();
    let append = Append {
        event_type: event_type.to_owned(),
        payload: payload(who, request.as_ref().map(RequestId::as_str), members),
    };
    for _ in 1..ATTEMPTS {
        // A failure breaks a reference.
        match audit.clone().ask_idempotent(&key, append.clone()).await {
            Err(error) if matches!(error.kind(), ErrorKind::Retryable | ErrorKind::Unknown) => {}
            outcome => return outcome,
        }
    }
    audit.clone().ask_idempotent(&key, append).await
}

/// The payload of an event as compact text: `actor`, `request_id`, then the members of the object in their order. They cannot replace
/// the first two. A text above [`PAYLOAD_BYTES`] is replaced by its length and its SHA-256, because an event that is too long
/// must be recorded all the same.
#[must_use]
pub fn payload(actor: &str, request_id: Option<&str>, members: Value) -> String {
    let who = [
        ("actor".to_owned(), Value::from(actor)),
        ("request_id".to_owned(), Value::from(request_id)),
    ];
    let mut whole = Map::from_iter(who.clone());
    match members {
        Value::Object(members) => {
            for (name, value) in members {
                whole.entry(name).or_insert(value);
            }
        }
        Value::Null => {}
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            whole.insert("value".to_owned(), other);
        }
    }
    let text = Value::Object(whole).to_string();
    if text.len() <= PAYLOAD_BYTES {
        return text;
    }
    let mut short = Map::from_iter(who);
    short.insert("omitted_bytes".to_owned(), Value::from(text.len()));
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    short.insert("omitted_sha256".to_owned(), Value::from(Hex(digest).to_string()));
    Value::Object(short).to_string()
}

/// Says whether a text is the type of an event: a lowercase letter, then up to 63 of `a-z`, `0-9`, `_` and `.`. It has no
/// colon, so the parts that are hashed cannot be shifted into each other.
pub(super) fn is_event_type(text: &str) -> bool {
    text.len() <= EVENT_TYPE_BYTES
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'))
}

/// Checks what is to be appended.
pub(super) fn check(event_type: &str, payload: &str) -> Result<()> {
    if !is_event_type(event_type) {
        return Err(ActorError::invalid(
            "audit.event-type",
            "the type of an event is a lowercase letter, then up to 63 of a-z, 0-9, `_` and `.`",
        ));
    }
    if payload.len() > PAYLOAD_BYTES {
        return Err(ActorError::too_large(
            "audit.payload",
            format!(
                "a payload of {} bytes exceeds the bound of {PAYLOAD_BYTES}",
                payload.len()
            ),
        ));
    }
    if !payload.starts_with('{') || serde_json::from_str::<IgnoredAny>(payload).is_err() {
        return Err(ActorError::invalid(
            "audit.payload",
            "a payload is a JSON object as text",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_acted_comes_first_and_cannot_be_replaced() {
        let members = json!({"workflowName": "planning", "actor": "somebody else", "instanceId": "i-1"});
        assert_eq!(
            payload("u-7", Some("r-1"), members),
            r#"{"actor":"u-7","request_id":"r-1","workflowName":"planning","instanceId":"i-1"}"#
        );
        assert_eq!(
            payload("system", None, Value::Null),
            r#"{"actor":"system","request_id":null}"#
        );
    }

    #[test]
    fn an_event_that_is_too_long_is_recorded_by_its_hash() {
        let text = payload("u-7", None, json!({"text": "x".repeat(PAYLOAD_BYTES)}));
        assert!(text.len() < 300, "{text}");
        assert!(
            text.starts_with(r#"{"actor":"u-7","request_id":null,"omitted_bytes":"#),
            "{text}"
        );
        check("long", &text).unwrap();
    }

    #[test]
    fn types_and_payloads_are_checked() {
        for good in ["a", "run_created", "auth.sign_in_failed", &"x".repeat(64)] {
            check(good, "{}").unwrap();
        }
        for bad in ["", "A", "1a", "_a", "a:b", "a-b", "ä", &"x".repeat(65)] {
            assert_eq!(check(bad, "{}").unwrap_err().code(), "audit.event-type", "{bad}");
        }
        for bad in ["", "[]", "null", "{", "{} {}", "{\"a\":}", " {}"] {
            assert_eq!(check("a", bad).unwrap_err().code(), "audit.payload", "{bad}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES));
        assert_eq!(check("a", &long).unwrap_err().code(), "audit.payload");
    }

    #[test]
    fn the_events_of_this_crate_have_lawful_types() {
        let text = include_str!("events.rs");
        let types = text
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
        assert!(types.inspect(|event| assert!(is_event_type(event), "{event}")).count() > 10);
    }
}

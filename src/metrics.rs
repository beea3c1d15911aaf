//! Names of the metrics of this package. Labels are bounded: method, route pattern, status, provider, outcome.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests answered, by method, route and status.
pub(crate) const HTTP_REQUESTS_TOTAL: &str = "foundation_http_requests_total";

/// Time to the first byte of the answer, by method and route.
pub(crate) const HTTP_REQUEST_SECONDS: &str = "foundation_http_request_seconds";

/// Requests refused because of a rate limit, by policy.
pub(crate) const RATE_LIMITED_TOTAL: &str = "foundation_rate_limited_total";

/// Event streams that are open.
pub(crate) const EVENT_STREAMS: &str = "foundation_event_streams";

/// Live updates that a slow watcher missed.
pub(crate) const LIVE_UPDATES_DROPPED_TOTAL: &str = "foundation_live_updates_dropped_total";

/// WebSockets that are open.
pub(crate) const SOCKETS: &str = "foundation_sockets";

/// WebSockets that were closed, by the code of their end.
pub(crate) const SOCKETS_CLOSED_TOTAL: &str = "foundation_sockets_closed_total";

/// Messages through WebSockets, by direction (`in`, `out`).
pub(crate) const SOCKET_FRAMES_TOTAL: &str = "foundation_socket_frames_total";

/// Calls of the language model that ended, by provider and outcome: `ok`, `length` (the answer was cut), `cancelled`, or
/// the fault.
pub(crate) const MODEL_CALLS_TOTAL: &str = "foundation_model_calls_total";

/// Time of a call of the language model, its wait in the queue included, by provider.
pub(crate) const MODEL_CALL_SECONDS: &str = "foundation_model_call_seconds";

/// Tokens of answered calls, by provider and direction (`input`, `output`).
pub(crate) const MODEL_TOKENS_TOTAL: &str = "foundation_model_tokens_total";

/// Mails that were asked for, by outcome: `sent`, `failed`, or `refused` because too many waited.
pub(crate) const MAILS_TOTAL: &str = "foundation_mails_total";

pub(crate) fn describe() {
    actors::metrics::describe();
    describe_counter!(HTTP_REQUESTS_TOTAL, Unit::Count, "Requests answered");
    describe_histogram!(
        HTTP_REQUEST_SECONDS,
        Unit::Seconds,
        "Time to the first byte of the answer"
    );
    describe_counter!(
        RATE_LIMITED_TOTAL,
        Unit::Count,
        "Requests refused because of a rate limit"
    );
    describe_gauge!(EVENT_STREAMS, Unit::Count, "Event streams that are open");
    describe_gauge!(SOCKETS, Unit::Count, "WebSockets that are open");
    describe_counter!(
        SOCKETS_CLOSED_TOTAL,
        Unit::Count,
        "WebSockets that were closed, by code"
    );
    describe_counter!(
        SOCKET_FRAMES_TOTAL,
        Unit::Count,
        "Messages through WebSockets, by direction"
    );
    describe_counter!(
        LIVE_UPDATES_DROPPED_TOTAL,
        Unit::Count,
        "Live updates that a slow watcher missed"
    );
    describe_counter!(
        MODEL_CALLS_TOTAL,
        Unit::Count,
        "Calls of the language model that ended, by provider and outcome"
    );
    describe_histogram!(
        MODEL_CALL_SECONDS,
        Unit::Seconds,
        "Time of a call of the language model, by provider"
    );
    describe_counter!(
        MODEL_TOKENS_TOTAL,
        Unit::Count,
        "Tokens of answered calls, by provider and direction"
    );
    describe_counter!(MAILS_TOTAL, Unit::Count, "Mails that were asked for, by outcome");
}

//! Names of the metrics of this package. Labels are bounded: method, route pattern, status.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests answered, by method, route and status.
pub(crate) const HTTP_REQUESTS_TOTAL: &str = "foundation_http_requests_total";

/// Time to the first byte of the answer, by method and route.
pub(crate) const HTTP_REQUEST_SECONDS: &str = "foundation_http_request_seconds";

/// Event streams that are open.
pub(crate) const EVENT_STREAMS: &str = "foundation_event_streams";

/// Live updates that a slow watcher missed.
pub(crate) const LIVE_UPDATES_DROPPED_TOTAL: &str = "foundation_live_updates_dropped_total";

pub(crate) fn describe() {
    describe_counter!(HTTP_REQUESTS_TOTAL, Unit::Count, "Requests answered");
    describe_histogram!(
        HTTP_REQUEST_SECONDS,
        Unit::Seconds,
        "Time to the first byte of the answer"
    );
    describe_gauge!(EVENT_STREAMS, Unit::Count, "Event streams that are open");
    describe_counter!(
        LIVE_UPDATES_DROPPED_TOTAL,
        Unit::Count,
        "Live updates that a slow watcher missed"
    );
}

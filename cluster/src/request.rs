//! The request that a call is part of: an id from outside that follows it, so that the logs of all who work on it can be
//! joined.

use std::{fmt, future::Future, sync::Arc};

tokio::task_local! {
    static REQUEST: RequestId;
}

/// The id of the request from outside that the running work is part of.
///
/// It goes along with asks and with work beside a mailbox, and stands as `request_id` on the span of each turn. It does
/// not go along with alarms and durable sends, which are nobody's request any more when they run.
///
/// ```
/// use cluster::RequestId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let seen = RequestId::new("0198-7c").scope(async { RequestId::current() }).await;
/// assert_eq!(seen.unwrap().as_str(), "0198-7c");
/// assert_eq!(RequestId::current(), None);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Wraps an id. It is written to logs as it is: the caller makes sure that it is short and plain.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The request that the running task works on, if it works on one.
    pub fn current() -> Option<Self> {
        REQUEST.try_with(Clone::clone).ok()
    }

    /// Makes `work` part of this request.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        REQUEST.scope(self, work)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

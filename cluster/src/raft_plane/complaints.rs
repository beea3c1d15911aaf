//! Keeps the log readable while somebody tries again and again.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a complaint is not repeated.
const QUIET: Duration = Duration::from_secs(60);

/// Complaints that are remembered.
const REMEMBERED: usize = 128;

/// What was complained of lately.
#[derive(Default)]
pub(super) struct Complaints(Mutex<HashMap<(IpAddr, String), Instant>>);

impl Complaints {
    /// Whether nobody has heard this lately.
    pub(super) fn is_news(&self, from: IpAddr, reason: &str) -> bool {
        let mut known = self.0.lock();
        let now = Instant::now();
        known.retain(|_, since| now - *since < QUIET);
        let key = (from, reason.to_owned());
        let news = !known.contains_key(&key);
        if news && known.len() < REMEMBERED {
            known.insert(key, now);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_complaint_is_news_once_a_minute() {
        let (complaints, address) = (Complaints::default(), [127, 0, 0, 1].into());
        assert!(complaints.is_news(address, "a"));
        assert!(!complaints.is_news(address, "a"));
        assert!(complaints.is_news(address, "b"));
        tokio::time::advance(QUIET).await;
        assert!(complaints.is_news(address, "a"));
    }
}

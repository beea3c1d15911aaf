//! What an answer says of the limits that its request was counted for.
//!
//! `RateLimit-Policy` and `RateLimit` have the form of draft-ietf-httpapi-ratelimit-headers: a list with an item for each policy, which is
//! called so in both. The older `X-RateLimit-*` have room for one: the policy that is nearest to its end.

use std::{fmt::Write, time::Duration};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::limiter::Decision;
use jiff::Timestamp;

use super::policy::Policy;

/// What was counted for a request.
#[derive(Debug, Default)]
pub(crate) struct Counted(Vec<(Policy, Decision)>);

impl Counted {
    pub(super) fn add(&mut self, policy: Policy, decision: Decision) {
        self.0.push((policy, decision));
    }

    /// Says it in the headers of the answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        self.write_at(headers, Timestamp::now().as_second());
    }

    fn write_at(&self, headers: &mut HeaderMap, now: i64) {
        let tightest = self
            .0
            .iter()
            .min_by_key(|(_, decision)| (decision.allowed, decision.remaining));
        let Some((_, tightest)) = tightest else { return };
        let (mut policies, mut standings) = (String::new(), String::new());
        for (policy, decision) in &self.0 {
            let separator = if policies.is_empty() { "" } else { ", " };
            let name = policy.as_str();
            let (quota, window) = (decision.limit.max_requests, seconds(decision.limit.window()));
            let (left, reset) = (decision.remaining, reset(decision));
            // Writing into a string does not fail.
            write!(policies, "{separator}\"{name}\";q={quota};w={window}").ok();
            write!(standings, "{separator}\"{name}\";r={left};t={reset}").ok();
        }
        let reset = now.saturating_add_unsigned(reset(tightest));
        let told = [
            ("ratelimit-policy", policies),
            ("ratelimit", standings),
            ("x-ratelimit-limit", tightest.limit.max_requests.to_string()),
            ("x-ratelimit-remaining", tightest.remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        for (name, value) in told {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Seconds until all of a limit is there again. A limiter counts in slots, so it may be a moment longer than the window, which nobody
/// expects.
fn reset(decision: &Decision) -> u64 {
    seconds(decision.reset_after.min(decision.limit.window()))
}

/// Whole seconds, the last one begun counted as one.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use actors::limiter::Limit;

    use super::*;

    fn decision(max: u32, remaining: u32, reset: u64) -> Decision {
        Decision {
            allowed: true,
            limit: Limit::per_minute(max),
            remaining,
            reset_after: Duration::from_millis(reset),
            retry_after: None,
        }
    }

    #[test]
    fn the_headers_are_structured_fields_of_the_draft() {
        let mut counted = Counted::default();
        counted.add(Policy::Key, decision(1_000, 998, 60_000));
        counted.add(Policy::Tenant, decision(100, 7, 29_001));
        let mut headers = HeaderMap::new();
        counted.write_at(&mut headers, 1_800_000_000);
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(header("ratelimit-policy"), r#""key";q=1000;w=60, "tenant";q=100;w=60"#);
        assert_eq!(header("ratelimit"), r#""key";r=998;t=60, "tenant";r=7;t=30"#);
        assert_eq!(
            ["limit", "remaining", "reset"].map(|name| header(&format!("x-ratelimit-{name}"))),
            ["100", "7", "1800000030"],
            "of the one that ends first"
        );
    }

    #[test]
    fn a_refusal_is_told_before_what_has_more_room() {
        let mut counted = Counted::default();
        counted.add(Policy::Address, decision(60, 0, 1_000));
        let refused = Decision {
            allowed: false,
            ..decision(10, 0, 2_000)
        };
        counted.add(Policy::Attempts, refused);
        let mut headers = HeaderMap::new();
        counted.write_at(&mut headers, 0);
        assert_eq!(headers.get("x-ratelimit-limit").unwrap(), "10");
        assert!(Counted::default().0.is_empty());
    }
}

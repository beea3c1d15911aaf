//! What a node asks, and what it decides by itself.

use std::time::Duration;

use cluster::{prelude::*, testing::TestCluster};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::limiter::{Limit, LimitKey, Limiter, LimiterEnv, RateLimiter, Unavailable};

async fn start() -> (TestCluster, RateLimiter) {
    let cluster = TestCluster::builder(1)
        .actor::<Limiter>(LimiterEnv::default())
        .start()
        .await;
    let limits = RateLimiter::new(cluster.cluster());
    (cluster, limits)
}

fn key(name: &str) -> LimitKey {
    LimitKey::new(&TenantId::new("acme").unwrap(), name)
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_requests_at_once() {
    let (cluster, limits) = start().await;
    let limit = Limit::per_minute(60);
    let key = key("tenant");
    let allowed = async |requests: usize| {
        let checks = (0..requests).map(|_| limits.check(&key, limit));
        let decisions = join_all(checks).await;
        decisions
            .into_iter()
            .filter(|decision| decision.as_ref().unwrap().allowed)
            .count()
    };
    assert_eq!(allowed(50).await, 50);
    assert_eq!(allowed(50).await, 10);
    cluster.advance(Duration::from_secs(59)).await;
    assert_eq!(allowed(50).await, 0);
    cluster.advance(Duration::from_secs(2)).await;
    assert_eq!(allowed(100).await, 60);
}

#[tokio::test(start_paused = true)]
async fn a_decision_tells_of_the_limit() {
    let (cluster, limits) = start().await;
    let limit = Limit::per_minute(2);
    let key = key("key:7");
    let first = limits.check(&key, limit).await.unwrap();
    assert_eq!((first.allowed, first.remaining, first.retry_after), (true, 1, None));
    assert_eq!(first.limit, limit);
    cluster.advance(Duration::from_secs(20)).await;
    limits.check(&key, limit).await.unwrap();
    let refused = limits.check(&key, limit).await.unwrap();
    assert!(!refused.allowed);
    let retry = refused.retry_after.unwrap();
    assert!(
        retry > Duration::from_secs(39) && retry < Duration::from_secs(41),
        "{refused:?}"
    );
    cluster.advance(Duration::from_millis(500)).await;
    let again = limits.check(&key, limit).await.unwrap();
    assert_eq!(
        again.retry_after.unwrap(),
        retry - Duration::from_millis(500),
        "from memory"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_gets_no_answer_and_says_so_in_time() {
    let (cluster, limits) = start().await;
    cluster.cluster().shutdown().await;
    let begin = Instant::now();
    let outcome = limits.check(&key("tenant"), Limit::default()).await;
    assert!(
        matches!(outcome, Err(Unavailable::Failed(_) | Unavailable::Late)),
        "{outcome:?}"
    );
    assert!(begin.elapsed() <= Duration::from_millis(501));
    let outcome = limits.check(&key("tenant"), Limit::default()).await;
    assert_eq!(outcome, Err(Unavailable::Late), "and does not ask again at once");
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_while_it_asks_holds_up_nobody() {
    let (_cluster, limits) = start().await;
    let key = key("tenant");
    let limit = Limit::default();
    // Polled once, it asks; then it is dropped.
    let _ = timeout(Duration::ZERO, limits.check(&key, limit)).await;
    let checks = (0..20).map(|_| limits.check(&key, limit));
    for decision in join_all(checks).await {
        assert!(decision.unwrap().allowed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_and_looking_at_it_counts_nothing() {
    let (cluster, limits) = start().await;
    let (key, limit) = (key("ip:192.0.2.1"), Limit::per_minute(1));
    assert_eq!(limits.refusal(&key), None, "nothing is known");
    assert!(limits.check(&key, limit).await.unwrap().allowed);
    assert_eq!(limits.refusal(&key), None, "nothing was refused");
    assert!(!limits.check(&key, limit).await.unwrap().allowed);
    assert!(limits.refusal(&key).is_some_and(|decision| !decision.allowed));
    cluster.advance(Duration::from_secs(2)).await;
    assert_eq!(limits.refusal(&key), None, "it is forgotten after a second");
}

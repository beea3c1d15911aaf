//! The limiter itself.

use std::time::Duration;

use cluster::{prelude::*, testing::TestCluster};

use crate::limiter::{Check, Checked, Configure, Lease, Limit, Limiter, LimiterEnv, MAX_WINDOW, Reset};

async fn start() -> TestCluster {
    TestCluster::builder(1)
        .actor::<Limiter>(LimiterEnv::default())
        .start()
        .await
}

fn limiter(cluster: &TestCluster, name: &str) -> ActorRef<Limiter> {
    let tenant = TenantId::new("acme").unwrap();
    cluster.cluster().get(ActorId::from_name::<Limiter>(&tenant, name))
}

async fn check(cluster: &TestCluster, limit: Limit) -> Checked {
    limiter(cluster, "one").ask(Check { limit }).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn so_many_requests_are_allowed_in_a_window() {
    let cluster = start().await;
    let limit = Limit::per_minute(3);
    for remaining in [2, 1, 0] {
        let checked = check(&cluster, limit).await;
        assert!(checked.allowed);
        assert_eq!((checked.remaining, checked.retry_after_ms), (remaining, 0));
        cluster.advance(Duration::from_secs(10)).await;
    }
    let refused = check(&cluster, limit).await;
    assert!(!refused.allowed);
    assert!((29_900..=30_100).contains(&refused.retry_after_ms), "{refused:?}");
    assert!((49_900..=50_100).contains(&refused.reset_ms), "{refused:?}");
    cluster.advance(Duration::from_millis(refused.retry_after_ms)).await;
    assert!(check(&cluster, limit).await.allowed);
    assert!(!check(&cluster, limit).await.allowed);
    assert!(limiter(&cluster, "other").ask(Check { limit }).await.unwrap().allowed);
}

#[tokio::test(start_paused = true)]
async fn what_was_configured_holds_for_good_and_what_was_counted_is_forgotten() {
    let mut cluster = start().await;
    let configure = |window_ms, max_requests| Configure {
        window_ms,
        max_requests,
    };
    let limit = limiter(&cluster, "one").ask(configure(None, Some(2))).await.unwrap();
    assert_eq!(limit, Limit::per_minute(2));
    limiter(&cluster, "one")
        .ask(configure(Some(10_000), None))
        .await
        .unwrap();
    for round in 0..2 {
        for allowed in [true, true, false] {
            let checked = check(&cluster, Limit::per_minute(50)).await;
            assert_eq!(checked.allowed, allowed, "round {round}");
            assert_eq!(
                checked.limit,
                Limit {
                    window_ms: 10_000,
                    max_requests: 2
                }
            );
        }
        limiter(&cluster, "one").ask(Reset).await.unwrap();
        assert!(check(&cluster, Limit::default()).await.allowed);
        cluster.crash_and_restart().await;
    }
}

#[tokio::test(start_paused = true)]
async fn limits_out_of_bounds_are_refused() {
    let cluster = start().await;
    let too_long = u64::try_from(MAX_WINDOW.as_millis()).unwrap() + 1;
    for (window_ms, max_requests, code) in [
        (Some(0), None, "limiter.window"),
        (Some(too_long), None, "limiter.window"),
        (None, Some(u32::MAX), "limiter.max-requests"),
    ] {
        let configure = Configure {
            window_ms,
            max_requests,
        };
        assert_eq!(limiter(&cluster, "one").ask(configure).await.unwrap_err().code(), code);
        let limit = Limit {
            window_ms: window_ms.unwrap_or(1_000),
            max_requests: max_requests.unwrap_or(1),
        };
        assert_eq!(
            limiter(&cluster, "one").ask(Check { limit }).await.unwrap_err().code(),
            code
        );
    }
}

#[tokio::test(start_paused = true)]
async fn leases_count_when_they_are_granted() {
    let cluster = start().await;
    let limit = Limit::per_minute(10);
    let lease = async |want| limiter(&cluster, "one").ask(Lease { want, limit }).await.unwrap();
    let first = lease(7).await;
    assert_eq!((first.granted, first.remaining, first.expires_ms), (7, 3, 1_000));
    let second = lease(7).await;
    assert_eq!((second.granted, second.remaining), (3, 0));
    assert_eq!(lease(7).await.granted, 0);
    assert!(!check(&cluster, limit).await.allowed);
}

/// Actors that are idle for half a minute are put away, and limiters keep their counts in memory only.
#[tokio::test(start_paused = true)]
async fn a_pause_opens_no_window_that_is_used() {
    let cluster = start().await;
    let limit = Limit::per_minute(10);
    for _ in 0..10 {
        assert!(check(&cluster, limit).await.allowed);
    }
    cluster.advance(Duration::from_secs(45)).await;
    assert!(!check(&cluster, limit).await.allowed);
    cluster.advance(Duration::from_secs(16)).await;
    assert!(check(&cluster, limit).await.allowed);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_a_window_begins_empty() {
    let mut cluster = start().await;
    let limit = Limit::per_minute(2);
    for _ in 0..2 {
        assert!(check(&cluster, limit).await.allowed);
    }
    assert!(!check(&cluster, limit).await.allowed);
    cluster.crash_and_restart().await;
    assert!(check(&cluster, limit).await.allowed);
}

#[tokio::test(start_paused = true)]
async fn counting_writes_nothing() {
    let cluster = start().await;
    check(&cluster, Limit::default()).await;
    let before = cluster.commits();
    for _ in 0..50 {
        check(&cluster, Limit::default()).await;
    }
    assert_eq!(cluster.commits(), before);
}

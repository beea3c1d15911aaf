//! What the gauges say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::fixture::{Add, account, engine_accounts};

/// Keeps the one gauge of live activations, as the bits of a float.
#[derive(Clone, Default)]
struct LiveActivations(Arc<AtomicU64>);

impl LiveActivations {
    fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::SeqCst))
    }
}

impl Recorder for LiveActivations {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() == "cluster_activations" {
            return Gauge::from_arc(Arc::clone(&self.0));
        }
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn the_gauge_of_live_activations_follows_them() {
    let gauge = LiveActivations::default();
    let _recording = metrics::set_default_local_recorder(&gauge);
    let (test, _) = engine_accounts(1).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    account(&test, "b").ask(Add(1)).await.unwrap();
    assert_eq!(gauge.value(), 2.0);
    test.advance(Duration::from_secs(60)).await;
    assert_eq!(test.cluster().status().activations, 0);
    assert_eq!(gauge.value(), 0.0);
}

//! What the metrics say.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cluster::{
    Bounds,
    prelude::*,
    testing::{TestCluster, TestNodes},
};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;

use crate::fixture::{Account, Activations, Add, AddAndFail, AddAndPanic, AddSlowly, account, engine_accounts, tenant};

/// Keeps every metric by its name and labels. A histogram is kept as the count and the sum of what it was given.
#[derive(Clone, Default)]
pub(crate) struct Readings {
    values: Arc<Mutex<BTreeMap<String, Arc<Cell>>>>,
    described: Arc<Mutex<BTreeMap<String, bool>>>,
}

#[derive(Default)]
struct Cell {
    value: Mutex<f64>,
    count: AtomicU64,
}

impl Readings {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = format!("{}[{}]", key.name(), labels.join(","));
        Arc::clone(self.values.lock().entry(name).or_default())
    }

    pub(crate) fn value(&self, name: &str) -> f64 {
        let values = self.values.lock();
        let cell = values
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not among {:?}", values.keys().collect::<Vec<_>>()));
        *cell.value.lock()
    }

    fn count(&self, name: &str) -> u64 {
        self.values.lock()[name].count.load(Ordering::SeqCst)
    }

    fn describe(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        let name = name.as_str().to_owned();
        self.described.lock().insert(name, unit.is_some() && !text.is_empty());
    }
}

impl CounterFn for Cell {
    #[expect(clippy::cast_precision_loss, reason = "tests count little")]
    fn increment(&self, value: u64) {
        *self.value.lock() += value as f64;
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        *self.value.lock() += value;
    }

    fn decrement(&self, value: f64) {
        *self.value.lock() -= value;
    }

    fn set(&self, value: f64) {
        *self.value.lock() = value;
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        *self.value.lock() += value;
        self.count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorder for Readings {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

#[tokio::test(start_paused = true)]
async fn the_gauge_of_live_activations_follows_them() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let (test, _) = engine_accounts(1).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    account(&test, "b").ask(Add(1)).await.unwrap();
    assert_eq!(readings.value("cluster_activations[]"), 2.0);
    test.advance(Duration::from_secs(60)).await;
    assert_eq!(test.cluster().status().activations, 0);
    assert_eq!(readings.value("cluster_activations[]"), 0.0);
    assert_eq!(readings.value("cluster_passivated_total[class=account]"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn turns_are_counted_by_class_and_outcome_and_timed() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let (test, _) = engine_accounts(2).await;
    let account = account(&test, "a");
    account.ask(Add(1)).await.unwrap();
    account.ask(AddSlowly(1, Duration::from_millis(250))).await.unwrap();
    account.ask(AddAndFail(1)).await.unwrap_err();
    account.ask(AddAndPanic(1)).await.unwrap_err();
    let turns = |outcome| readings.value(&format!("cluster_turns_total[class=account,outcome={outcome}]"));
    assert_eq!((turns("ok"), turns("error"), turns("panic")), (2.0, 1.0, 1.0));
    assert_eq!(
        readings.value("cluster_turn_microseconds_total[class=account]"),
        250_000.0
    );
    assert_eq!(readings.value("cluster_slow_turns_total[class=account]"), 1.0);
    assert_eq!(readings.count("cluster_activation_seconds[class=account]"), 1);
    assert_eq!(readings.value("cluster_commits_total[]"), 3.0);
    assert_eq!(readings.count("cluster_batch_bytes[]"), 3);
    assert!(readings.count("cluster_entry_batches[]") >= 3);
    assert_eq!(
        readings.value("cluster_passivated_total[class=account]"),
        0.0,
        "a panic is no passivation"
    );
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn a_refused_message_is_counted_under_its_bound() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let bounds = Bounds {
        mailbox: 1,
        ..Bounds::default()
    };
    let builder = TestCluster::builder(3)
        .bounds(bounds)
        .actor::<Account>(Activations::default());
    let test = builder.start().await;
    let account = account(&test, "a");
    let (_, refused) = tokio::join!(account.ask(AddSlowly(1, Duration::from_secs(1))), async {
        test.advance(Duration::from_millis(10)).await;
        account.ask(Add(1)).await
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(readings.value("cluster_rejected_total[bound=mailbox]"), 1.0);
    assert_eq!(readings.value("cluster_rejected_total[bound=activations]"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_timed_and_the_logs_measured() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let (test, _) = engine_accounts(4).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    test.cluster().sample_metrics();
    assert!(readings.value("cluster_log_bytes[]") > 0.0);
    test.take_snapshots().await;
    test.advance(Duration::from_secs(1)).await;
    test.cluster().sample_metrics();
    assert!(readings.value("cluster_snapshots_bytes[]") > 0.0);
    let shards_and_meta = 5;
    assert_eq!(readings.count("cluster_snapshot_seconds[]"), shards_and_meta);
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_told_by_the_node_that_leads_it() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let builder = TestNodes::builder(6).actor::<Account>(Activations::default());
    let test = builder.engines().shards(2).start().await;
    // The nodes of this process share what they set, so that one is looked at after the other.
    let told = |node: usize, name: &str| {
        test.node(node).sample_metrics();
        readings.value(&format!("cluster_shard_{name}[shard=1]"))
    };
    let leads = || [0, 1, 2].map(|node| told(node, "leads"));
    test.move_shard(1, 0).await;
    assert_eq!(leads(), [1.0, 0.0, 0.0]);
    let (term, epoch) = (told(0, "term"), told(0, "epoch"));
    assert!(term > 0.0 && epoch > 0.0 && told(1, "epoch") == 0.0);
    assert!(told(0, "last_index") >= told(0, "applied_index"));
    assert!(told(0, "applied_index") >= epoch);

    // A copy that gets nothing lags, as the leader tells it.
    test.isolate(2);
    let mut number = 0;
    let actor = std::iter::repeat_with(|| {
        number += 1;
        ActorId::from_name::<Account>(&tenant(), &format!("actor-{number}"))
    });
    let actor = actor
        .take(64)
        .find(|actor| test.shard_of::<Account>(actor) == 1)
        .unwrap();
    for _ in 0..5 {
        test.node(0).get::<Account>(actor.clone()).ask(Add(1)).await.unwrap();
    }
    assert!(told(0, "lag_entries") >= 5.0, "{}", told(0, "lag_entries"));
    test.heal();

    let moves = || readings.value("cluster_shard_moves_total[shard=1]");
    let before = moves();
    test.move_shard(1, 1).await;
    test.advance(Duration::from_secs(2)).await;
    assert_eq!(leads(), [0.0, 1.0, 0.0]);
    assert_eq!((told(0, "epoch"), told(0, "lag_entries")), (0.0, 0.0));
    assert!(told(1, "term") > term && told(1, "epoch") > epoch);
    assert_eq!(told(1, "lag_entries"), 0.0, "the copy has caught up");
    assert_eq!(moves() - before, 3.0, "each of three nodes saw it");
    let meta = "cluster_shard_leads[shard=meta]";
    assert!(readings.values.lock().contains_key(meta));
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_described_with_its_unit() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let (test, _) = engine_accounts(5).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    test.take_snapshots().await;
    test.advance(Duration::from_secs(1)).await;
    let described = readings.described.lock();
    for name in readings.values.lock().keys() {
        let name = name.split('[').next().unwrap();
        if name.starts_with("cluster_") {
            assert_eq!(described.get(name), Some(&true), "{name}");
        }
    }
    assert!(described.len() > 15);
}

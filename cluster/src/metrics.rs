//! Names of the runtime's metrics, and its handles to them. Labels are bounded: class and outcome, never an id.

use std::{collections::HashMap, fmt};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Turns handled, by class and outcome.
pub const TURNS: &str = "cluster_turns_total";
/// Activations made, by class.
pub const ACTIVATED: &str = "cluster_activated_total";
/// Batches proposed.
pub const COMMITS: &str = "cluster_commits_total";
/// Size of a turn's batch.
pub const BATCH: &str = "cluster_batch_bytes";
/// Syncs of the logs; one serves every batch that waited for it.
pub const LOG_SYNCS: &str = "cluster_log_syncs_total";
/// Activations that are live now.
pub const ACTIVATIONS: &str = "cluster_activations";
/// Durable sends that were given up.
pub const DEAD_LETTERS: &str = "cluster_dead_letters_total";

/// Handles to the metrics of one node.
pub(crate) struct Metrics {
    classes: HashMap<&'static str, ClassMetrics>,
    commits: Counter,
    batch: Histogram,
    activations: Gauge,
    dead_letters: Counter,
}

struct ClassMetrics {
    succeeded: Counter,
    failed: Counter,
    activated: Counter,
}

impl Metrics {
    pub(crate) fn new(classes: impl Iterator<Item = &'static str>) -> Self {
        describe_counter!(TURNS, "turns handled, by class and outcome");
        describe_counter!(ACTIVATED, "activations made, by class");
        describe_counter!(COMMITS, "batches of turns proposed");
        describe_histogram!(BATCH, metrics::Unit::Bytes, "size of a turn's batch");
        describe_counter!(LOG_SYNCS, "syncs of the logs of all groups");
        describe_gauge!(ACTIVATIONS, "activations that are live now");
        describe_counter!(DEAD_LETTERS, "durable sends that were given up");
        let of_class = |class| ClassMetrics {
            succeeded: counter!(TURNS, "class" => class, "outcome" => "ok"),
            failed: counter!(TURNS, "class" => class, "outcome" => "error"),
            activated: counter!(ACTIVATED, "class" => class),
        };
        Self {
            classes: classes.map(|class| (class, of_class(class))).collect(),
            commits: counter!(COMMITS),
            batch: histogram!(BATCH),
            activations: gauge!(ACTIVATIONS),
            dead_letters: counter!(DEAD_LETTERS),
        }
    }

    pub(crate) fn turn(&self, class: &str, succeeded: bool) {
        if let Some(metrics) = self.classes.get(class) {
            if succeeded { &metrics.succeeded } else { &metrics.failed }.increment(1);
        }
    }

    pub(crate) fn activated(&self, class: &str) {
        if let Some(metrics) = self.classes.get(class) {
            metrics.activated.increment(1);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 bytes")]
    pub(crate) fn commit(&self, bytes: usize) {
        self.commits.increment(1);
        self.batch.record(bytes as f64);
    }

    pub(crate) fn live(&self) -> &Gauge {
        &self.activations
    }

    pub(crate) fn dead_letter(&self) {
        self.dead_letters.increment(1);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("classes", &self.classes.len())
            .finish_non_exhaustive()
    }
}

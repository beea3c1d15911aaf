//! Logs and metrics of the process.
//!
//! Logs go to standard error as `tracing` events, one JSON object a line or laid out for people. Metrics go to a Prometheus
//! recorder that `GET /metrics` renders. Idea text, prompts and tokens are never fields of an event.

mod line;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::line::OneLine;

use crate::{
    config::{LogConfig, LogFormat},
    metrics,
};

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The same for what a disk or a processor does.
const SHORT_SECONDS: [f64; 13] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];

/// The same for what a model does, or waits for another attempt.
const LONG_SECONDS: [f64; 11] = [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

/// Upper bounds of the buckets of sizes, in bytes.
const BYTES: [f64; 8] = [
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    1_048_576.0,
    8_388_608.0,
];

/// Upper bounds of the buckets of counts.
const COUNTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The installed recorder.
#[derive(Clone)]
pub struct Telemetry {
    metrics: PrometheusHandle,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Why telemetry could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("failed to read the log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Another subscriber or recorder is installed already.
    #[error("failed to install telemetry: {0}")]
    Installed(String),
}

impl Telemetry {
    /// Installs logs and metrics for the whole process. Called once, by `serve`.
    ///
    /// # Errors
    ///
    /// Fails when the filter does not parse or telemetry is installed already.
    pub fn install(config: &LogConfig) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(&config.filter)?;
        let registry = tracing_subscriber::registry().with(filter);
        let installed = registry.with(lines(config.format, std::io::stderr)).try_init();
        installed.map_err(|error| TelemetryError::Installed(error.to_string()))?;
        let recorder = recorder();
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Installed(error.to_string()))?;
        metrics::describe();
        Ok(Self { metrics: handle })
    }

    /// A recorder that nothing reports to, for several servers in one test process.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            metrics: recorder().handle(),
        }
    }

    /// The metrics as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// Folds finished samples together; called every few seconds so that memory stays bounded between scrapes.
    pub fn upkeep(&self) {
        self.metrics.run_upkeep();
    }
}

/// Writes each event as one line.
pub(crate) fn lines<S, M>(format: LogFormat, writer: M) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        // JSON has escapes for whatever would end a line.
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
        LogFormat::Pretty => fmt::layer().with_target(false).with_writer(OneLine(writer)).boxed(),
    }
}

fn recorder() -> metrics_exporter_prometheus::PrometheusRecorder {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let buckets: [(Matcher, &[f64]); 7] = [
        (Matcher::Suffix("_bytes".to_owned()), &BYTES),
        (full(cluster::metrics::ENTRY), &COUNTS),
        (full(cluster::metrics::LOG_SYNC), &SHORT_SECONDS),
        (full(cluster::metrics::ACTIVATION), &SHORT_SECONDS),
        (full(cluster::metrics::ALARM_DELAY), &LONG_SECONDS),
        (full(metrics::MODEL_CALL_SECONDS), &LONG_SECONDS),
        (full(actors::metrics::STEP_ATTEMPT_TIME), &LONG_SECONDS),
    ];
    let known = "the list of buckets is not empty";
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS).expect(known);
    let builder = buckets.into_iter().fold(builder, |builder, (matcher, buckets)| {
        builder.set_buckets_for_metric(matcher, buckets).expect(known)
    });
    builder.build_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_histogram_has_buckets_that_tell_it_apart() {
        let recorder = recorder();
        let handle = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            ::metrics::histogram!(cluster::metrics::BATCH).record(700.0);
            ::metrics::histogram!(cluster::metrics::LOG_SYNC).record(0.000_07);
            ::metrics::histogram!(metrics::MODEL_CALL_SECONDS).record(45.0);
            ::metrics::histogram!(metrics::HTTP_REQUEST_SECONDS).record(0.003);
        });
        let text = handle.render();
        for line in [
            "cluster_batch_bytes_bucket{le=\"256\"} 0",
            "cluster_batch_bytes_bucket{le=\"1024\"} 1",
            "cluster_log_sync_seconds_bucket{le=\"0.00005\"} 0",
            "cluster_log_sync_seconds_bucket{le=\"0.0001\"} 1",
            "foundation_model_call_seconds_bucket{le=\"30\"} 0",
            "foundation_model_call_seconds_bucket{le=\"60\"} 1",
            "foundation_http_request_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

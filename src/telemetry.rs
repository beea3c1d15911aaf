//! Logs and metrics of the process.
//!
//! Logs go to standard error as `tracing` events, one JSON object a line or laid out for people. Metrics go to a Prometheus
//! recorder that `GET /metrics` renders. Idea text, prompts and tokens are never fields of an event.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{LogConfig, LogFormat},
    metrics,
};

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

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
        let installed = match config.format {
            LogFormat::Json => registry
                .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
                .try_init(),
            LogFormat::Pretty => registry
                .with(fmt::layer().with_target(false).with_writer(std::io::stderr))
                .try_init(),
        };
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

fn recorder() -> metrics_exporter_prometheus::PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .expect("the list of buckets is not empty")
        .build_recorder()
}

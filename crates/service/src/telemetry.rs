//! Logs and metrics of a process.

use std::io::{self, IsTerminal};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt::format::FmtSpan, prelude::*, util::TryInitError,
};

/// Upper bounds of the buckets of every histogram of seconds: 100 µs to 10 s.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// Upper bounds of the buckets of every histogram of counts (intents in a batch, orders in a chunk).
const COUNT_BUCKETS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// How logs look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `pretty` or `json`.
    pub format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`. `info`: what changed, and what is wrong; nothing for each buy.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

/// Why logs or metrics could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `log.filter` is no list of directives.
    #[error("the configuration is wrong: log.filter {0}")]
    Filter(#[from] ParseError),
    /// The process has a subscriber already.
    #[error("logs cannot be set up: {0}")]
    Logs(#[from] TryInitError),
    /// The process has a recorder already, or the buckets are wrong.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] BuildError),
}

/// Sends logs to standard error from now on.
pub fn init_logs(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Pretty => registry.with(lines).try_init()?,
        LogFormat::Json => registry.with(lines.json()).try_init()?,
    }
    Ok(())
}

/// Records metrics from now on; the handle renders them for Prometheus.
///
/// Whoever calls must also call [`PrometheusHandle::run_upkeep`] from time to time, or histograms grow.
pub fn init_metrics() -> Result<PrometheusHandle, TelemetryError> {
    use metrics_exporter_prometheus::Matcher::Suffix;
    let builder = PrometheusBuilder::new()
        .set_buckets(&COUNT_BUCKETS)?
        .set_buckets_for_metric(Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?;
    Ok(builder.install_recorder()?)
}

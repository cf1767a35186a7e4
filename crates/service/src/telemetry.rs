//! Logs and metrics of a process.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use serde::Deserialize;
use thiserror::Error;
use tokio::time::interval;
use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt::format::FmtSpan, prelude::*, util::TryInitError,
};

use crate::metrics::Metric;

/// Upper bounds of the buckets of every histogram of seconds: 100 µs to 10 s.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// Upper bounds of the buckets of every histogram of counts (intents in a batch, orders in a chunk).
const COUNT_BUCKETS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Interval at which histograms are drained.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How long a gauge is rendered after it was last set. 3 min: every live gauge is set far more often.
pub const GAUGE_IDLE_MAX: Duration = Duration::from_mins(3);

/// The format of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

/// The format and the filter of logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `pretty` or `json`.
    pub format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`. `info`: changes and faults; nothing for each purchase. The client
    /// of RocketMQ logs each request that fails, thousands in an outage; this process says the same once.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info,rocketmq=off".to_owned() }
    }
}

/// Why logs or metrics could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `log.filter` is not a list of directives.
    #[error("invalid configuration: log.filter {0}")]
    Filter(#[from] ParseError),
    /// The process has a subscriber already.
    #[error("cannot set up logs: {0}")]
    Logs(#[from] TryInitError),
    /// The process has a recorder already, or the buckets are wrong.
    #[error("cannot set up metrics: {0}")]
    Metrics(#[from] BuildError),
}

/// Drains the recorder at intervals, without end: histograms grow otherwise.
pub async fn keep_metrics(metrics: PrometheusHandle) {
    let mut ticks = interval(METRICS_UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
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

/// Records metrics from now on, those of `tables` from 0; the handle renders them for Prometheus. A gauge that was
/// not set for [`GAUGE_IDLE_MAX`] is not rendered: its last value may be out of date.
///
/// The caller must also call [`PrometheusHandle::run_upkeep`] at intervals, or histograms grow.
pub fn init_metrics(tables: &[&[Metric]]) -> Result<PrometheusHandle, TelemetryError> {
    let handle = builder()?.install_recorder()?;
    tables.iter().copied().flatten().for_each(Metric::register);
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    use metrics_exporter_prometheus::Matcher::Suffix;
    PrometheusBuilder::new()
        .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_IDLE_MAX))
        .set_buckets(&COUNT_BUCKETS)?
        .set_buckets_for_metric(Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
}

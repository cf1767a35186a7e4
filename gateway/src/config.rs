//! The configuration of a gateway. Every key but `redis.urls` has a default; unknown keys stop the start.

mod batcher;
mod settings;

use std::{
    num::{NonZeroU64, NonZeroUsize},
    thread,
    time::Duration,
};

use flashgate_domain::non_zero;
use flashgate_ledger_redis::RedisConfig;
use flashgate_messaging::rocketmq::RocketMqConfig;
use flashgate_service::{clocks::ClockConfig, config::ConfigError, telemetry::LogConfig};
use serde::Deserialize;

pub use self::{
    batcher::{BatcherConfig, UnscreenedConfig},
    settings::{AuthConfig, AuthMode, BODY_BYTES_MAX, ListenConfig, Settings},
};

/// Prefix of the environment variables that override the file: `FLASHGATE_GATEWAY__REDIS__PREFIX` is `redis.prefix`.
pub const ENV_PREFIX: &str = "FLASHGATE_GATEWAY__";
/// The sample file: every key with its default and the reason for it.
pub const SAMPLE: &str = include_str!("../config.sample.toml");

/// All configuration keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listener addresses and limits.
    #[serde(default)]
    pub listen: ListenConfig,
    /// Authentication of buyers.
    #[serde(default)]
    pub auth: AuthConfig,
    /// Batching of intents.
    #[serde(default)]
    pub batcher: BatcherConfig,
    /// The ledger. `redis.urls` has no default and is required.
    pub redis: RedisConfig,
    /// The message broker.
    #[serde(default)]
    pub rocketmq: RocketMqConfig,
    /// The order worker.
    #[serde(default)]
    pub worker: WorkerConfig,
    /// Limits on clock differences between servers.
    #[serde(default)]
    pub clock: ClockConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// The process.
    #[serde(default)]
    pub runtime: RuntimeConfig,
}

/// Settings of the process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Number of worker threads. Default: half the number of processors: the kernel's part of the network takes as
    /// much again, and threads that hand work to each other cost more an order than they gain.
    pub worker_threads: Option<NonZeroUsize>,
}

impl RuntimeConfig {
    /// The number of worker threads, at least 1.
    pub fn worker_threads(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.worker_threads.map_or(processors.div_ceil(2), NonZeroUsize::get)
    }
}

/// The client of the order worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// The operator interface of any order worker, over gRPC.
    pub url: String,
    /// Timeout of one call. 2 s.
    pub timeout_ms: NonZeroU64,
    /// Interval at which sales that are not closed are read again, besides at every event. 500 ms: a closed sale ends
    /// at every gateway within a second, also when the event was lost.
    pub refresh_interval_ms: NonZeroU64,
}

impl WorkerConfig {
    /// The refresh interval of sales that are not closed.
    pub const fn refresh(&self) -> Duration {
        Duration::from_millis(self.refresh_interval_ms.get())
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let url = "http://127.0.0.1:7070".to_owned();
        Self { url, timeout_ms: non_zero!(2_000), refresh_interval_ms: non_zero!(500) }
    }
}

impl Config {
    /// The settings of the gateway itself, in a process with a limit of `files` open files.
    pub fn settings(&self, files: usize) -> Settings {
        Settings {
            files,
            listen: self.listen.clone(),
            auth: self.auth.clone(),
            batcher: self.batcher.clone(),
            refresh: self.worker.refresh(),
            clock_difference_max: self.clock.difference_max(),
        }
    }

    /// Checks the rules that span several keys.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.rocketmq.check_access().map_err(|wrong| ConfigError::Wrong(format!("rocketmq.{wrong}")))?;
        self.redis.check().map_err(|wrong| ConfigError::Wrong(format!("redis.{wrong}")))?;
        self.batcher.check(self.rocketmq.body_bytes_max)
    }
}

//! The configuration of a gateway. Every key but `redis.urls` has a default; unknown keys stop the start.

use std::{
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    thread,
    time::Duration,
};

use flashgate_domain::{
    buyer::{BUYER_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX},
    id::BATCH_INTENTS_MAX,
    non_zero,
};
use flashgate_ledger::redis::RedisConfig;
use flashgate_messaging::rocketmq::RocketMqConfig;
use flashgate_service::{
    body::BodyLimits, clocks::ClockConfig, config::ConfigError, listener::ListenerLimits,
    telemetry::LogConfig,
};
use serde::Deserialize;

/// The most bytes that one intent takes in the body of a half-message: buyer, key, and 32 bytes for the rest.
const INTENT_BYTES_MAX: usize = BUYER_ID_BYTES_MAX + IDEMPOTENCY_KEY_BYTES_MAX + 32;

/// The longest request of a buyer, over HTTP and gRPC: a purchase takes less than 1 KiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Begins the variables that overlay the file: `FLASHGATE_GATEWAY__REDIS__PREFIX` is `redis.prefix`.
pub const ENV_PREFIX: &str = "FLASHGATE_GATEWAY__";
/// Every key with its default and its reason.
pub const SAMPLE: &str = include_str!("../config.sample.toml");

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    #[serde(default)]
    pub listen: ListenConfig,
    /// How buyers prove who they are.
    #[serde(default)]
    pub auth: AuthConfig,
    /// How intents become batches.
    #[serde(default)]
    pub batcher: BatcherConfig,
    /// The stock in front of the database. Has no default: it must be told where Redis is.
    pub redis: RedisConfig,
    /// The message broker.
    #[serde(default)]
    pub rocketmq: RocketMqConfig,
    /// The order worker.
    #[serde(default)]
    pub worker: WorkerConfig,
    /// The clocks of the servers.
    #[serde(default)]
    pub clock: ClockConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// The process.
    #[serde(default)]
    pub runtime: RuntimeConfig,
}

/// The process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// How many threads work. Unless told, half as many as there are processors: the kernel's part of the network
    /// takes as much again, and threads that hand work to each other cost more an order than they gain.
    pub worker_threads: Option<NonZeroUsize>,
}

impl RuntimeConfig {
    /// How many threads work.
    pub fn worker_threads(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.worker_threads.map_or(processors.div_ceil(2), NonZeroUsize::get)
    }
}

/// Where the gateway listens. Loopback unless told otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// HTTP for buyers.
    pub http: SocketAddr,
    /// gRPC for buyers.
    pub grpc: SocketAddr,
    /// Metrics and health, for operators.
    pub operator: SocketAddr,
    /// How long the body of a request may take to arrive; streams of requests may take as long as they like. 5 s:
    /// the longest body fits into a dozen packets.
    pub body_timeout_ms: NonZeroU64,
    /// The limits of each of the three.
    pub limits: ListenerLimits,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            http: loopback(7001),
            grpc: loopback(7002),
            operator: loopback(7003),
            body_timeout_ms: non_zero!(5_000),
            limits: ListenerLimits::default(),
        }
    }
}

impl ListenConfig {
    /// What may be read of a buyer's request.
    pub const fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: BODY_BYTES_MAX, time_max: self.body_timeout() }
    }

    /// How long the body of a request may take to arrive.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms.get())
    }
}

/// How buyers prove who they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// `trusted-header`: the header `X-Buyer-Id` is believed.
    pub mode: AuthMode,
}

/// How buyers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// The header `X-Buyer-Id` is believed. Only behind a proxy that sets it and strips what came from outside.
    #[default]
    TrustedHeader,
}

/// How intents become batches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatcherConfig {
    /// How many intents a shard lets wait; further ones are refused as `overloaded`. 20,000: half a second of
    /// the greatest rate that was measured.
    pub queue_intents_max: NonZeroUsize,
    /// How many intents a batch holds, at most 1,024. 512: beyond it a batch gains little and takes longer.
    pub batch_intents_max: NonZeroUsize,
    /// How many bytes the body of a batch has at most, by its longest possible intents. 1 MiB: a quarter of what
    /// a broker takes by default.
    pub batch_bytes_max: NonZeroUsize,
    /// How many batches a shard has on the way at once. 1: the next one grows meanwhile, and larger batches cost
    /// less an order than two at a time gain.
    pub lanes_per_shard: NonZeroUsize,
    /// How many intents may wait for the verdict on another one with the same key. 16.
    pub waiters_per_key_max: usize,
    /// An intent that is in no batch after this time is refused; a commit is awaited no longer. 3 s.
    pub intent_deadline_ms: NonZeroU64,
    /// How much longer a batch in doubt is asked for before its buyers hear `outcome_unknown`. 2 s.
    pub doubt_timeout_ms: NonZeroU64,
    /// From so many accepted orders that are not confirmed on, a shard refuses with `backlog_full`. It can be more by
    /// what is accepted within [`UnscreenedConfig::screen_period_ms`]. 1,000,000: ten seconds of the order worker at
    /// its best.
    pub backlog_orders_max: NonZeroU64,
    /// When a group goes to the broker without having been screened.
    pub unscreened: UnscreenedConfig,
}

/// When a group goes to the broker without having been screened: while everything passes, and plenty is left.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnscreenedConfig {
    /// So many units must be left of each of its sales. 10,000: more than all gateways together sell in
    /// `heard_ms_max`.
    pub left_units_min: u64,
    /// What the ledger said of a sale's stock counts for so long. 50 ms: some batches.
    pub heard_ms_max: u64,
    /// So many screens in a row must have let everything pass. 4.
    pub clean_screens_min: u32,
    /// There is a screen at least as often: it tells how far the order worker is behind. 100 ms.
    pub screen_period_ms: u64,
}

impl Default for UnscreenedConfig {
    fn default() -> Self {
        Self { left_units_min: 10_000, heard_ms_max: 50, clean_screens_min: 4, screen_period_ms: 100 }
    }
}

impl Default for BatcherConfig {
    fn default() -> Self {
        Self {
            queue_intents_max: non_zero!(20_000),
            batch_intents_max: non_zero!(512),
            batch_bytes_max: non_zero!(1 << 20),
            lanes_per_shard: non_zero!(1),
            waiters_per_key_max: 16,
            intent_deadline_ms: non_zero!(3_000),
            doubt_timeout_ms: non_zero!(2_000),
            backlog_orders_max: non_zero!(1_000_000),
            unscreened: UnscreenedConfig::default(),
        }
    }
}

impl BatcherConfig {
    /// What a single value cannot tell, if the broker's client sends at most so many bytes.
    pub fn check(&self, body_bytes_max: NonZeroUsize) -> Result<(), ConfigError> {
        if self.batch_intents_max.get() > BATCH_INTENTS_MAX {
            return Err(ConfigError::unfit("batcher.batch_intents_max", "must be at most 1024"));
        }
        if self.batch_bytes_max.get() < INTENT_BYTES_MAX {
            return Err(ConfigError::unfit(
                "batcher.batch_bytes_max",
                format!("must be at least {INTENT_BYTES_MAX}"),
            ));
        }
        if self.batch_bytes_max > body_bytes_max {
            return Err(ConfigError::unfit(
                "batcher.batch_bytes_max",
                "must be at most rocketmq.body_bytes_max",
            ));
        }
        Ok(())
    }

    /// How many intents fit a batch by both limits.
    pub fn intents_in_batch(&self) -> usize {
        let by_bytes = self.batch_bytes_max.get() / INTENT_BYTES_MAX;
        self.batch_intents_max.get().min(by_bytes).clamp(1, BATCH_INTENTS_MAX)
    }
}

/// The order worker, as the gateway reaches it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// The operator interface of any order worker, over gRPC.
    pub url: String,
    /// How long one call to it may take. 2 s.
    pub timeout_ms: NonZeroU64,
    /// How often the sales that are not closed are read again, besides at every event. 500 ms: a sale that was closed
    /// ends at every gateway within a second, also when the event was lost.
    pub refresh_ms: NonZeroU64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let url = "http://127.0.0.1:7070".to_owned();
        Self { url, timeout_ms: non_zero!(2_000), refresh_ms: non_zero!(500) }
    }
}

/// What a gateway is told, wherever its parts come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: ListenConfig,
    /// How buyers prove who they are.
    pub auth: AuthConfig,
    /// How intents become batches.
    pub batcher: BatcherConfig,
    /// How often the live sales are read again, besides at every event.
    pub refresh: Duration,
    /// How far the clock may be from the ledger's and the broker's before the gateway is not ready.
    pub clock_difference_max: Duration,
    /// How many files it may have open: each connection is one.
    pub files: usize,
}

impl Config {
    /// What the gateway itself is told, of a process that may open so many `files`; the rest is about its parts.
    pub fn settings(&self, files: usize) -> Settings {
        Settings {
            files,
            listen: self.listen.clone(),
            auth: self.auth.clone(),
            batcher: self.batcher.clone(),
            refresh: Duration::from_millis(self.worker.refresh_ms.get()),
            clock_difference_max: self.clock.difference_max(),
        }
    }

    /// What a single value cannot tell.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.batcher.check(self.rocketmq.body_bytes_max)
    }
}

//! Batching of intents.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use flashgate_domain::{
    buyer::{BUYER_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX},
    id::BATCH_INTENTS_MAX,
    non_zero,
};
use flashgate_service::config::ConfigError;
use serde::Deserialize;

/// Maximum bytes of one intent in the body of a half-message: buyer, key, and 32 bytes for the rest.
const INTENT_BYTES_MAX: usize = BUYER_ID_BYTES_MAX + IDEMPOTENCY_KEY_BYTES_MAX + 32;

/// Batching of intents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatcherConfig {
    /// Maximum waiting intents of a shard; further intents are refused as `overloaded`. 20,000: half a second of
    /// the highest measured rate.
    pub queue_intents_max: NonZeroUsize,
    /// Maximum intents of a batch, at most 1,024. 512: larger batches gain little and take longer.
    pub batch_intents_max: NonZeroUsize,
    /// Maximum bytes of a batch body, computed from the longest possible intents. 1 MiB: a quarter of a broker's
    /// default limit.
    pub batch_bytes_max: NonZeroUsize,
    /// Maximum concurrent batches of a shard. 1: the next batch grows meanwhile, and larger batches save more per
    /// order than two concurrent batches gain.
    pub lanes_per_shard: NonZeroUsize,
    /// Maximum intents that wait for the verdict on another intent with the same key. 16.
    pub waiters_per_key_max: usize,
    /// Deadline of an intent to be in a batch, and of a commit to be awaited. 3 s.
    pub intent_deadline_ms: NonZeroU64,
    /// How long after its deadline a batch in doubt is queried before its buyers get `outcome_unknown`. 2 s.
    pub doubt_timeout_ms: NonZeroU64,
    /// A shard refuses with `backlog_full` at this many unsettled orders. The backlog can exceed the limit by the
    /// orders accepted within [`UnscreenedConfig::screen_interval_ms`]. 1,000,000: ten seconds of the order worker at
    /// its best.
    pub backlog_orders_max: NonZeroU64,
    /// Thresholds for groups that skip the screen.
    pub unscreened: UnscreenedConfig,
}

/// Thresholds for groups that go to the broker without a screen: everything passes, and plenty of stock is left.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnscreenedConfig {
    /// Minimum units left of each sale of the group. 10,000: more than all gateways together sell in
    /// `stock_age_max_ms`.
    pub left_units_min: u64,
    /// Maximum age of a stock reading. 50 ms: a few batches.
    pub stock_age_max_ms: u64,
    /// Minimum screens in a row that passed everything. 4.
    pub clean_screens_min: u32,
    /// Maximum interval between screens; a screen also reports the backlog of the order worker. 100 ms.
    pub screen_interval_ms: u64,
}

impl Default for UnscreenedConfig {
    fn default() -> Self {
        Self { left_units_min: 10_000, stock_age_max_ms: 50, clean_screens_min: 4, screen_interval_ms: 100 }
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
    /// Checks the rules that span several keys; `body_bytes_max` is the message limit of the broker's client.
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

    /// Deadline of an intent to be in a batch, and of a commit to be awaited.
    pub const fn intent_deadline(&self) -> Duration {
        Duration::from_millis(self.intent_deadline_ms.get())
    }

    /// How long after its deadline a batch in doubt is queried.
    pub const fn doubt_timeout(&self) -> Duration {
        Duration::from_millis(self.doubt_timeout_ms.get())
    }

    /// Maximum intents of a batch under both limits.
    pub fn intents_in_batch(&self) -> usize {
        let by_bytes = self.batch_bytes_max.get() / INTENT_BYTES_MAX;
        self.batch_intents_max.get().min(by_bytes).clamp(1, BATCH_INTENTS_MAX)
    }
}

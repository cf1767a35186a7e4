//! How intents become batches.

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

/// The most bytes that one intent takes in the body of a half-message: buyer, key, and 32 bytes for the rest.
const INTENT_BYTES_MAX: usize = BUYER_ID_BYTES_MAX + IDEMPOTENCY_KEY_BYTES_MAX + 32;

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
    /// what is accepted within [`UnscreenedConfig::screen_interval_ms`]. 1,000,000: ten seconds of the order worker at
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
    /// `stock_age_max_ms`.
    pub left_units_min: u64,
    /// What the ledger said of a sale's stock counts for so long. 50 ms: some batches.
    pub stock_age_max_ms: u64,
    /// So many screens in a row must have let everything pass. 4.
    pub clean_screens_min: u32,
    /// There is a screen at least as often: it tells how far the order worker is behind. 100 ms.
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

    /// How long an intent may wait before it is in a batch, and a commit for its answer.
    pub const fn intent_deadline(&self) -> Duration {
        Duration::from_millis(self.intent_deadline_ms.get())
    }

    /// How much longer a batch in doubt is asked for.
    pub const fn doubt_timeout(&self) -> Duration {
        Duration::from_millis(self.doubt_timeout_ms.get())
    }

    /// How many intents fit a batch by both limits.
    pub fn intents_in_batch(&self) -> usize {
        let by_bytes = self.batch_bytes_max.get() / INTENT_BYTES_MAX;
        self.batch_intents_max.get().min(by_bytes).clamp(1, BATCH_INTENTS_MAX)
    }
}

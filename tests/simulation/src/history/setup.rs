//! Draws what a history starts with.

use std::num::{NonZeroU64, NonZeroUsize};

use flashgate_gateway::config::{BatcherConfig, UnscreenedConfig};
use rand::{Rng, rngs::StdRng};

use super::{GATEWAYS, Payment, Setup, WORKERS};
use crate::{broker::CheckRules, stranger::Stranger};

/// How wrong a clock can be: three days.
const AHEAD_MS_MAX: i64 = 3 * 24 * 3_600 * 1_000;

pub(super) fn setup(seed: u64, random: &mut StdRng) -> Setup {
    let some = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let some_u64 = |millis: u64| NonZeroU64::new(millis).unwrap_or(NonZeroU64::MIN);
    let writes_lost_max = if random.random_bool(0.25) { 6 } else { 0 };
    // What a failover leaves open for ever (until it is re-driven) would fill a small backlog.
    let is_small = writes_lost_max == 0 && random.random_bool(0.2);
    let batcher = BatcherConfig {
        queue_intents_max: some(random.random_range(8..64)),
        waiters_per_key_max: random.random_range(0..4),
        backlog_orders_max: some_u64(if is_small { random.random_range(5..30) } else { 1_000_000 }),
        batch_intents_max: some(random.random_range(1..=8)),
        lanes_per_shard: some(random.random_range(1..=2)),
        intent_deadline_ms: some_u64(random.random_range(300..3_000)),
        doubt_timeout_ms: some_u64(random.random_range(100..2_000)),
        unscreened: UnscreenedConfig {
            left_units_min: random.random_range(0..10),
            stock_age_max_ms: random.random_range(0..1_000),
            clean_screens_min: random.random_range(0..3),
            screen_interval_ms: random.random_range(0..1_000),
        },
        ..BatcherConfig::default()
    };
    let (gateways_ahead_ms, workers_ahead_ms) = clocks(random);
    let first_ms_min = if random.random_bool(0.3) { 0 } else { random.random_range(0..1_500) };
    Setup {
        stock: [random.random_range(1..30), random.random_range(1..60), random.random_range(1..60)],
        limit: random.random_range(1..5),
        closes_after_ms: if random.random_bool(0.2) { random.random_range(500..8_000) } else { 86_400_000 },
        batcher,
        gateways_ahead_ms,
        workers_ahead_ms,
        stranger: stranger(random),
        checks: CheckRules {
            first_ms_min,
            first_ms_max: first_ms_min + random.random_range(0..2_000),
            pause_ms_max: random.random_range(300..1_500),
            asks_max: if random.random_bool(0.2) { 3 } else { 15 },
            takes_up_again: random.random_bool(0.5),
        },
        writes_lost_max,
        payment: Payment::of(seed),
    }
}

fn stranger(random: &mut StdRng) -> Option<Stranger> {
    match random.random_range(0..10) {
        0 => Some(Stranger::OtherLedger),
        1 => Some(Stranger::OtherDeployment),
        _ => None,
    }
}

/// Mostly some milliseconds apart; else each is wrong by up to days.
fn clocks(random: &mut StdRng) -> ([i64; GATEWAYS], [i64; WORKERS]) {
    if random.random_bool(0.75) {
        return ([0, random.random_range(0..50)], [0; WORKERS]);
    }
    let mut wrong = |_process| random.random_range(-AHEAD_MS_MAX..=AHEAD_MS_MAX);
    ([0; GATEWAYS].map(&mut wrong), [0; WORKERS].map(&mut wrong))
}

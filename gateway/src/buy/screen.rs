//! Decides when a group needs no screen.
//!
//! The deduction checks every intent again, so the screen never changes a decision. It keeps refused intents away
//! from the broker: one refused intent sends its whole batch into another round. While everything passes and plenty
//! of stock is left, the screen is a wasted round trip and is skipped, if
//!
//! - the last screens in a row passed everything, and the last of them is recent, and
//! - every sale of the group is on sale in the catalogue, and a recent stock reading of the ledger shows more units
//!   than could be sold since.
//!
//! The second rule keeps buyers of a sold-out sale away from the broker, even if other gateways sold it out.
//! The thresholds are in [`UnscreenedConfig`].

use std::time::Duration;

use flashgate_domain::{Intent, SaleState};
use metrics::{Counter, counter};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::UnscreenedConfig, sales::catalogue::Catalogue};

/// The recent screen results of the lanes of a shard.
pub struct Screens {
    rules: UnscreenedConfig,
    memory: Mutex<Memory>,
    skipped: Counter,
}

#[derive(Debug, Default)]
struct Memory {
    /// Screens since an intent was last refused.
    clean: u32,
    last: Option<Instant>,
}

impl Screens {
    /// Uses the thresholds `rules`.
    pub fn new(rules: UnscreenedConfig) -> Self {
        let skipped = counter!("flashgate_gateway_groups_unscreened_total");
        Self { rules, memory: Mutex::default(), skipped }
    }

    /// Whether these intents go to the broker without a screen.
    pub fn skip(&self, intents: &[Intent], catalogue: &Catalogue) -> bool {
        let now = Instant::now();
        let skip = self.all_passes(now) && self.plenty_is_left(intents, catalogue, now);
        if skip {
            self.skipped.increment(1);
        }
        skip
    }

    /// Records a screen, and whether everything passed. With a full backlog nothing passes: unscreened groups would
    /// fill it further.
    pub fn answered(&self, all_passed: bool) {
        let mut memory = self.memory.lock();
        memory.clean = if all_passed { memory.clean.saturating_add(1) } else { 0 };
        memory.last = Some(Instant::now());
    }

    /// Records that a deduction refused intents.
    pub fn deduction_refused(&self) {
        self.memory.lock().clean = 0;
    }

    fn all_passes(&self, now: Instant) -> bool {
        let period = Duration::from_millis(self.rules.screen_interval_ms);
        let memory = self.memory.lock();
        memory.clean >= self.rules.clean_screens_min && memory.last.is_some_and(|last| now - last < period)
    }

    /// Requires the units of the whole group for each sale: simple, and never too few.
    fn plenty_is_left(&self, intents: &[Intent], catalogue: &Catalogue, now: Instant) -> bool {
        let units: u64 = intents.iter().map(|intent| u64::from(intent.quantity().get())).sum();
        let wanted = units.saturating_add(self.rules.left_units_min);
        let heard_max = Duration::from_millis(self.rules.stock_age_max_ms);
        let runs = intents.chunk_by(|one, next| one.sale() == next.sale());
        runs.filter_map(<[Intent]>::first).all(|intent| {
            catalogue.get(intent.sale()).is_some_and(|entry| {
                entry.sale.state == SaleState::Preheated
                    && !entry.paused()
                    && entry.left_at_least(wanted, heard_max, now)
            })
        })
    }
}

//! When a group needs no screen.
//!
//! The deduction judges every intent again, so the screen decides nothing that would not be decided without it.
//! It keeps what will be refused away from the broker, and one intent that is refused would send its whole batch
//! round again. While everything passes and plenty is left, it is a round trip for nothing, and is left out:
//!
//! - some screens in a row let everything pass, and the last of them is not old, and
//! - every sale of the group is on sale as far as this gateway knows, and the ledger has said a moment ago that
//!   more units are left of it than could be sold meanwhile.
//!
//! The second rule is what keeps buyers of a sale that is sold out away from the broker, even if other gateways
//! sold it out. How many, how old: [`UnscreenedConfig`].

use std::time::Duration;

use flashgate_domain::{Intent, SaleState};
use metrics::{Counter, counter};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::{config::UnscreenedConfig, sales::catalogue::Catalogue};

/// What the lanes of a shard remember of their screens.
pub struct Screens {
    rules: UnscreenedConfig,
    memory: Mutex<Memory>,
    skipped: Counter,
}

#[derive(Debug, Default)]
struct Memory {
    /// Screens since an intent was refused.
    clean: u32,
    last: Option<Instant>,
}

impl Screens {
    /// Goes by `rules`.
    pub fn new(rules: UnscreenedConfig) -> Self {
        let skipped = counter!("flashgate_gateway_groups_unscreened_total");
        Self { rules, memory: Mutex::default(), skipped }
    }

    /// Whether these intents go to the broker as they are.
    pub fn skip(&self, intents: &[Intent], catalogue: &Catalogue) -> bool {
        let now = Instant::now();
        let skip = self.all_passes(now) && self.plenty_is_left(intents, catalogue, now);
        if skip {
            self.skipped.increment(1);
        }
        skip
    }

    /// A screen answered, and whether everything passed. Nothing passes a backlog that is full: groups that went without
    /// a screen would fill it further.
    pub fn answered(&self, all_passed: bool) {
        let mut memory = self.memory();
        memory.clean = if all_passed { memory.clean.saturating_add(1) } else { 0 };
        memory.last = Some(Instant::now());
    }

    /// A deduction refused intents.
    pub fn deduction_refused(&self) {
        self.memory().clean = 0;
    }

    fn all_passes(&self, now: Instant) -> bool {
        let period = Duration::from_millis(self.rules.screen_interval_ms);
        let memory = self.memory();
        memory.clean >= self.rules.clean_screens_min && memory.last.is_some_and(|last| now - last < period)
    }

    /// Takes the units of the whole group as if they were of each sale: simple, and never too few.
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

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }
}

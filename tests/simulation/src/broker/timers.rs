//! Delayed messages: when each is delivered, how often, and whether at all. They survive the processes that sent them.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use flashgate_domain::{OrderId, Timestamp};
use flashgate_proto::timer::decode_timer;
use rand::{Rng, rngs::StdRng};

use super::BrokerState;
use crate::random::happens;

/// How wrong the broker is with delayed messages; of 1,000 each.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimerRules {
    /// Whether it loses all of them, and says that it has them.
    pub are_lost: bool,
    /// Those that come too late.
    pub late: u32,
    /// Those that come twice.
    pub doubled: u32,
    /// Those that come too early: the clock of the broker is put forward.
    pub early: u32,
}

/// The most that one is late.
pub const LATE_MS_MAX: u64 = 3_000;

/// The delayed messages of a broker.
pub(super) struct Timers {
    rules: TimerRules,
    random: StdRng,
    /// The deadlines of payment timers that were stored, and are neither lost nor early.
    armed: BTreeSet<(Timestamp, OrderId)>,
    /// Whether it forgets what it has stored: a flaw.
    forgets: bool,
}

impl Timers {
    pub(super) const fn new(rules: TimerRules, random: StdRng) -> Self {
        Self { rules, random, armed: BTreeSet::new(), forgets: false }
    }

    /// Stores a message that is due after `delay`, and returns after which times it is delivered.
    pub(super) fn store(&mut self, body: &Bytes, delay: Duration) -> Vec<Duration> {
        let Self { rules, random, armed, forgets } = self;
        if rules.are_lost {
            return Vec::new();
        }
        let mut late = || Duration::from_millis(random.random_range(0..LATE_MS_MAX));
        let (later, again) = (late(), late());
        let first = if happens(random, rules.late) {
            delay + later
        } else if happens(random, rules.early) {
            delay.mul_f64(random.random_range(0.0..1.0))
        } else {
            delay
        };
        // One that comes early is spent: what it was for is armed when its worker has sent it again.
        if let Ok(timer) = decode_timer(Bytes::clone(body))
            && first >= delay
        {
            armed.extend(timer.batches.iter().map(|first_order| (timer.due_at, *first_order)));
        }
        let second = happens(random, rules.doubled).then_some(first + again);
        if *forgets { Vec::new() } else { [Some(first), second].into_iter().flatten().collect() }
    }
}

impl BrokerState {
    /// Whether a payment timer of the batch comes at that time or later.
    pub fn has_armed(&self, due_at: Timestamp, first_order: OrderId) -> bool {
        self.timers.armed.contains(&(due_at, first_order))
    }

    /// Forgets every delayed message from now on: see [`crate::flaw::Flaw::TimersForgotten`].
    pub const fn forget_timers(&mut self) {
        self.timers.forgets = true;
    }
}

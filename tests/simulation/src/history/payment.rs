//! Draws what orders cost, how long buyers have to pay, and which of the ways that cancel unpaid orders work.

use std::num::NonZeroU64;

use rand::{Rng, rngs::StdRng};

use super::SALES;
use crate::{broker::TimerRules, random::stream};

/// Longer than any history lasts.
const NEVER_MS: u64 = 24 * 3_600 * 1_000;

/// The payment of the orders of a history.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The price of a unit of each sale, in minor units; 0: it is free.
    pub price_minor: [u64; SALES],
    /// The time to pay an order of each sale; 0: no deadline.
    pub pay_within_ms: [u64; SALES],
    /// Between two sweeps of a worker for unpaid orders.
    pub sweep_interval_ms: NonZeroU64,
    /// What becomes of payment timers.
    pub timers: TimerRules,
    /// The payment provider, if orders are paid through one.
    pub provider: Option<ProviderRules>,
}

/// How the payment provider behaves, in 1,000 cases each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderRules {
    /// Calls that it cannot serve now.
    pub failing: u32,
    /// Callbacks that it never sends, of those without which an order still ends right.
    pub lost: u32,
    /// Callbacks that it sends twice.
    pub doubled: u32,
    /// Callbacks that it sends late.
    pub late: u32,
    /// Refunds that it decides later.
    pub pending: u32,
    /// Refunds that it refuses.
    pub refused: u32,
    /// Refunds that fail after they have succeeded.
    pub fails_later: u32,
}

impl ProviderRules {
    /// Those of the history of a seed: there is a provider in a third of them.
    fn of(seed: u64) -> Option<Self> {
        let mut random = stream(seed, "provider");
        if !random.random_bool(0.34) {
            return None;
        }
        let mut share = |most| if random.random_bool(0.4) { 0 } else { random.random_range(0..most) };
        Some(Self {
            failing: share(400),
            lost: share(700),
            doubled: share(500),
            late: share(500),
            pending: share(600),
            refused: share(500),
            fails_later: share(500),
        })
    }
}

/// Orders cost something, and have no deadline.
impl Default for Payment {
    fn default() -> Self {
        Self {
            price_minor: [1_999; SALES],
            pay_within_ms: [0; SALES],
            sweep_interval_ms: millis(5_000),
            timers: TimerRules::default(),
            provider: None,
        }
    }
}

const fn millis(millis: u64) -> NonZeroU64 {
    match NonZeroU64::new(millis) {
        Some(millis) => millis,
        None => NonZeroU64::MIN,
    }
}

impl Payment {
    /// That of the history of a seed: in half of them, orders have a deadline.
    pub fn of(seed: u64) -> Self {
        let mut random = stream(seed, "payment");
        let mut payment = Self { provider: ProviderRules::of(seed), ..Self::default() };
        if random.random_bool(0.5) {
            return payment;
        }
        for sale in 0..SALES {
            (payment.price_minor[sale], payment.pay_within_ms[sale]) = terms(&mut random);
        }
        // Three ways lead to a timeout. Each must do alone: a worker that starts sweeps in any case, so the sweep alone
        // is almost a way of its own.
        let (sweeps, has_timers) = match random.random_range(0..20) {
            0..6 => (true, true),
            6..11 => (true, false),
            11..16 => (false, true),
            _ => (false, false),
        };
        let interval_ms = random.random_range(300..10_000);
        payment.sweep_interval_ms = millis(if sweeps { interval_ms } else { NEVER_MS });
        let mut share = |most| if random.random_bool(0.5) { 0 } else { random.random_range(0..most) };
        payment.timers =
            TimerRules { are_lost: !has_timers, late: share(400), doubled: share(400), early: share(400) };
        payment
    }

    /// Whether any order is ever due.
    pub fn has_deadlines(&self) -> bool {
        self.pay_within_ms
            .iter()
            .zip(self.price_minor)
            .any(|(pay_within, price)| *pay_within > 0 && price > 0)
    }

    /// Whether workers sweep as long as they run, and not only when they start.
    pub fn has_sweeps(&self) -> bool {
        self.sweep_interval_ms.get() < NEVER_MS
    }
}

/// The price and the time to pay. A free order has no deadline, whatever the sale says.
fn terms(random: &mut StdRng) -> (u64, u64) {
    let pay_within_ms = match random.random_range(0..10) {
        0 => 0,
        1..6 => random.random_range(1_000..4_000),
        6..9 => random.random_range(4_000..20_000),
        _ => NEVER_MS,
    };
    (if random.random_bool(0.15) { 0 } else { 1_999 }, pay_within_ms)
}

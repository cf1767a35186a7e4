//! Payments: the worker on SQLite, with the real provider program on loopback.

mod callbacks;
mod checks;
mod refunds;
mod shop;

use std::time::Duration;

use flashgate_domain::{CancelReason, Money, OrderState};

/// Longer than any test takes.
const LATER: Duration = Duration::from_secs(600);
/// The minimum of a payment deadline.
const SOON: Duration = Duration::from_secs(1);

const TIMED_OUT: OrderState = OrderState::Cancelled(CancelReason::Timeout);

fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

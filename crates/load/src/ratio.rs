//! Counts as floating-point numbers, for rates and charts: the one place where precision may be lost.

use std::time::Duration;

/// The number, exact up to 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "only for figures shown to people")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// The integer part of a number that is not negative; the result saturates, and NaN becomes 0.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from floating point saturates"
)]
pub(crate) const fn whole(number: f64) -> u64 {
    number as u64
}

/// The rate per second; 0 if no time has passed.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { float(count) / time.as_secs_f64() }
}

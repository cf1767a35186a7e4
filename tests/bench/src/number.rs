//! Numbers as people read them, and the one place where precision may be lost.

use std::time::Duration;

/// The number, exact up to 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "only for figures shown to people")]
pub const fn float(count: u64) -> f64 {
    count as f64
}

/// The whole part of a number that is not negative; what is too large, or no number, ends at the limits.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from floating point saturates"
)]
pub const fn whole(number: f64) -> u64 {
    number as u64
}

/// `part / all`, or 0 if there is nothing.
pub fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { 0.0 }
}

/// So many a second; 0 if no time has passed.
pub fn per_second(count: u64, time: Duration) -> f64 {
    share(float(count), time.as_secs_f64())
}

/// `53,100`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two figures or more: `0.56`, `7.1`, `53,100`.
pub fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => grouped(whole(number.round())),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let grouped = [0, 7, 999, 1_000, 53_100, 1_000_000].map(grouped);
        assert_eq!(grouped, ["0", "7", "999", "1,000", "53,100", "1,000,000"]);
    }

    #[test]
    fn a_short_number_keeps_what_matters() {
        let short = [0.5567, 7.14, 71.44, 714.4, 53_100.4].map(short);
        assert_eq!(short, ["0.56", "7.14", "71.4", "714", "53,100"]);
    }
}

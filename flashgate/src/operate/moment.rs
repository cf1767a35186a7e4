//! Moments on the command line: `2026-11-11T20:00:00Z`, `now`, or `+10m` from now.

use std::{str::FromStr, time::Duration};

use flashgate_domain::Timestamp;
use flashgate_output::time;
use jiff::Timestamp as Calendar;

/// A moment, perhaps relative to the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    FromNow(Duration),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::FromNow(Duration::ZERO));
        }
        let parsed = match text.strip_prefix('+') {
            Some(time) => time::parse(time).ok().map(Self::FromNow),
            None => text.parse::<Calendar>().ok().and_then(|at| {
                let millis = u64::try_from(at.as_millisecond()).ok()?;
                Some(Self::At(Timestamp::from_millis(millis)))
            }),
        };
        parsed.ok_or_else(|| "must be such as 2026-11-11T20:00:00Z, now or +10m".to_owned())
    }
}

impl Moment {
    /// The moment, as seen from `now`.
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::FromNow(time) => now.saturating_add(time),
        }
    }
}

/// The moment for people.
pub(super) fn show(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|millis| Calendar::from_millisecond(millis).ok());
    at.map_or_else(|| format!("{millis} ms"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_relative() {
        let now = Timestamp::from_millis(1_000);
        let at = |text: &str| text.parse::<Moment>().map(|moment| moment.from(now).as_millis());
        assert_eq!(at("now"), Ok(1_000));
        assert_eq!(at("+1m"), Ok(61_000));
        assert_eq!(at("1970-01-01T08:00:05+08:00"), Ok(5_000));
        assert!(at("tomorrow").is_err() && at("+soon").is_err() && at("1969-01-01T00:00:00Z").is_err());
        assert_eq!(show(5_000), "1970-01-01T00:00:05Z");
    }
}

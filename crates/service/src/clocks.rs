//! Differences between the clock of this process and those of its servers.
//!
//! No decision depends on them: sales open and close by the ledger's clock, and nothing is looked up by time. But a
//! machine with a drifting clock is faulty, and its logs mislead. So the difference is a metric, a warning, and
//! beyond a configured maximum the process is not ready.

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use flashgate_domain::{Timestamp, named, non_zero};
use metrics::gauge;
use parking_lot::Mutex;
use serde::Deserialize;
use tracing::warn;

use crate::throttle::LogThrottle;

/// Minimum difference for a warning, in milliseconds.
const WARNED_FROM_MS: u64 = 500;

named! {
    /// A server whose clock is compared with this process's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Peer {
        /// The ledger's server.
        Ledger = "ledger",
        /// The order store's server.
        Store = "store",
        /// The broker with the largest difference.
        Broker = "broker",
    }
}

/// The section `clock` of a configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// Maximum difference from a peer's clock; beyond it the process is not ready. 5 s: nothing depends on it, but a
    /// machine with a drifting clock is faulty.
    pub difference_max_ms: NonZeroU64,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { difference_max_ms: non_zero!(5_000) }
    }
}

impl ClockConfig {
    /// The maximum difference.
    pub const fn difference_max(&self) -> Duration {
        Duration::from_millis(self.difference_max_ms.get())
    }
}

/// The latest difference to each peer.
#[derive(Debug)]
pub struct Clocks {
    difference_max: Duration,
    ahead_ms: Mutex<BTreeMap<Peer, i64>>,
    warnings: LogThrottle,
}

impl Default for Clocks {
    /// Without a maximum.
    fn default() -> Self {
        Self::new(Duration::MAX)
    }
}

impl Clocks {
    /// Clocks with a maximum difference of `difference_max`.
    pub fn new(difference_max: Duration) -> Self {
        Self { difference_max, ahead_ms: Mutex::default(), warnings: LogThrottle::default() }
    }

    /// Records that this process's clock is `ahead_ms` milliseconds ahead of that of `peer`; behind it if negative.
    /// Sets the gauge `flashgate_clock_difference_seconds`.
    pub fn note(&self, peer: Peer, ahead_ms: i64) {
        let seconds = Duration::from_millis(ahead_ms.unsigned_abs()).as_secs_f64();
        let seconds = if ahead_ms < 0 { -seconds } else { seconds };
        gauge!("flashgate_clock_difference_seconds", "peer" => peer.as_str()).set(seconds);
        self.ahead_ms.lock().insert(peer, ahead_ms);
        if ahead_ms.unsigned_abs() >= WARNED_FROM_MS
            && let Some(suppressed) = self.warnings.admit()
        {
            let peer = peer.as_str();
            warn!(peer, ahead_ms, suppressed, "clock of this process differs from the clock of a server");
        }
    }

    /// Whether the difference from a peer's clock exceeds the maximum.
    pub fn are_apart(&self) -> bool {
        let ahead_ms = self.ahead_ms.lock();
        ahead_ms.values().any(|ahead| Duration::from_millis(ahead.unsigned_abs()) > self.difference_max)
    }
}

/// How far the own clock is ahead of a server's, in milliseconds, if the server returned `there` at some moment
/// between `before` and `after`. The uncertainty counts as no difference.
pub fn ahead_ms(before: Timestamp, there: Timestamp, after: Timestamp) -> i64 {
    let (before, there, after) = (before.as_millis(), there.as_millis(), after.as_millis());
    if there < before {
        i64::try_from(before - there).unwrap_or(i64::MAX)
    } else if there > after {
        i64::try_from(there - after).map_or(i64::MIN, |behind| -behind)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_lies_within_the_exchange_is_no_difference() {
        assert_eq!(ahead_ms(at(1_000), at(1_004), at(1_010)), 0);
        assert_eq!(ahead_ms(at(1_000), at(400), at(1_010)), 600);
        assert_eq!(ahead_ms(at(1_000), at(2_000), at(1_010)), -990);
        // The own clock was set back in between.
        assert_eq!(ahead_ms(at(1_000), at(1_000), at(10)), -990);
        assert_eq!(ahead_ms(at(u64::MAX), at(0), at(u64::MAX)), i64::MAX);
    }

    #[test]
    fn one_peer_that_is_too_far_away_is_enough() {
        let clocks = Clocks::new(Duration::from_secs(5));
        assert!(!clocks.are_apart());
        clocks.note(Peer::Broker, 5_000);
        clocks.note(Peer::Store, -5_000);
        assert!(!clocks.are_apart());
        clocks.note(Peer::Store, -5_001);
        assert!(clocks.are_apart());
        clocks.note(Peer::Store, 0);
        assert!(!clocks.are_apart());
        clocks.note(Peer::Ledger, i64::MIN);
        assert!(clocks.are_apart());
    }

    #[test]
    fn without_a_bound_every_difference_will_do() {
        let clocks = Clocks::default();
        clocks.note(Peer::Store, i64::MAX);
        assert!(!clocks.are_apart());
    }
}

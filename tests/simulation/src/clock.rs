//! The time of day in the simulation: the runtime's paused clock, and for each process its own error.

use flashgate_domain::{Clock, Timestamp};
use tokio::time::Instant;

/// When every history begins: 2026-06-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// A clock that started with the history.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    started: Instant,
    ahead_ms: i64,
}

impl SimClock {
    /// A clock that is right.
    pub fn new(started: Instant) -> Self {
        Self { started, ahead_ms: 0 }
    }

    /// A clock that is so far ahead of the right one; below 0, behind it.
    pub const fn skewed(self, ahead_ms: i64) -> Self {
        Self { started: self.started, ahead_ms }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis((START.as_millis() + elapsed).saturating_add_signed(self.ahead_ms))
    }
}

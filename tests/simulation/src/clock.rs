//! The time of day in the simulation: the runtime's paused clock, and for each process its own error.

use std::time::Duration;

use flashgate_domain::{Clock, Timestamp};
use tokio::time::Instant;

/// When every history begins: 2026-06-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// A clock that started with the history.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    started: Instant,
    ahead: Duration,
}

impl SimClock {
    /// A clock that is right.
    pub fn new(started: Instant) -> Self {
        Self { started, ahead: Duration::ZERO }
    }

    /// A clock that is `ahead` of the right one.
    pub const fn skewed(self, ahead: Duration) -> Self {
        Self { started: self.started, ahead }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        START.saturating_add(self.started.elapsed() + self.ahead)
    }
}

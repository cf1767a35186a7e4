//! Throttles log lines that a fault would repeat for every batch.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Interval between two lines of one kind: an operator sees that the fault lasts, and can read the rest of the log.
const PERIOD: Duration = Duration::from_secs(1);

/// Allows one log line per second and counts the rest.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_at: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// The number of suppressed lines since the last one, if the next line is permitted; else `None`.
    pub fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let now = Instant::now();
        if state.last_at.is_some_and(|at| now < at + PERIOD) {
            state.suppressed += 1;
            return None;
        }
        state.last_at = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::{LogThrottle, PERIOD};

    #[tokio::test(start_paused = true)]
    async fn one_line_of_many_is_admitted_and_tells_how_many_were_not() {
        let throttle = LogThrottle::default();
        assert_eq!([throttle.admit(), throttle.admit(), throttle.admit()], [Some(0), None, None]);
        tokio::time::advance(PERIOD).await;
        assert_eq!([throttle.admit(), throttle.admit()], [Some(2), None]);
    }
}

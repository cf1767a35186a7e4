//! Log lines that a fault would repeat for every batch.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The pause between two lines of one kind: an operator sees that it goes on, and can read the rest of the log.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets one line of a kind through in a second, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// If the line is to be written: how many of its kind were not, since the last one.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.said_at.is_some_and(|at| now < at + PERIOD) {
            state.unsaid += 1;
            return None;
        }
        state.said_at = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::{PERIOD, Seldom};

    #[tokio::test(start_paused = true)]
    async fn one_line_of_many_is_due_and_tells_how_many_were_not() {
        let seldom = Seldom::default();
        assert_eq!([seldom.due(), seldom.due(), seldom.due()], [Some(0), None, None]);
        tokio::time::advance(PERIOD).await;
        assert_eq!([seldom.due(), seldom.due()], [Some(2), None]);
    }
}

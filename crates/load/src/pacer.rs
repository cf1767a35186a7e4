//! Releases requests when they are due. A thread of its own, since the timers of the runtime tick in milliseconds.

use std::{thread, time::Duration};

use tokio::{select, sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{plan::Plan, schedule::Schedule};

/// Requests that are due within this time are released together: waking the thread for each would cost more.
const STEP: Duration = Duration::from_micros(200);
/// Maximum sleep of the thread between checks whether the run was stopped.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Holds back the workers of an open loop.
#[derive(Debug)]
pub(super) struct Pacer {
    schedule: Schedule,
    start: Instant,
    /// Requests that are due and not yet taken.
    due: Semaphore,
    /// No further request will be due.
    finished: CancellationToken,
}

impl Pacer {
    pub(super) fn new(schedule: Schedule, start: Instant) -> Self {
        Self { schedule, start, due: Semaphore::new(0), finished: CancellationToken::new() }
    }

    /// When request `n` is due, if there is one.
    pub(super) fn due(&self, n: u64) -> Option<Instant> {
        self.schedule.due(n).map(|due| self.start + due)
    }

    /// Waits for a due request that no worker has taken, and takes it. `false`: there will be none.
    pub(super) async fn take(&self) -> bool {
        let permit = select! {
            biased;
            permit = self.due.acquire() => permit.ok(),
            () = self.finished.cancelled() => self.due.try_acquire().ok(),
        };
        permit.map(|permit| permit.forget()).is_some()
    }

    /// Releases each request when it is due. Blocks until all are released, or the run is over.
    pub(super) fn run(&self, plan: &Plan, stop: &CancellationToken) {
        let mut next = 0;
        while !stop.is_cancelled() && plan.requests_max.is_none_or(|max| next < max) {
            let Some(due) = self.schedule.due(next) else { break };
            if plan.duration.is_some_and(|duration| due >= duration) {
                break;
            }
            let elapsed = self.start.elapsed();
            if due > elapsed {
                thread::sleep((due - elapsed).clamp(STEP, SLEEP_MAX));
                continue;
            }
            let due =
                self.schedule.due_until(plan.duration.map_or(elapsed, |duration| duration.min(elapsed)));
            // At least the request that is due at exactly this time.
            let until = due.max(next + 1).min(plan.requests_max.unwrap_or(u64::MAX));
            self.open(until - next);
            next = until;
        }
        self.finished.cancel();
    }

    fn open(&self, requests: u64) {
        // 2^60 or more requests exceed a semaphore; no run could send them either.
        let room = Semaphore::MAX_PERMITS.saturating_sub(self.due.available_permits());
        self.due.add_permits(usize::try_from(requests).unwrap_or(usize::MAX).min(room));
    }
}

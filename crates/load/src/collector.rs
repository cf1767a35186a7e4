//! Merges the counts of the threads, and detects a run in which requests only fail.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{crew::Interval, latencies::Precision, outcome::Outcome, series::Series, tally::Tally};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// All requests were sent, or the time was over.
    Done,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
    /// Requests had only failed for too long.
    GaveUp,
}

/// All counts so far.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) total: Tally,
    pub(super) series: Series,
    /// When the last answer was reported.
    answered_at: Instant,
    failed_since: u64,
}

impl Collector {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            total: Tally::new(Precision::Fine),
            series: Series::new(),
            answered_at: start,
            failed_since: 0,
        }
    }

    pub(super) fn add(&mut self, interval: &Interval, now: Instant) {
        let tally = &interval.tally;
        self.total.merge(tally);
        self.series.add(interval.number, tally);
        if tally.answers() > 0 {
            (self.answered_at, self.failed_since) = (now, 0);
        }
        self.failed_since += tally.codes.of(Outcome::Failed);
    }

    /// Whether requests have failed, and none was answered, for `for_long`.
    pub(super) fn only_fails(&self, for_long: Duration, now: Instant) -> bool {
        self.failed_since > 0 && now - self.answered_at >= for_long
    }
}

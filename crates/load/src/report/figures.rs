//! Figures of a run, in whole units.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::super::{latencies::Latencies, outcome::Outcome, tally::Tally};
use crate::ratio::float;

/// The percentiles of the curve in the reports.
const CURVE: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

/// Latencies in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
    /// Percentile and latency.
    pub(super) curve: Vec<(f64, u64)>,
}

/// A time slot of a run.
#[derive(Debug, Serialize)]
pub(super) struct Slot {
    pub(super) at_s: f64,
    /// Its width. The last slot ends with the run.
    pub(super) width_s: f64,
    /// The failed requests that were never sent, without a connection.
    pub(super) never_sent: u64,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    pub(super) confirmed_p99_us: u64,
}

impl Percentiles {
    pub(super) fn new(latencies: &Latencies) -> Self {
        let us = |percent| u64::try_from(latencies.percentile(percent).as_micros()).unwrap_or(u64::MAX);
        let curve = if latencies.count() == 0 { Vec::new() } else { CURVE.map(|p| (p, us(p))).to_vec() };
        Self {
            count: latencies.count(),
            mean: latencies.mean_us(),
            p50: us(50.0),
            p90: us(90.0),
            p99: us(99.0),
            p999: us(99.9),
            max: u64::try_from(latencies.max().as_micros()).unwrap_or(u64::MAX),
            curve,
        }
    }
}

impl Slot {
    pub(super) fn new(at: Duration, width: Duration, tally: &Tally) -> Self {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            at_s: at.as_secs_f64(),
            width_s: width.as_secs_f64(),
            never_sent: tally.never_sent(),
            outcomes: outcomes(tally),
            p50_us: us(tally.answered.percentile(50.0)),
            p99_us: us(tally.answered.percentile(99.0)),
            max_us: us(tally.answered.max()),
            confirmed_p99_us: us(tally.confirmed.percentile(99.0)),
        }
    }
}

impl Slot {
    /// Requests per second, by outcome.
    pub(super) fn rates(&self) -> impl Iterator<Item = (Outcome, f64)> {
        self.outcomes.iter().map(move |(outcome, count)| {
            let never_sent = if *outcome == Outcome::Failed { self.never_sent } else { 0 };
            let sent = count.saturating_sub(never_sent);
            (*outcome, if self.width_s > 0.0 { float(sent) / self.width_s } else { 0.0 })
        })
    }
}

/// The number of requests by outcome; outcomes without requests are omitted.
pub(super) fn outcomes(tally: &Tally) -> BTreeMap<Outcome, u64> {
    let counted = Outcome::ALL.map(|outcome| (outcome, tally.codes.of(outcome)));
    counted.into_iter().filter(|(_, count)| *count > 0).collect()
}

//! The course of a run in time slots: few enough to be kept and drawn, however long the run takes.

use std::time::Duration;

use super::{crew::INTERVAL, latencies::Precision, tally::Tally};

/// Maximum slots: beyond it, each two become one.
const SLOTS_MAX: usize = 600;

/// Counts by time.
#[derive(Debug)]
pub(super) struct Series {
    slots: Vec<Tally>,
    /// The number of intervals per slot.
    intervals: usize,
}

impl Series {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), intervals: 1 }
    }

    /// Adds the counts of the interval with this number, from any thread.
    pub(super) fn add(&mut self, interval: usize, tally: &Tally) {
        while interval / self.intervals >= SLOTS_MAX {
            self.halve();
        }
        let slot = interval / self.intervals;
        while self.slots.len() <= slot {
            self.slots.push(Tally::new(Precision::Coarse));
        }
        self.slots[slot].merge(tally);
    }

    fn halve(&mut self) {
        let pairs = self.slots.chunks(2).map(|pair| {
            let mut both = Tally::new(Precision::Coarse);
            pair.iter().for_each(|tally| both.merge(tally));
            both
        });
        self.slots = pairs.collect();
        self.intervals *= 2;
    }

    /// The duration of a slot.
    pub(super) fn width(&self) -> Duration {
        INTERVAL * u32::try_from(self.intervals).unwrap_or(u32::MAX)
    }

    /// The slots, from the start of the run.
    pub(super) fn slots(&self) -> &[Tally] {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn a_long_run_keeps_its_counts_in_fewer_slots() {
        let mut one = Tally::new(Precision::Fine);
        one.count(Outcome::Accepted, "accepted".into());
        one.answered.record(Duration::from_millis(3));
        let mut series = Series::new();
        for interval in 0..2_000 {
            series.add(interval, &one);
        }
        assert_eq!(series.width(), INTERVAL * 4);
        assert_eq!(series.slots().len(), 500);
        for slot in series.slots() {
            assert_eq!((slot.codes.total(), slot.answered.count()), (4, 4));
        }
    }
}

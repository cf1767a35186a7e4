//! Latencies as an HDR histogram in microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Maximum latency: an hour. Longer ones count as an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// The precision of a histogram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Precision {
    /// To 0.1 %: for the result. About 180 KB.
    Fine,
    /// To 1 %: for one of many slots of time. About 25 KB.
    Coarse,
}

/// Latencies between 1 µs and an hour.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    /// An empty histogram.
    #[expect(clippy::expect_used, reason = "the bounds are constants: 1 < 2 * MICROS_MAX, digits below 6")]
    pub(super) fn new(precision: Precision) -> Self {
        let digits = match precision {
            Precision::Fine => 3,
            Precision::Coarse => 2,
        };
        Self(Histogram::new_with_bounds(1, MICROS_MAX, digits).expect("legal bounds"))
    }

    /// Adds one latency.
    pub(super) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.clamp(1, MICROS_MAX));
    }

    /// Adds all of `others`. All histograms here have the same bounds, so none is out of range.
    pub(super) fn merge(&mut self, others: &Self) {
        if !others.0.is_empty() {
            self.0 += &others.0;
        }
    }

    /// The number of latencies.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value that `percent` of all do not exceed; 0 if there are none.
    pub(super) fn percentile(&self, percent: f64) -> Duration {
        Duration::from_micros(self.0.value_at_percentile(percent))
    }

    /// The maximum.
    pub(super) fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// The mean in microseconds.
    pub(super) fn mean_us(&self) -> f64 {
        self.0.mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_histograms_tell_what_one_would_have_told() {
        for precision in [Precision::Fine, Precision::Coarse] {
            let mut parts = [(); 3].map(|()| Latencies::new(Precision::Fine));
            let mut whole = Latencies::new(precision);
            for us in 1..=30_000_u64 {
                let took = Duration::from_micros(us * us % 1_000_003);
                parts[usize::try_from(us % 3).unwrap()].record(took);
                whole.record(took);
            }
            let mut merged = Latencies::new(precision);
            parts.iter().for_each(|part| merged.merge(part));
            assert_eq!(merged.count(), whole.count());
            for percent in [1.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                assert_eq!(
                    merged.percentile(percent),
                    whole.percentile(percent),
                    "{percent} of {precision:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest_and_nothing_is_lost() {
        let mut latencies = Latencies::new(Precision::Fine);
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        assert_eq!(latencies.count(), 2);
        assert!(latencies.max() >= Duration::from_secs(3_600));
    }
}

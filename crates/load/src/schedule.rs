//! The due time of each request. Pure arithmetic: request `n` has the same due time in every run.

use std::time::Duration;

use crate::ratio::{float, whole};

/// The simultaneous requests of a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// The time after the start.
    pub(super) at: Duration,
    /// The number of requests that are due at that time.
    pub(super) requests: u64,
}

/// The due times of requests in an open loop, counted from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Schedule {
    /// Requests per second, after the ramp; `None`: only the release.
    rate: Option<f64>,
    ramp: Duration,
    release: Option<Release>,
}

impl Schedule {
    /// `rate` requests per second, reached linearly within `ramp`, and the release in addition.
    pub(super) const fn new(rate: Option<f64>, ramp: Duration, release: Option<Release>) -> Self {
        Self { rate, ramp, release }
    }

    /// When request `n` (from 0) is due, or `None` if the schedule has no such request. Never before `n - 1`.
    pub(super) fn due(&self, n: u64) -> Option<Duration> {
        let Some(release) = self.release else { return self.steady(n) };
        let before = self.steady_until(release.at);
        if n < before {
            return self.steady(n);
        }
        let after = n - before;
        if after < release.requests { Some(release.at) } else { self.steady(n - release.requests) }
    }

    /// The number of requests that are due before `elapsed`.
    pub(super) fn due_until(&self, elapsed: Duration) -> u64 {
        let released =
            self.release.filter(|release| release.at < elapsed).map_or(0, |release| release.requests);
        self.steady_until(elapsed) + released
    }

    /// The due time of request `n` without the release. While the rate grows, `rate * t² / (2 * ramp)` requests have
    /// been sent at `t`.
    fn steady(&self, n: u64) -> Option<Duration> {
        let (rate, ramp, n) = (self.rate?, self.ramp.as_secs_f64(), float(n));
        let in_ramp = rate * ramp / 2.0;
        let seconds = if n < in_ramp { (2.0 * ramp * n / rate).sqrt() } else { ramp + (n - in_ramp) / rate };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The number of requests that are due before `elapsed` without the release.
    fn steady_until(&self, elapsed: Duration) -> u64 {
        let Some(rate) = self.rate else { return 0 };
        let (ramp, elapsed_s) = (self.ramp.as_secs_f64(), elapsed.as_secs_f64());
        let sent = if elapsed_s < ramp {
            rate * elapsed_s * elapsed_s / (2.0 * ramp)
        } else {
            rate * (elapsed_s - ramp / 2.0)
        };
        // The inverse of `steady` up to rounding: `steady` itself corrects the last steps.
        let mut count = whole(sent.ceil());
        while count > 0 && self.steady(count - 1).is_none_or(|due| due >= elapsed) {
            count -= 1;
        }
        while self.steady(count).is_some_and(|due| due < elapsed) {
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_steady_rate_is_due_at_even_distances() {
        let schedule = Schedule::new(Some(100.0), Duration::ZERO, None);
        assert_eq!(schedule.due(0), Some(s(0)));
        assert_eq!(schedule.due(1), Some(Duration::from_millis(10)));
        assert_eq!(schedule.due(1_000), Some(s(10)));
        assert_eq!(schedule.due_until(s(10)), 1_000);
    }

    #[test]
    fn a_ramp_sends_half_of_what_the_full_rate_would() {
        let schedule = Schedule::new(Some(100.0), s(4), None);
        assert_eq!(schedule.due_until(s(4)), 200);
        assert_eq!(schedule.due(200), Some(s(4)));
        assert_eq!(schedule.due_until(s(5)), 300);
        assert_eq!(schedule.due(50), Some(s(2)));
    }

    #[test]
    fn at_the_release_the_whole_crowd_is_due_in_one_moment() {
        let release = Release { at: s(2), requests: 5_000 };
        let schedule = Schedule::new(Some(10.0), Duration::ZERO, Some(release));
        assert_eq!(schedule.due(19), Some(Duration::from_millis(1_900)));
        assert_eq!(schedule.due(20), Some(s(2)));
        assert_eq!(schedule.due(5_019), Some(s(2)));
        assert_eq!(schedule.due(5_021), Some(Duration::from_millis(2_100)));
        assert_eq!(schedule.due_until(s(2)), 20);
        assert_eq!(schedule.due_until(s(3)), 5_030);
    }

    #[test]
    fn a_release_alone_ends_with_its_crowd() {
        let schedule = Schedule::new(None, Duration::ZERO, Some(Release { at: s(1), requests: 3 }));
        assert_eq!(schedule.due(2), Some(s(1)));
        assert_eq!(schedule.due(3), None);
    }

    #[test]
    fn no_request_is_due_before_the_one_before_it_and_the_inverse_agrees() {
        for rate in [0.3, 7.0, 333.3, 98_765.4] {
            let schedule = Schedule::new(Some(rate), s(3), Some(Release { at: s(5), requests: 17 }));
            let mut last = Duration::ZERO;
            for n in 0..3_000 {
                let due = schedule.due(n).unwrap();
                assert!(due >= last, "rate {rate}, request {n}");
                assert!(schedule.due_until(due) <= n, "rate {rate}, request {n}");
                assert!(schedule.due_until(due + Duration::from_nanos(1)) > n, "rate {rate}, request {n}");
                last = due;
            }
        }
    }
}

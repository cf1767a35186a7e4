//! How long a stalled dependency is tolerated before the gateway is not ready.

use std::{fmt::Display, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::Instant;
use tracing::{info, warn};

use super::note_up;

/// Minimum failed probes in a row.
const FAILURES_MIN: u32 = 3;
/// Minimum duration of the failure: most failovers, and stalls of a disk, are over by then.
const STALL_MIN: Duration = Duration::from_secs(3);
/// Maximum extra tolerance of one gateway over another, so that not all turn not ready at the same moment.
const SPREAD: Duration = Duration::from_secs(4);

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// The dependency did what the work needs.
    Works,
    /// The dependency did not answer, or is busy: that may pass.
    Stalls,
    /// The dependency answered with a refusal or is not the expected one: that does not pass by itself.
    Refuses,
}

/// The probes of one dependency so far.
#[derive(Debug)]
pub(super) struct Patience {
    stall_max: Duration,
    up: bool,
    failures: u32,
    failing_since: Option<Instant>,
}

impl Patience {
    /// For two dependencies. Each is down until its first successful probe.
    pub(super) fn drawn_from(seed: u64) -> [Self; 2] {
        let mut random = StdRng::seed_from_u64(seed);
        [(); 2].map(|()| {
            let stall_max = STALL_MIN + SPREAD.mul_f64(random.random());
            Self { stall_max, up: false, failures: 0, failing_since: None }
        })
    }

    /// Whether `part` counts as up after another probe.
    pub(super) fn after<E: Display>(
        &mut self,
        part: &'static str,
        trial: Trial,
        fault: Option<E>,
        now: Instant,
    ) -> bool {
        note_up(part, trial == Trial::Works);
        let was_up = self.up;
        match trial {
            Trial::Works => (self.up, self.failures, self.failing_since) = (true, 0, None),
            Trial::Refuses => self.up = false,
            Trial::Stalls => {
                self.failures += 1;
                let since = *self.failing_since.get_or_insert(now);
                if self.failures >= FAILURES_MIN && now - since >= self.stall_max {
                    self.up = false;
                }
            }
        }
        let why = fault.map(|fault| fault.to_string()).unwrap_or_default();
        match (was_up, self.up) {
            (false, true) => info!(part, "answers"),
            (true, false) => warn!(part, why, "dependency down; not ready"),
            (true, true) | (false, false) => {}
        }
        self.up
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gateways_give_up_at_different_moments_and_none_within_three_seconds() {
        let gave_up = |seed| {
            let [mut patience, _] = Patience::drawn_from(seed);
            let began = Instant::now();
            assert!(patience.after::<String>("ledger", Trial::Works, None, began));
            let after = |millis| began + Duration::from_millis(millis);
            let still_up =
                |millis: &u64| patience.after("ledger", Trial::Stalls, Some("late"), after(*millis));
            (0..).step_by(100).take_while(still_up).last()
        };
        let moments: BTreeSet<_> = (0..20).map(gave_up).collect();
        assert!(moments.len() > 5, "{moments:?}");
        assert!(moments.iter().all(|moment| moment.is_some_and(|millis| (2_900..=7_100).contains(&millis))));
    }
}

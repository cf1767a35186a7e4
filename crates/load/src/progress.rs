//! The progress of a run. Hidden if standard error is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{outcome::Outcome, plan::Plan, show::millis, tally::Tally};
use crate::ratio::per_second;

/// The line on the terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    duration: Option<Duration>,
}

impl Progress {
    pub(super) fn new(plan: &Plan) -> Self {
        let length = match (plan.duration, plan.requests_max) {
            (Some(duration), _) => Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            (None, requests) => requests,
        };
        // Draws to standard error, and only if that is a terminal.
        let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template =
            if length.is_some() { "{elapsed:>3} {bar:20} {msg}" } else { "{elapsed:>3} {spinner} {msg}" };
        // The template is a constant; the fallback is the default style.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar()),
        );
        Self { bar, duration: plan.duration }
    }

    /// Shows the state of the run: `total` since the start, `last` in the last `stretch`.
    pub(super) fn show(&self, elapsed: Duration, total: &Tally, last: &Tally, stretch: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        let position = match self.duration {
            Some(_) => u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            None => total.codes.total(),
        };
        self.bar.set_position(position.min(self.bar.length().unwrap_or(u64::MAX)));
        self.bar.set_message(format!(
            "{} sent, {:.0}/s · accepted {:.0}/s · sold out {} · failed {} · p50 {} p99 {}",
            total.codes.total() - total.never_sent(),
            per_second(last.codes.total() - last.never_sent(), stretch),
            per_second(last.codes.of(Outcome::Accepted), stretch),
            total.codes.of(Outcome::SoldOut),
            total.codes.of(Outcome::Failed),
            millis(last.answered.percentile(50.0)),
            millis(last.answered.percentile(99.0)),
        ));
    }

    /// Clears the progress line.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

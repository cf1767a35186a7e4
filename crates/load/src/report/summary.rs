//! The figures for people, on a terminal.

use std::{fmt::Write, time::Duration};

use super::{
    super::{collector::Ended, outcome::Outcome, show::millis},
    Report,
    figures::Percentiles,
};
use crate::ratio::float;

impl Report {
    /// The figures for people.
    pub(in super::super) fn summary(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_summary(&mut text);
        text
    }

    fn write_summary(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "{} to {}: {} loop, {} connections, {:.2} s{}",
            self.protocol,
            self.targets.join(", "),
            self.loop_kind,
            self.connections,
            self.elapsed_s,
            match self.ended {
                Ended::Done => "",
                Ended::Interrupted => ", interrupted",
                Ended::GaveUp => ", given up: requests only failed",
            },
        )?;
        writeln!(text, "\n  {:<12} {:>10} {:>8} {:>12}", "outcome", "requests", "share", "a second")?;
        for (outcome, &count) in &self.outcomes {
            let name = outcome.as_str();
            let share = 100.0 * float(count) / float(self.requests.max(1));
            let rate = self.rate_of(*outcome, count);
            writeln!(text, "  {name:<12} {count:>10} {share:>7.2}% {rate:>12.1}")?;
        }
        writeln!(text, "  {:<12} {:>10} {:>8} {:>12.1}", "all", self.requests, "", self.requests_per_s)?;
        if self.never_sent > 0 {
            writeln!(text, "  {:<12} {:>10}  failed without a connection", "never sent", self.never_sent)?;
        }
        if self.unsent > 0 {
            writeln!(
                text,
                "  {:<12} {:>10}  due, and no connection was free until the end",
                "unsent", self.unsent
            )?;
        }
        writeln!(
            text,
            "\n  {:<12} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "latency", "requests", "p50", "p90", "p99", "p99.9", "max"
        )?;
        self.answered_us.write_row("answered", text)?;
        self.accepted_us.write_row("accepted", text)?;
        if let Some(confirmed) = &self.confirmed_us {
            confirmed.write_row("confirmed", text)?;
        }
        if let Some(lag) = &self.send_lag_us {
            lag.write_row("sent late by", text)?;
        }
        if self.unconfirmed > 0 {
            writeln!(text, "  {} orders that were followed were not confirmed in time", self.unconfirmed)?;
        }
        writeln!(text, "\n  codes:")?;
        for (code, count) in &self.codes {
            writeln!(text, "    {code:<24} {count:>10}")?;
        }
        Ok(())
    }

    /// The number of sent requests per second with that outcome.
    pub(super) fn rate_of(&self, outcome: Outcome, count: u64) -> f64 {
        let never_sent = if outcome == Outcome::Failed { self.never_sent } else { 0 };
        let sent = float(count.saturating_sub(never_sent));
        if self.elapsed_s > 0.0 { sent / self.elapsed_s } else { 0.0 }
    }
}

impl Percentiles {
    fn write_row(&self, name: &str, text: &mut String) -> std::fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        let [p50, p90, p99, p999, max] =
            [self.p50, self.p90, self.p99, self.p999, self.max].map(|us| millis(Duration::from_micros(us)));
        writeln!(text, "  {name:<12} {:>10} {p50:>9} {p90:>9} {p99:>9} {p999:>9} {max:>9}", self.count)
    }
}

//! What a run has shown, as figures: the one source of the summary and of the files.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use flashgate_domain::Timestamp;
use serde::Serialize;

use super::{
    collector::{Collector, Ended},
    latencies::Latencies,
    outcome::Outcome,
    plan::{Aim, Pace, Plan, Protocol},
    show::millis,
    tally::Tally,
};
use crate::ratio::{float, per_second};

/// The percentiles of the curve in the reports.
const CURVE: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

/// Everything that is told about a run. Times are in microseconds where the name says so, counts are requests.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    flashgate: &'static str,
    protocol: Protocol,
    targets: Vec<String>,
    sales: Vec<String>,
    loop_kind: &'static str,
    connections: usize,
    in_flight_per_connection: usize,
    threads: usize,
    seed: u64,
    started_at_ms: u64,
    /// From the first request to the end of the last one: what rates are taken over.
    elapsed_s: f64,
    ended: Ended,
    requests: u64,
    requests_per_s: f64,
    accepted_per_s: f64,
    /// Open loop: requests that were due and never sent, since every connection was busy until the end.
    unsent: u64,
    connects: u64,
    outcomes: BTreeMap<&'static str, u64>,
    codes: BTreeMap<String, u64>,
    answered_us: Percentiles,
    accepted_us: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_lag_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_us: Option<Percentiles>,
    /// Orders that were followed in vain.
    unconfirmed: u64,
    slot_s: f64,
    slots: Vec<Slot>,
}

/// Latencies in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    /// Percentile and latency.
    pub(super) curve: Vec<(f64, u64)>,
}

/// A stretch of a run.
#[derive(Debug, Serialize)]
pub(super) struct Slot {
    pub(super) at_s: f64,
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    pub(super) confirmed_p99_us: u64,
}

impl Report {
    /// The figures of a run that ended after `elapsed`.
    pub(super) fn new(
        plan: &Plan,
        collector: &Collector,
        started_at: Timestamp,
        elapsed: Duration,
        ended: Ended,
    ) -> Self {
        let total = &collector.total;
        let (requests, time) = (total.codes.total(), total.time());
        let sales = match &plan.aim {
            Aim::Sales(sales) => sales.iter().map(ToString::to_string).collect(),
            Aim::Echo(_) => Vec::new(),
        };
        let (loop_kind, send_lag, due) = match plan.pace {
            Pace::Closed { .. } => ("closed", None, requests),
            Pace::Open(schedule) => {
                let due = schedule.due_until(elapsed.min(plan.duration.unwrap_or(elapsed)));
                let due = due.min(plan.requests_max.unwrap_or(due));
                ("open", Some(Percentiles::new(&total.send_lag)), due)
            }
        };
        let width = collector.series.width();
        let slots =
            (0..).zip(collector.series.slots()).map(|(number, tally)| Slot::new(width * number, tally));
        Self {
            flashgate: env!("CARGO_PKG_VERSION"),
            protocol: plan.protocol,
            targets: plan.targets.iter().map(ToString::to_string).collect(),
            sales,
            loop_kind,
            connections: plan.connections.get(),
            in_flight_per_connection: plan.in_flight.get(),
            threads: plan.threads.get(),
            seed: plan.seed,
            started_at_ms: started_at.as_millis(),
            elapsed_s: time.as_secs_f64(),
            ended,
            requests,
            requests_per_s: per_second(requests, time),
            accepted_per_s: per_second(total.codes.of(Outcome::Accepted), time),
            unsent: due.saturating_sub(requests),
            connects: total.connects,
            outcomes: outcomes(total),
            codes: total.codes.by_code().into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
            answered_us: Percentiles::new(&total.answered),
            accepted_us: Percentiles::new(&total.accepted),
            send_lag_us: send_lag,
            confirmed_us: plan.follows_orders().then(|| Percentiles::new(&total.confirmed)),
            unconfirmed: total.unconfirmed,
            slot_s: width.as_secs_f64(),
            slots: slots.collect(),
        }
    }

    /// How many requests got an answer, whatever it said.
    pub(super) fn answers(&self) -> u64 {
        self.answered_us.count
    }

    /// The figures for people.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        // Writing to a string has no way to fail.
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
        for (outcome, count) in Outcome::ALL
            .iter()
            .filter_map(|outcome| self.outcomes.get(outcome.as_str()).map(|count| (outcome.as_str(), *count)))
        {
            let share = 100.0 * float(count) / float(self.requests.max(1));
            writeln!(text, "  {outcome:<12} {count:>10} {share:>7.2}% {:>12.1}", self.rate(count))?;
        }
        writeln!(text, "  {:<12} {:>10} {:>8} {:>12.1}", "all", self.requests, "", self.requests_per_s)?;
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

    fn rate(&self, count: u64) -> f64 {
        if self.elapsed_s > 0.0 { float(count) / self.elapsed_s } else { 0.0 }
    }
}

impl Percentiles {
    fn new(latencies: &Latencies) -> Self {
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

    fn write_row(&self, name: &str, text: &mut String) -> std::fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        let [p50, p90, p99, p999, max] =
            [self.p50, self.p90, self.p99, self.p999, self.max].map(|us| millis(Duration::from_micros(us)));
        writeln!(text, "  {name:<12} {:>10} {p50:>9} {p90:>9} {p99:>9} {p999:>9} {max:>9}", self.count)
    }
}

impl Slot {
    fn new(at: Duration, tally: &Tally) -> Self {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            at_s: at.as_secs_f64(),
            outcomes: outcomes(tally),
            p50_us: us(tally.answered.percentile(50.0)),
            p99_us: us(tally.answered.percentile(99.0)),
            max_us: us(tally.answered.max()),
            confirmed_p99_us: us(tally.confirmed.percentile(99.0)),
        }
    }
}

fn outcomes(tally: &Tally) -> BTreeMap<&'static str, u64> {
    let counted = Outcome::ALL.map(|outcome| (outcome.as_str(), tally.codes.of(outcome)));
    counted.into_iter().filter(|(_, count)| *count > 0).collect()
}

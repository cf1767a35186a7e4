//! What a run has shown, as figures: the one source of the summary and of the files.

mod chart;
mod figures;
mod html;
mod summary;

use std::{collections::BTreeMap, time::Duration};

use figures::{Percentiles, Slot, outcomes};
use flashgate_domain::Timestamp;
use serde::Serialize;

use super::{
    collector::{Collector, Ended},
    outcome::Outcome,
    plan::{Aim, Pace, Plan, Protocol},
};
use crate::ratio::per_second;

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
    outcomes: BTreeMap<Outcome, u64>,
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
            confirmed_us: (plan.followers > 0).then(|| Percentiles::new(&total.confirmed)),
            unconfirmed: total.unconfirmed,
            slot_s: width.as_secs_f64(),
            slots: slots.collect(),
        }
    }

    /// How many requests got an answer, whatever it said.
    pub(super) fn answers(&self) -> u64 {
        self.answered_us.count
    }
}

//! The figures of a run: the one source of the summary and of the files.

mod chart;
mod figures;
mod html;
mod summary;

use std::{collections::BTreeMap, time::Duration};

use figures::{Percentiles, Slot, outcomes};
use flashgate_domain::Timestamp;
use flashgate_output::exit::CliError;
use serde::Serialize;

use super::{
    collector::{Collector, Ended},
    outcome::Outcome,
    plan::{Aim, Pace, Plan, Protocol},
};
use crate::ratio::per_second;

/// All results of a run. Times are in microseconds where the name has `us`, counts are requests.
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
    /// From the first request to the end of the last one: the basis of rates.
    elapsed_s: f64,
    ended: Ended,
    /// All attempted requests.
    requests: u64,
    /// Requests that failed without a connection. No rate counts them.
    never_sent: u64,
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
    /// Followed orders that were not decided in time.
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
        let slots = (0..).zip(collector.series.slots()).map(|(number, tally)| {
            let at = width * number;
            // The last slot ends with the run; a late thread may have filled more than its width.
            let is_last = usize::try_from(number).is_ok_and(|n| n + 1 == collector.series.slots().len());
            let covered = if is_last { elapsed.saturating_sub(at) } else { width };
            Slot::new(at, covered, tally)
        });
        let never_sent = total.never_sent();
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
            never_sent,
            requests_per_s: per_second(requests - never_sent, time),
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

    /// The slots of the charts. A last slot of less than half the width is left out: a few answers in a few
    /// milliseconds would draw a false peak or gap.
    fn drawn_slots(&self) -> &[Slot] {
        match self.slots.split_last() {
            Some((last, others)) if !others.is_empty() && last.width_s < self.slot_s / 2.0 => others,
            Some(_) | None => &self.slots,
        }
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// [`CliError::Other`]; none is known.
    pub(super) fn json(&self) -> Result<Vec<u8>, CliError> {
        serde_json::to_vec_pretty(self).map_err(CliError::other)
    }

    /// Whether the run was valid.
    ///
    /// # Errors
    /// [`CliError::Interrupted`]; [`CliError::Unavailable`] if nothing was answered, or nothing any more;
    /// [`CliError::NotFound`] if a sale does not exist; [`CliError::Usage`] if no gateway answers at the target;
    /// [`CliError::Refused`] if every request was invalid.
    pub(super) fn verdict(&self) -> Result<(), CliError> {
        let count = |outcome| self.outcomes.get(&outcome).copied().unwrap_or(0);
        let answers = self.answered_us.count;
        if self.ended == Ended::Interrupted {
            return Err(CliError::Interrupted(format!("interrupted after {} requests", self.requests)));
        }
        if answers == 0 {
            return Err(CliError::Unavailable("no request was answered".to_owned()));
        }
        let unknown_sales = self.codes.get("sale_not_found").copied().unwrap_or(0);
        if unknown_sales > 0 {
            let sales = self.sales.join(", ");
            let told = format!("--sale {sales}: {unknown_sales} of {answers} answers were `sale_not_found`");
            return Err(CliError::NotFound(told));
        }
        // A purchase that gets an answer of an echo did not reach a gateway.
        let strange = if self.sales.is_empty() { 0 } else { count(Outcome::Answered) };
        let foreign: u64 =
            self.codes.iter().filter(|(code, _)| is_foreign(code)).map(|(_, count)| count).sum();
        if strange + foreign == answers {
            return Err(self.no_gateway());
        }
        if count(Outcome::Rejected) == answers {
            let codes: Vec<&str> = self.codes.keys().map(String::as_str).collect();
            return Err(CliError::Refused(format!("every request was rejected: {}", codes.join(", "))));
        }
        if self.ended == Ended::GaveUp {
            return Err(CliError::Unavailable("given up: requests only failed".to_owned()));
        }
        Ok(())
    }

    fn no_gateway(&self) -> CliError {
        let (port, number) = match self.protocol {
            Protocol::Http1 | Protocol::Http2 => ("HTTP port", 7001),
            Protocol::Grpc | Protocol::GrpcStream => ("gRPC port", 7002),
        };
        let codes: Vec<&str> = self.codes.keys().map(String::as_str).collect();
        CliError::Usage(format!(
            "--target {} sells nothing (it answered {}); --target must name the {port} for buyers of a gateway, \
             {number} by default",
            self.targets.join(", "),
            codes.join(", ")
        ))
    }
}

/// Codes of servers that are no gateway, or of another port of a gateway.
fn is_foreign(code: &str) -> bool {
    const CODES: [&str; 8] = [
        "route_not_found",
        "method_not_allowed",
        "http_400",
        "http_404",
        "http_405",
        "http_415",
        "grpc_12",
        "grpc_13",
    ];
    CODES.contains(&code)
}

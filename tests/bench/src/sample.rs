//! One repetition of one measure.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};

use crate::{
    load::LoadReport,
    number::{float, per_second, share},
    plan::Measure,
    usage::Cost,
};

/// What one repetition has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Of which section.
    pub section: &'static str,
    /// The how manieth, from 0.
    pub round: usize,
    /// What was measured.
    #[serde(serialize_with = "name")]
    pub measure: Measure,
    /// What the measure counts: accepted purchases, answers, orders.
    pub counted: u64,
    /// Over this time.
    pub seconds: f64,
    /// `counted / seconds`
    pub per_second: f64,
    /// Latency of what is counted.
    pub p50_us: Option<u64>,
    /// Latency of what is counted.
    pub p99_us: Option<u64>,
    /// From the answer to a purchase until its order was seen confirmed.
    pub confirmed_p99_us: Option<u64>,
    /// How many requests had which outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Open loop: requests that were due and that no connection was free for.
    pub unsent: u64,
    /// Time on the processors, until everything was settled.
    pub cost: Cost,
    /// What the gateway held in memory at most while the load ran.
    pub gateway_bytes: Option<u64>,
    /// What Redis holds for an order.
    pub redis_bytes_per_order: Option<f64>,
    /// Intents in a batch, on average.
    pub intents_per_batch: Option<f64>,
    /// What the stores, or the answers, contradict.
    pub wrong: Option<String>,
}

impl Sample {
    /// So many in this time; the bench adds where it belongs.
    pub fn new(measure: Measure, counted: u64, time: Duration) -> Self {
        Self {
            section: "",
            round: 0,
            measure,
            counted,
            seconds: time.as_secs_f64(),
            per_second: per_second(counted, time),
            p50_us: None,
            p99_us: None,
            confirmed_p99_us: None,
            outcomes: BTreeMap::new(),
            unsent: 0,
            cost: Cost::default(),
            gateway_bytes: None,
            redis_bytes_per_order: None,
            intents_per_batch: None,
            wrong: None,
        }
    }

    /// The answers with these outcomes. Every other outcome than these and `allowed` is wrong.
    pub fn of_answers(measure: Measure, report: &LoadReport, counted: &[&str], allowed: &[&str]) -> Self {
        let count = counted.iter().map(|outcome| report.outcome(outcome)).sum();
        let latencies = if counted.contains(&"accepted") { report.accepted_us } else { report.answered_us };
        let expected = |outcome: &str| counted.contains(&outcome) || allowed.contains(&outcome);
        let unexpected: Vec<String> = report
            .outcomes
            .iter()
            .filter(|(outcome, _)| !expected(outcome))
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        Self {
            p50_us: Some(latencies.p50),
            p99_us: Some(latencies.p99),
            confirmed_p99_us: report.confirmed_us.map(|confirmed| confirmed.p99),
            outcomes: report.outcomes.clone(),
            unsent: report.unsent,
            wrong: (!unexpected.is_empty()).then(|| unexpected.join(", ")),
            ..Self::new(measure, count, Duration::from_secs_f64(report.elapsed_s))
        }
    }

    /// Something else that is wrong.
    pub fn blame(&mut self, wrong: Option<String>) {
        let both = self.wrong.take().into_iter().chain(wrong).collect::<Vec<_>>().join("; ");
        self.wrong = (!both.is_empty()).then_some(both);
    }

    /// Microseconds on the processor for each that was counted.
    pub fn cpu_us(&self, role: &str) -> Option<f64> {
        let seconds = self.cost.cpu_s.get(role)?;
        (self.counted > 0).then(|| share(seconds * 1e6, float(self.counted)))
    }
}

fn name<S: Serializer>(measure: &Measure, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(measure)
}

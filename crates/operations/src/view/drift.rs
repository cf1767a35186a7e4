//! Compensating steps: planned or taken against a drift.

use std::fmt::Write;

use flashgate_domain::audit::Finding;
use serde::Serialize;

use crate::{
    audit::OrderMark,
    repair::drift::{DriftPlan, Step, StepLog},
};

/// The findings, the steps planned or taken, and the result.
#[derive(Clone, Debug, Serialize)]
pub struct DriftView {
    /// The sale.
    pub sale_id: String,
    /// Whether the steps are taken; else this is a dry run.
    pub applied: bool,
    /// The id of the record, if there was anything to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_id: Option<String>,
    /// The verdict of the audit before the steps.
    pub verdict: &'static str,
    /// The steps, in this order.
    pub steps: Vec<StepView>,
    /// The findings of the last audit that no step corrects.
    pub remedies: Vec<RemedyView>,
    /// The verdict of the audit after the steps, if any was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_after: Option<&'static str>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// `ledger` or `order_store`.
    pub side: &'static str,
    /// The action.
    pub what: String,
    /// The state that the step expects: it is refused if that has changed.
    pub seen: String,
    /// The change of the units left.
    pub units: i64,
    /// The result; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// The remedy for a finding that no step corrects.
#[derive(Clone, Debug, Serialize)]
pub struct RemedyView {
    /// The name of the finding.
    pub kind: &'static str,
    /// The finding as a sentence.
    pub found: String,
    /// What to do.
    pub remedy: &'static str,
}

impl DriftView {
    /// The view before the first step.
    pub fn new(applied: bool, look: &DriftPlan) -> Self {
        Self {
            sale_id: look.report.sale.to_string(),
            applied,
            repair_id: None,
            verdict: look.report.verdict().as_str(),
            steps: look.steps.iter().map(StepView::from).collect(),
            remedies: remedies(look),
            verdict_after: None,
        }
    }

    /// Sets the id of the record.
    pub fn is_recorded_as(&mut self, repair_id: u64) {
        self.repair_id = Some(repair_id.to_string());
    }

    /// Sets the result of the last audit.
    pub fn ends_with(&mut self, look: &DriftPlan) {
        self.remedies = remedies(look);
        self.verdict_after = Some(look.report.verdict().as_str());
    }

    /// One line per step, for the record.
    pub fn record(&self) -> String {
        let mut text = String::new();
        for StepView { side, what, seen, result, .. } in &self.steps {
            let result = result.as_deref().map(|result| format!(": {result}")).unwrap_or_default();
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{side}: {what} (seen: {seen}){result}");
        }
        text
    }
}

impl StepLog for DriftView {
    fn continues_with(&mut self, look: &DriftPlan) {
        self.steps.extend(look.steps.iter().map(StepView::from));
    }

    fn result_of_next(&mut self, result: String) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.result.is_none()) {
            step.result = Some(result);
        }
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        let (side, what, seen, units) = match step {
            Step::Ledger(step) => {
                let (on, count) = (way(step.units()), step.units().unsigned_abs());
                let seen = format!(
                    "generation {}, {} steps, off by {} from the totals, by {} from the order store",
                    step.generation, step.adjustments, step.in_ledger, step.across
                );
                ("ledger", format!("{on} {count} units"), seen, step.units())
            }
            Step::Store(step) => {
                let (on, count) = (way(step.units()), step.units().unsigned_abs());
                let seen = format!("{} steps, off by {} from the orders", step.adjustments, step.in_store);
                ("order_store", format!("{on} {count} units"), seen, step.units())
            }
            Step::Order { order, seen, settled } => {
                ("order_store", format!("order {order} becomes {}", mark(settled)), mark(seen), 0)
            }
            Step::Returns => (
                "ledger",
                "publish the returns of cancelled orders again".to_owned(),
                "units are due".to_owned(),
                0,
            ),
            Step::Settle { batch } => {
                ("ledger", format!("settle batch {batch} from the order store"), "no log entry".to_owned(), 0)
            }
        };
        Self { side, what, seen, units, result: None }
    }
}

const fn way(units: i64) -> &'static str {
    if units < 0 { "take" } else { "put back" }
}

fn mark(mark: &OrderMark) -> String {
    let reason = mark.state.reason().map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
    format!("{}{reason}, {} units", mark.state.as_str(), mark.quantity)
}

/// The findings that no step corrects.
fn remedies(look: &DriftPlan) -> Vec<RemedyView> {
    let remedy = |finding: &Finding| {
        let remedy = remedy_of(finding)?;
        Some(RemedyView { kind: finding.name(), found: finding.to_string(), remedy })
    };
    look.report.findings.iter().filter_map(remedy).collect()
}

const fn remedy_of(finding: &Finding) -> Option<&'static str> {
    match finding {
        Finding::ToRedrive { .. } => Some("`flashgate repair re-drive` settles or decides it"),
        Finding::Phantom { fenced: true, .. } => {
            Some("`flashgate repair rebuild --pause` puts its orders back")
        }
        Finding::Leaked { suspects, .. } if !suspects.is_empty() => Some(
            "they may be held by batches that are yet to be decided: look again, or ask the broker for them",
        ),
        Finding::ChangedBatch { orders, .. } if orders.is_empty() => {
            Some("a row is missing: put it back from a backup, since the ledger holds only digests")
        }
        Finding::OrdersMissing { .. } => Some(
            "no units are put back: theirs would be sold twice; put the orders back from a backup or the outcomes topic",
        ),
        Finding::PartLost { .. }
        | Finding::HeldTooFew { .. }
        | Finding::HeldTooMany { .. }
        | Finding::ReturnedTooMany { .. } => {
            Some("`flashgate repair rebuild --pause` puts back what the orders say")
        }
        Finding::MissingInLedger => Some("`flashgate repair rebuild` builds it anew"),
        Finding::OtherGeneration { ledger, store } if *ledger < *store => {
            Some("a failover has lost a rebuild, or one was broken off: `flashgate repair rebuild --pause`")
        }
        Finding::OtherGeneration { .. } => {
            Some("a gateway works on another ledger: look at its redis.prefix and address")
        }
        Finding::RestocksDue { .. } => Some(
            "a gateway counts them within seconds: look why none has read the sale or can write to its ledger",
        ),
        Finding::Phantom { fenced: false, .. }
        | Finding::Leaked { .. }
        | Finding::ReturnsDue { .. }
        | Finding::Surplus { .. }
        | Finding::LedgerContradiction { .. }
        | Finding::StoreContradiction { .. }
        | Finding::ChangedBatch { .. } => None,
    }
}

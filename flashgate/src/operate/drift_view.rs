//! Compensating steps, for people and for programs.

use std::fmt::Write;

use comfy_table::{Table, presets};
use flashgate_domain::audit::Finding;
use flashgate_operations::{
    audit::OrderMark,
    repair::drift::{Journal, Look, Step},
};
use serde::Serialize;

/// What was found, what is or would be done about it, and how it ends.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DriftView {
    sale_id: String,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_id: Option<String>,
    /// Of the audit before.
    verdict: &'static str,
    steps: Vec<StepView>,
    /// What no step here puts right, as the last audit found it.
    remedies: Vec<RemedyView>,
    /// Of the audit afterwards, if anything was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_after: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct StepView {
    /// `ledger` or `order_store`.
    side: &'static str,
    /// What is done.
    what: String,
    /// What it names: it is refused if that has moved.
    seen: String,
    /// By how many units what is left changes.
    units: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct RemedyView {
    kind: &'static str,
    found: String,
    remedy: &'static str,
}

impl DriftView {
    pub(super) fn new(applied: bool, look: &Look) -> Self {
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

    /// It was written down under this number.
    pub(super) fn is_recorded_as(&mut self, repair_id: u64) {
        self.repair_id = Some(repair_id.to_string());
    }

    /// What the last audit says.
    pub(super) fn ends_with(&mut self, look: &Look) {
        self.remedies = remedies(look);
        self.verdict_after = Some(look.report.verdict().as_str());
    }

    /// One line a step, for the record.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        for StepView { side, what, seen, result, .. } in &self.steps {
            let result = result.as_deref().map(|result| format!(": {result}")).unwrap_or_default();
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{side}: {what} (seen: {seen}){result}");
        }
        text
    }

    /// One line a step, and one for whatever needs something else.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["SIDE", "STEP", "SEEN", "RESULT"]);
        for step in &self.steps {
            let result = step.result.clone().unwrap_or_default();
            table.add_row([step.side.to_owned(), step.what.clone(), step.seen.clone(), result]);
        }
        let mut text = format!("sale {}: {}\n", self.sale_id, self.verdict);
        if !self.steps.is_empty() {
            text.push_str(&table.trim_fmt());
            text.push('\n');
        }
        for RemedyView { kind, found, remedy } in &self.remedies {
            let _ = writeln!(text, "{kind}: {found}. {remedy}");
        }
        let end = match (&self.repair_id, self.verdict_after) {
            (Some(id), Some(verdict)) => format!("repair {id}: {verdict}"),
            _ if self.steps.is_empty() => "nothing to compensate".to_owned(),
            _ => "a dry run: nothing was done; --apply does it".to_owned(),
        };
        text + &end
    }
}

impl Journal for DriftView {
    fn goes_on_with(&mut self, look: &Look) {
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

/// The findings that need something else.
fn remedies(look: &Look) -> Vec<RemedyView> {
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
        Finding::PartLost { .. } | Finding::HeldTooFew { .. } | Finding::HeldTooMany { .. } => {
            Some("`flashgate repair rebuild --pause` puts back what the orders say")
        }
        Finding::MissingInLedger => Some("`flashgate repair rebuild` builds it anew"),
        Finding::OtherGeneration { ledger, store } if *ledger < *store => {
            Some("a failover has lost a rebuild, or one was broken off: `flashgate repair rebuild --pause`")
        }
        Finding::OtherGeneration { .. } => {
            Some("a gateway works on another ledger: look at its redis.prefix and address")
        }
        Finding::Phantom { fenced: false, .. }
        | Finding::Leaked { .. }
        | Finding::Surplus { .. }
        | Finding::LedgerContradiction { .. }
        | Finding::StoreContradiction { .. }
        | Finding::ChangedBatch { .. } => None,
    }
}

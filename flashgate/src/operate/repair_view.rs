//! Repairs, for people and for programs.

use comfy_table::{Table, presets};
use flashgate_operations::repair::Stuck;
use flashgate_proto::v1;
use serde::Serialize;

use super::moment::show;

/// A repair that was written down.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RepairView {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sale_id: Option<String>,
    kind: String,
    actor: String,
    reason: String,
    before: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    began_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at_ms: Option<u64>,
}

impl From<v1::RepairEvent> for RepairView {
    fn from(event: v1::RepairEvent) -> Self {
        let ended = event.ended_at_ms > 0;
        Self {
            id: event.id.to_string(),
            sale_id: (event.sale_id > 0).then(|| event.sale_id.to_string()),
            kind: event.kind,
            actor: event.actor,
            reason: event.reason,
            before: event.before,
            after: ended.then_some(event.after),
            began_at_ms: event.began_at_ms,
            ended_at_ms: ended.then_some(event.ended_at_ms),
        }
    }
}

impl RepairView {
    /// Some lines a repair.
    pub(super) fn list(repairs: &[Self]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["REPAIR", "BEGAN", "KIND", "SALE", "BY", "REASON", "BEFORE", "AFTER"]);
        for repair in repairs {
            table.add_row([
                repair.id.clone(),
                show(repair.began_at_ms),
                repair.kind.clone(),
                repair.sale_id.clone().unwrap_or_default(),
                repair.actor.clone(),
                repair.reason.clone(),
                repair.before.trim_end().to_owned(),
                repair.after.as_deref().unwrap_or("not ended").trim_end().to_owned(),
            ]);
        }
        table.trim_fmt()
    }
}

/// Batches that are, or would be, re-driven.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RedriveView {
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_id: Option<String>,
    batches: Vec<RedrivenBatch>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
struct RedrivenBatch {
    batch_id: String,
    sale_id: String,
    orders: u64,
    units: u64,
    /// Whether its outcome is published again; else its message is sent again.
    decided: bool,
    /// What became of it; nothing in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

impl From<&Stuck> for RedrivenBatch {
    fn from(stuck: &Stuck) -> Self {
        Self {
            batch_id: stuck.batch.to_string(),
            sale_id: stuck.sale.to_string(),
            orders: stuck.amount.orders,
            units: stuck.amount.units,
            decided: stuck.decided,
            result: stuck.result.clone(),
        }
    }
}

impl RedriveView {
    pub(super) fn new(applied: bool, repair_id: Option<u64>, batches: &[Stuck]) -> Self {
        let batches = batches.iter().map(RedrivenBatch::from).collect();
        Self { applied, repair_id: repair_id.map(|id| id.to_string()), batches }
    }

    /// One line a batch.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["BATCH", "SALE", "ORDERS", "UNITS", "TO BE", "RESULT"]);
        for batch in &self.batches {
            table.add_row([
                batch.batch_id.clone(),
                batch.sale_id.clone(),
                batch.orders.to_string(),
                batch.units.to_string(),
                if batch.decided { "settled" } else { "decided" }.to_owned(),
                batch.result.clone().unwrap_or_default(),
            ]);
        }
        let end = match (&self.repair_id, self.applied) {
            (Some(id), _) => format!("repair {id}"),
            (None, true) => "nothing to do".to_owned(),
            (None, false) => "a dry run: nothing was done; --apply does it".to_owned(),
        };
        format!("{}\n{end}", table.trim_fmt())
    }
}

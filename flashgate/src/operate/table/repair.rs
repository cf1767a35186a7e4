//! Repairs: recorded ones, re-drives and rebuilds.

use flashgate_operations::view::{RebuildView, RedriveView, RepairView, redrive::RedrivenBatchView};

use super::{DRY_RUN, table};
use crate::operate::moment::show;

/// Some lines a recorded repair.
pub(crate) fn list(repairs: &[RepairView]) -> String {
    let row = |repair: &RepairView| {
        [
            repair.id.clone(),
            show(repair.began_at_ms),
            repair.kind.clone(),
            repair.sale_id.clone().unwrap_or_default(),
            repair.actor.clone(),
            repair.reason.clone(),
            repair.before.trim_end().to_owned(),
            repair.after.as_deref().unwrap_or("not ended").trim_end().to_owned(),
        ]
    };
    let columns = ["REPAIR", "BEGAN", "KIND", "SALE", "BY", "REASON", "BEFORE", "AFTER"];
    table(columns, &[], repairs.iter().map(row))
}

/// One line a batch that is, or would be, re-driven.
pub(crate) fn redrive(redrive: &RedriveView) -> String {
    let row = |batch: &RedrivenBatchView| {
        [
            batch.batch_id.clone(),
            batch.sale_id.clone(),
            batch.orders.to_string(),
            batch.units.to_string(),
            if batch.decided { "settled" } else { "decided" }.to_owned(),
            batch.result.clone().unwrap_or_default(),
        ]
    };
    let columns = ["BATCH", "SALE", "ORDERS", "UNITS", "TO BE", "RESULT"];
    let batches = table(columns, &[], redrive.batches.iter().map(row));
    let end = match (&redrive.repair_id, redrive.applied) {
        (Some(id), _) => format!("repair {id}"),
        (None, true) => "nothing to do".to_owned(),
        (None, false) => DRY_RUN.to_owned(),
    };
    format!("{batches}\n{end}")
}

/// What a rebuild finds and does.
pub(crate) fn rebuild(rebuild: &RebuildView) -> String {
    let RebuildView { sale_id, ledger, generation, saleable, orders, open_batches, .. } = rebuild;
    let backlog = rebuild.backlog_messages.map_or_else(|| "not known".to_owned(), |count| count.to_string());
    let found = format!(
        "sale {sale_id}: {ledger} in the ledger, generation {generation}\n\
         order store: {orders} orders, {saleable} units left; messages that wait: {backlog}; open batches: \
         {open_batches}"
    );
    match (rebuild.restored_orders, rebuild.seconds) {
        (Some(restored), Some(seconds)) => {
            format!("{found}\nrebuilt from {restored} orders in {seconds:.1} s; the sale goes on")
        }
        _ => format!("{found}\n{DRY_RUN}"),
    }
}

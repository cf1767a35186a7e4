//! A rebuild of a ledger.

use std::time::Duration;

use serde::Serialize;

use crate::repair::rebuild::{RebuildStatus, Rebuilt};

/// The findings and results of a rebuild.
#[derive(Clone, Debug, Serialize)]
pub struct RebuildView {
    /// The sale.
    pub sale_id: String,
    /// Whether it was done; else this is a dry run.
    pub applied: bool,
    /// The id of its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_id: Option<String>,
    /// The state in the ledger before, or `missing`.
    pub ledger: String,
    /// Batches of the sale that are open in the ledger.
    pub open_batches: usize,
    /// Messages that wait for the order workers; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog_messages: Option<u64>,
    /// The generation of the sale: the new one, if rebuilt.
    pub generation: u32,
    /// Units left in the order store.
    pub saleable: u64,
    /// Orders in the order store.
    pub orders: u64,
    /// The number of orders that the ledger was rebuilt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_orders: Option<u64>,
    /// The duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl RebuildView {
    /// The view before the rebuild.
    pub fn new(standing: &RebuildStatus) -> Self {
        let ledger = standing.ledger.as_ref().map_or("missing", |snapshot| snapshot.state.as_str());
        Self {
            sale_id: standing.sale.sale_id.to_string(),
            applied: false,
            repair_id: None,
            ledger: ledger.to_owned(),
            open_batches: standing.open_batches(),
            backlog_messages: standing.backlog.known.then_some(standing.backlog.messages),
            generation: standing.sale.generation,
            saleable: standing.store.saleable,
            orders: standing.orders(),
            restored_orders: None,
            seconds: None,
        }
    }

    /// The view after the rebuild.
    #[must_use]
    pub fn rebuilt(self, repair_id: u64, rebuilt: Rebuilt, took: Duration) -> Self {
        Self {
            applied: true,
            repair_id: Some(repair_id.to_string()),
            generation: rebuilt.generation,
            restored_orders: Some(rebuilt.orders),
            seconds: Some(took.as_secs_f64()),
            ..self
        }
    }
}

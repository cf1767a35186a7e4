//! Re-driven batches, or those of a dry run.

use serde::Serialize;

use crate::repair::Stuck;

/// The actions of a re-drive.
#[derive(Clone, Debug, Serialize)]
pub struct RedriveView {
    /// Whether it was done; else this is a dry run.
    pub applied: bool,
    /// The id of its record, if there was anything to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_id: Option<String>,
    /// The batches, by id.
    pub batches: Vec<RedrivenBatchView>,
}

/// One of the batches.
#[derive(Clone, Debug, Serialize)]
pub struct RedrivenBatchView {
    /// The batch.
    pub batch_id: String,
    /// The sale whose audit found it.
    pub sale_id: String,
    /// Its orders of the sale.
    pub orders: u64,
    /// Their units.
    pub units: u64,
    /// Whether its outcome is republished; else its message is resent.
    pub decided: bool,
    /// The result; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl From<&Stuck> for RedrivenBatchView {
    fn from(stuck: &Stuck) -> Self {
        let Stuck { batch, sale, amount, decided, result } = stuck;
        Self {
            batch_id: batch.to_string(),
            sale_id: sale.to_string(),
            orders: amount.orders,
            units: amount.units,
            decided: *decided,
            result: result.clone(),
        }
    }
}

impl RedriveView {
    /// The view of these batches.
    pub fn new(applied: bool, repair_id: Option<u64>, batches: &[Stuck]) -> Self {
        let batches = batches.iter().map(RedrivenBatchView::from).collect();
        Self { applied, repair_id: repair_id.map(|id| id.to_string()), batches }
    }
}

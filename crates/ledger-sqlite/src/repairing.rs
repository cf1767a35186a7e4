//! Rebuilding sales and compensating their units.

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, Sale, SaleId, audit::LedgerStep};
use flashgate_ledger::{Compensated, LedgerError, Rebuilding, Rebuilt, Repairing, Restored};

use super::SqliteLedger;

#[async_trait]
impl Repairing for SqliteLedger {
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError> {
        let sale = sale.clone();
        self.write("begin_rebuild", move |round| round.begin_rebuild(&sale)).await
    }

    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError> {
        self.is_meant()?;
        let decided = self.decided(outcome)?;
        self.write("restore", move |round| round.restore(sale, generation, decided)).await
    }

    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError> {
        self.write("end_rebuild", move |round| round.end_rebuild(sale, generation, available)).await
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError> {
        let step = *step;
        self.write("compensate", move |round| round.compensate(sale, &step)).await
    }
}

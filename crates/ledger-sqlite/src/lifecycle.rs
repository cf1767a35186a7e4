//! The lifecycle of sales.

use async_trait::async_trait;
use flashgate_domain::{Sale, SaleId};
use flashgate_ledger::{Activated, LedgerError, Prepared, Restocked, SaleLifecycle};

use super::SqliteLedger;

#[async_trait]
impl SaleLifecycle for SqliteLedger {
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError> {
        let sale = sale.clone();
        self.write("prepare", move |round| round.prepare(&sale)).await
    }

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError> {
        self.write("activate", move |round| round.activate(sale, generation)).await
    }

    async fn restock(&self, sale: &Sale) -> Result<Restocked, LedgerError> {
        let (sale, generation, restocked) = (sale.id, sale.generation, sale.restocked);
        self.write("restock", move |round| round.restock(sale, generation, restocked)).await
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError> {
        self.write("pause", move |round| round.pause(sale)).await
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerError> {
        self.write("close", move |round| round.close(sale)).await
    }

    /// The thread frees them by itself.
    async fn sweep(&self) -> Result<u64, LedgerError> {
        Ok(0)
    }
}

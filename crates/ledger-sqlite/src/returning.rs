//! Returning units that confirmed orders gave up.

use async_trait::async_trait;
use flashgate_ledger::{CancelledOrder, LedgerError, Returned, Returning, intents::IntentFields};

use super::SqliteLedger;

#[async_trait]
impl Returning for SqliteLedger {
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError> {
        self.is_meant()?;
        let asked = IntentFields::of_cancelled(self.shards, order)?;
        let (batch, order, sale) = (order.batch, order.order, order.intent.sale());
        self.write("return_units", move |round| round.return_units(batch, order, sale, &asked)).await
    }
}

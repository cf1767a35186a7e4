//! Returning units that confirmed orders gave up.

use async_trait::async_trait;
use flashgate_ledger::{CancelledOrder, LedgerError, Returned, Returning, intents::IntentFields};

use super::{SqliteLedger, returns::GivenUp};

#[async_trait]
impl Returning for SqliteLedger {
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError> {
        self.is_meant()?;
        let asked = IntentFields::of_cancelled(self.shards, order)?;
        let CancelledOrder { order, batch, ref intent, is_written_off } = *order;
        let given_up = GivenUp { batch, order, sale: intent.sale(), is_written_off };
        self.write("return_units", move |round| round.return_units(given_up, &asked)).await
    }
}

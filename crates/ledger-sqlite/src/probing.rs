//! Health checks and the time.

use async_trait::async_trait;
use flashgate_domain::Timestamp;
use flashgate_ledger::{LedgerFault, Probing};

use super::SqliteLedger;

#[async_trait]
impl Probing for SqliteLedger {
    async fn time(&self) -> Result<Timestamp, LedgerFault> {
        Ok(self.clock.now())
    }

    async fn ping(&self) -> Result<(), LedgerFault> {
        self.read("ping", |store| {
            let answered = store.ledger().map_err(|error| LedgerFault::Refused(error.to_string()))?;
            answered.map(drop).ok_or_else(|| LedgerFault::Refused("the file is empty".to_owned()))
        })
        .await
    }
}

//! Health checks and the time.

use async_trait::async_trait;
use flashgate_domain::Timestamp;
use flashgate_ledger::{LedgerError, Probing};

use super::SqliteLedger;

#[async_trait]
impl Probing for SqliteLedger {
    async fn time(&self) -> Result<Timestamp, LedgerError> {
        Ok(self.clock.now())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.read("ping", |store| {
            let answered = store.ledger().map_err(|error| LedgerError::Refused(error.to_string()))?;
            answered.map(drop).ok_or_else(|| LedgerError::Refused("the file is empty".to_owned()))
        })
        .await
    }
}

//! Screen, deduct, check back, settle.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, Intent, Shard};
use flashgate_ledger::{Deduction, Fate, LedgerError, Screening, Selling, Settled, intents::Intents};

use super::{SqliteLedger, judge::Judged};

#[async_trait]
impl Selling for SqliteLedger {
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        self.is_meant()?;
        let asked = Intents::new(self.shards, shard, intents.iter())?;
        let now = self.clock.now();
        let index = self.index()?;
        let judged = Judged::new(&asked, now, |sale| index.overlay(sale));
        Ok(judged.into_screening(index.open_orders(shard)))
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError> {
        self.is_meant()?;
        let id = batch.id();
        let intents = Intents::new(self.shards, id.shard(), batch.intents().iter())?;
        // Before the deduction: a batch that is deducted and not acknowledged must have its body, too.
        self.messages.keep(id, body);
        let deducted = self.write("deduct", move |round| round.deduct(id, &intents)).await;
        if let Ok(Deduction::Fenced | Deduction::Refused(_) | Deduction::IdTaken) = deducted {
            self.messages.drop(id);
        }
        deducted
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError> {
        self.is_meant()?;
        self.write("check_back", move |round| round.check_back(batch)).await
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        self.is_meant()?;
        let id = outcome.batch;
        let decided = self.decided(outcome)?;
        let settled = self.write("settle", move |round| round.settle(&decided)).await?;
        self.messages.drop(id);
        Ok(settled)
    }
}

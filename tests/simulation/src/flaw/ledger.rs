//! Flaws of the ledger as gateways have it.

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Intent, LedgerId, Node, OrderId, Sale, SaleId, Shard,
    Timestamp, audit::LedgerStep,
};
use flashgate_ledger::{
    Activated, CancelledOrder, Compensated, Deduction, Fate, Identifying, LedgerError, LedgerEvent,
    LedgerIdentity, LedgerOrder, LogEntry, Observing, Prepared, Probing, Rebuilding, Rebuilt, Repairing,
    Restocked, Restored, Returned, Returning, SaleLifecycle, SaleStock, Screening, Selling, Settled,
    Snapshot, Watching,
};
use flashgate_proto::body;
use futures::stream::BoxStream;

use super::Flaw;
use crate::{clock::START, ledger::SimLedger};

/// The same intents as a batch of their own.
fn anew(body: &[u8]) -> Option<Vec<u8>> {
    let body::LedgerBatch { ledger, batch } = body::decode_batch(Bytes::copy_from_slice(body)).ok()?;
    let id = BatchId::new(START, batch.id().shard(), Node::of_start(0), batch.id().nonce());
    let other = Batch::new(id, batch.into_intents())?;
    Some(body::encode_batch(&other, ledger, START).into())
}

/// A ledger with a flaw, or one that refuses to settle a batch.
pub(super) struct FlawedLedger {
    pub(super) ledger: SimLedger,
    pub(super) flaw: Option<Flaw>,
    pub(super) refused: Option<BatchId>,
}

#[async_trait]
impl Selling for FlawedLedger {
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        self.ledger.screen(shard, intents).await
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError> {
        match self.ledger.deduct(batch, body).await {
            Err(LedgerError::NoAnswer(why)) if self.flaw == Some(Flaw::TimeoutIsNo) => {
                Err(LedgerError::Refused(why))
            }
            answer => answer,
        }
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError> {
        if self.flaw != Some(Flaw::NoFence) {
            return self.ledger.check_back(batch).await;
        }
        let known = self.ledger.order(batch.base()).await?;
        Ok(if known.is_some() { Fate::Deducted } else { Fate::Fenced })
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        if self.refused == Some(outcome.batch) {
            return Err(LedgerError::Refused("simulated".to_owned()));
        }
        self.ledger.settle(outcome).await
    }
}

#[async_trait]
impl Returning for FlawedLedger {
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError> {
        self.ledger.return_units(order).await
    }
}

#[async_trait]
impl SaleLifecycle for FlawedLedger {
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError> {
        self.ledger.prepare(sale).await
    }

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError> {
        self.ledger.activate(sale, generation).await
    }

    async fn restock(&self, sale: &Sale) -> Result<Restocked, LedgerError> {
        let mut told = sale.clone();
        if self.flaw == Some(Flaw::RestockAgain)
            && let Some(snapshot) = self.ledger.snapshot(sale.id).await?
        {
            told.restocked += snapshot.totals.restocked;
        }
        self.ledger.restock(&told).await
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError> {
        self.ledger.pause(sale).await
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerError> {
        self.ledger.close(sale).await
    }

    async fn sweep(&self) -> Result<u64, LedgerError> {
        self.ledger.sweep().await
    }
}

#[async_trait]
impl Observing for FlawedLedger {
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError> {
        self.ledger.order(order).await
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError> {
        self.ledger.entry(batch).await
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError> {
        let body = self.ledger.message(batch).await?;
        Ok(match self.flaw {
            Some(Flaw::NoBodies) => None,
            Some(Flaw::RedriveAnew) => body.and_then(|body| anew(&body)),
            Some(_) | None => body,
        })
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError> {
        self.ledger.snapshot(sale).await
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError> {
        self.ledger.holdings(sale, buyers).await
    }
}

#[async_trait]
impl Watching for FlawedLedger {
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError> {
        self.ledger.stock(sale).await
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError> {
        self.ledger.keys(sale).await
    }

    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
        self.ledger.events().await
    }
}

#[async_trait]
impl Repairing for FlawedLedger {
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError> {
        self.ledger.begin_rebuild(sale).await
    }

    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError> {
        if self.flaw == Some(Flaw::EmptyRebuild) {
            return Ok(Restored::Done);
        }
        self.ledger.restore(sale, generation, outcome).await
    }

    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError> {
        let left = match self.flaw {
            Some(Flaw::EmptyRebuild) => self.ledger.stock(sale).await?.map(|stock| stock.available),
            Some(_) | None => None,
        };
        self.ledger.end_rebuild(sale, generation, left.unwrap_or(available)).await
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError> {
        self.ledger.compensate(sale, step).await
    }
}

#[async_trait]
impl Identifying for FlawedLedger {
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError> {
        self.ledger.identity(shard).await
    }

    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerError> {
        self.ledger.establish(shard, identity).await
    }

    fn expect_ledger(&self, ledger: LedgerId) {
        self.ledger.expect_ledger(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerError> {
        self.ledger.next_node().await
    }
}

#[async_trait]
impl Probing for FlawedLedger {
    async fn time(&self) -> Result<Timestamp, LedgerError> {
        self.ledger.time().await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.ledger.ping().await
    }
}

//! Deliberate breaks, to show that the simulation can fail. Each is a wrapper around a part: the code under test
//! stays as it is.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Intent, LedgerId, Node, OrderId, Sale, SaleId, Shard,
    Timestamp,
    audit::{LedgerSnapshot, LedgerStep},
};
use flashgate_ledger::{
    Activated, CancelledOrder, Compensated, Deduction, Fate, Identifying, Ledger, LedgerError, LedgerEvent,
    LedgerIdentity, LedgerOrder, LogEntry, Observing, Prepared, Probing, Rebuilding, Rebuilt, Repairing,
    Restored, Returned, Returning, SaleLifecycle, SaleStock, Screening, Selling, Settled, Snapshot, Watching,
};
use flashgate_messaging::{
    BusError, CheckBackHandler, CheckedMessage, Delivery, Position, Resolution, Subscription,
};
use flashgate_operations::audit::{LedgerSide, LogTrace, OrderMark, SideError};
use flashgate_proto::body;
use futures::stream::BoxStream;

use crate::{broker::SimSubscription, clock::START, ledger::SimLedger};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Check-back looks and leaves no fence.
    NoFence,
    /// A check-back in doubt answers Commit.
    CommitByDefault,
    /// A check-back in doubt answers Rollback.
    RollbackByDefault,
    /// A deduction that was not answered is taken for one that did not happen.
    TimeoutIsNo,
    /// The worker acknowledges what it has not handled.
    AcknowledgeFirst,
    /// An audit is not told of the batches that are in flight.
    BlindAudit,
    /// The ledger keeps no body of a message, so that nothing can be sent again.
    NoBodies,
    /// What is sent again is another batch.
    RedriveAnew,
    /// Who compensates is not told of the batches that are in flight.
    BlindRepair,
    /// A rebuild restores nothing, and the sale goes on with what is left then.
    EmptyRebuild,
    /// No client makes another connection when its own is frozen.
    NoReconnect,
    /// A transaction of the order store that outlives its client holds no row, and writes what it saw.
    LooseTransactions,
    /// The order store never says that a row which was held is free again.
    StuckRows,
    /// The ledger judges by the clock of the gateway that calls it.
    OwnClock,
    /// A gateway tells the fate of batches that are of another ledger.
    StrangerAnswers,
    /// A gateway acknowledges outcomes that are of another ledger.
    StrangerSettles,
    /// The ledger's deduction writes its entry before it takes the units.
    EntryFirst,
    /// The ledger's settlement says last that it happened.
    AcknowledgedLast,
    /// The ledger's return of units says last that it happened.
    MarkedLast,
    /// A transition keeps no event: it is published from the memory of its worker alone.
    EventsInMemory,
}

impl Flaw {
    /// Every break.
    pub const ALL: [Self; 20] = [
        Self::NoFence,
        Self::CommitByDefault,
        Self::RollbackByDefault,
        Self::TimeoutIsNo,
        Self::AcknowledgeFirst,
        Self::BlindAudit,
        Self::NoBodies,
        Self::RedriveAnew,
        Self::BlindRepair,
        Self::EmptyRebuild,
        Self::NoReconnect,
        Self::LooseTransactions,
        Self::StuckRows,
        Self::OwnClock,
        Self::StrangerAnswers,
        Self::StrangerSettles,
        Self::EntryFirst,
        Self::AcknowledgedLast,
        Self::MarkedLast,
        Self::EventsInMemory,
    ];
}

/// The ledger of a gateway.
pub fn ledger(ledger: SimLedger, flaw: Option<Flaw>) -> Arc<dyn Ledger> {
    match flaw {
        Some(Flaw::NoFence | Flaw::TimeoutIsNo | Flaw::NoBodies | Flaw::RedriveAnew | Flaw::EmptyRebuild) => {
            Arc::new(FlawedLedger { ledger, flaw, refused: None })
        }
        Some(
            Flaw::CommitByDefault
            | Flaw::RollbackByDefault
            | Flaw::AcknowledgeFirst
            | Flaw::BlindAudit
            | Flaw::BlindRepair
            | Flaw::NoReconnect
            | Flaw::LooseTransactions
            | Flaw::StuckRows
            | Flaw::OwnClock
            | Flaw::StrangerAnswers
            | Flaw::StrangerSettles
            | Flaw::EntryFirst
            | Flaw::AcknowledgedLast
            | Flaw::MarkedLast
            | Flaw::EventsInMemory,
        )
        | None => Arc::new(ledger),
    }
}

/// A ledger that refuses to settle one batch, for ever.
pub fn refusing(ledger: SimLedger, refused: BatchId) -> Arc<dyn Ledger> {
    Arc::new(FlawedLedger { ledger, flaw: None, refused: Some(refused) })
}

/// The check-back handler of a gateway.
pub fn check_back(handler: Arc<dyn CheckBackHandler>, flaw: Option<Flaw>) -> Arc<dyn CheckBackHandler> {
    let default = match flaw {
        Some(Flaw::CommitByDefault) => Resolution::Commit,
        Some(Flaw::RollbackByDefault) => Resolution::Rollback,
        Some(
            Flaw::NoFence
            | Flaw::TimeoutIsNo
            | Flaw::AcknowledgeFirst
            | Flaw::BlindAudit
            | Flaw::NoBodies
            | Flaw::RedriveAnew
            | Flaw::BlindRepair
            | Flaw::EmptyRebuild
            | Flaw::NoReconnect
            | Flaw::LooseTransactions
            | Flaw::StuckRows
            | Flaw::OwnClock
            | Flaw::StrangerAnswers
            | Flaw::StrangerSettles
            | Flaw::EntryFirst
            | Flaw::AcknowledgedLast
            | Flaw::MarkedLast
            | Flaw::EventsInMemory,
        )
        | None => return handler,
    };
    Arc::new(Decided { handler, default })
}

/// The subscription of a worker.
pub const fn subscription(subscription: SimSubscription, flaw: Option<Flaw>) -> Hasty {
    Hasty { subscription, is_hasty: matches!(flaw, Some(Flaw::AcknowledgeFirst)) }
}

/// The ledger of an audit.
pub fn audited<L: LedgerSide + 'static>(ledger: L, flaw: Option<Flaw>) -> Arc<dyn LedgerSide> {
    if flaw == Some(Flaw::BlindAudit) { Arc::new(Blind(ledger)) } else { Arc::new(ledger) }
}

/// The ledger of a repair.
pub fn repaired<L: LedgerSide + 'static>(ledger: L, flaw: Option<Flaw>) -> Arc<dyn LedgerSide> {
    if flaw == Some(Flaw::BlindRepair) { Arc::new(Blind(ledger)) } else { Arc::new(ledger) }
}

struct Blind<L>(L);

#[async_trait]
impl<L: LedgerSide> LedgerSide for Blind<L> {
    async fn snapshot(&self, sale: SaleId) -> Result<Option<LedgerSnapshot>, SideError> {
        let told = self.0.snapshot(sale).await?;
        Ok(told.map(|books| LedgerSnapshot { open: Vec::new(), keys: 0, written: None, ..books }))
    }

    async fn trace(&self, sale: SaleId, batches: &[BatchId]) -> Result<Vec<LogTrace>, SideError> {
        self.0.trace(sale, batches).await
    }

    async fn orders(&self, batch: BatchId) -> Result<Vec<OrderMark>, SideError> {
        self.0.orders(batch).await
    }

    async fn purchase(&self, intent: &Intent) -> Result<Option<OrderId>, SideError> {
        self.0.purchase(intent).await
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, SideError> {
        self.0.holdings(sale, buyers).await
    }
}

struct Decided {
    handler: Arc<dyn CheckBackHandler>,
    default: Resolution,
}

#[async_trait]
impl CheckBackHandler for Decided {
    async fn check_back(&self, message: CheckedMessage) -> Resolution {
        match self.handler.check_back(message).await {
            Resolution::Unknown => self.default,
            verdict @ (Resolution::Commit | Resolution::Rollback) => verdict,
        }
    }
}

/// A subscription that may acknowledge at once what it returns.
pub struct Hasty {
    subscription: SimSubscription,
    is_hasty: bool,
}

#[async_trait]
impl Subscription for Hasty {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let polled = self.subscription.poll(max, wait).await;
        if self.is_hasty {
            self.subscription.commit(&self.subscription.position()).await?;
        }
        polled
    }

    fn position(&self) -> Vec<Position> {
        self.subscription.position()
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        self.subscription.commit(position).await
    }

    async fn lag(&self) -> Result<u64, BusError> {
        self.subscription.lag().await
    }
}

/// The same intents as a batch of their own.
fn anew(body: &[u8]) -> Option<Vec<u8>> {
    let body::LedgerBatch { ledger, batch } = body::decode_batch(Bytes::copy_from_slice(body)).ok()?;
    let id = BatchId::new(START, batch.id().shard(), Node::of_start(0), batch.id().nonce());
    let other = Batch::new(id, batch.into_intents())?;
    Some(body::encode_batch(&other, ledger, START).into())
}

struct FlawedLedger {
    ledger: SimLedger,
    flaw: Option<Flaw>,
    refused: Option<BatchId>,
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

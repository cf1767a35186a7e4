//! Deliberate breaks, to show that the simulation can fail. Each is a wrapper around a part: the code under test
//! stays as it is.

mod ledger;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{BatchId, BuyerDigest, Intent, OrderId, SaleId, audit::LedgerSnapshot};
use flashgate_ledger::Ledger;
use flashgate_messaging::{
    BusError, CheckBackHandler, CheckedMessage, Delivery, Position, Resolution, Subscription,
};
use flashgate_operations::audit::{LedgerSide, LogTrace, OrderMark, SideError};
use ledger::FlawedLedger;

use crate::{broker::SimSubscription, ledger::SimLedger};

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
    /// A timeout cancels an order that was paid.
    TimeoutOfPaid,
    /// A timeout cancels the orders of a batch that are not due yet as well.
    TimeoutOfBatch,
    /// Only one deadline of a batch is stored.
    OneDeadline,
    /// A look-up does not find out when an order is due.
    DueUnknown,
    /// The broker forgets delayed messages that it has confirmed.
    TimersForgotten,
    /// Money that no order needs is kept.
    SurplusKept,
    /// A timeout cancels an order whose payment attempt is open.
    TimeoutOfOpen,
    /// The ledger adds the units of a restock whenever it is told of them.
    RestockAgain,
}

impl Flaw {
    /// Every break.
    pub const ALL: [Self; 28] = [
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
        Self::TimeoutOfPaid,
        Self::TimeoutOfBatch,
        Self::OneDeadline,
        Self::DueUnknown,
        Self::TimersForgotten,
        Self::SurplusKept,
        Self::TimeoutOfOpen,
        Self::RestockAgain,
    ];
}

/// The ledger of a gateway.
pub fn ledger(ledger: SimLedger, flaw: Option<Flaw>) -> Arc<dyn Ledger> {
    match flaw {
        Some(
            Flaw::NoFence
            | Flaw::TimeoutIsNo
            | Flaw::NoBodies
            | Flaw::RedriveAnew
            | Flaw::EmptyRebuild
            | Flaw::RestockAgain,
        ) => Arc::new(FlawedLedger { ledger, flaw, refused: None }),
        Some(_) | None => Arc::new(ledger),
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
        Some(_) | None => return handler,
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

//! From an intent to a settled batch.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, Intent, OrderId, SaleId, Shard, Timestamp};

use crate::{LedgerError, SaleStock};

/// The steps of a batch: its intents are screened, it is deducted, and settled, or checked back.
///
/// Called for every batch, by the lanes of the batcher and by the consumers of check-backs and of outcomes: the hot
/// path of a ledger. It changes when the protocol of a batch does.
#[async_trait]
pub trait Selling: Send + Sync + 'static {
    /// Judges intents of one shard without changing anything. Earlier intents of the call count too: a key that appears
    /// twice passes once ([`IntentResult::Repeated`]), and a buyer's allowance is shared by its intents.
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError>;

    /// Applies the whole batch and writes its log entry, or applies nothing. Every sale must be of the shard of the
    /// batch id.
    ///
    /// `body` is that of the batch's half-message. It is stored until the batch is settled, so that a lost message can
    /// be sent again ([`Observing::message`]).
    ///
    /// [`Observing::message`]: crate::Observing::message
    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError>;

    /// Returns the fate of a batch, and makes it final: without a log entry, the batch is fenced, and a later
    /// deduction is refused.
    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError>;

    /// Records what the order store decided about a batch; a second call changes nothing. An unknown batch is deducted
    /// now, from the outcome.
    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError>;
}

/// The result of judging one intent. The order of the checks: replays before the state of the sale, the window before
/// the stock, the stock before the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentResult {
    /// The intent passes.
    Pass,
    /// The same key has an order with the same quantity.
    Replay(OrderId),
    /// The same key has an order with another quantity.
    KeyReused,
    /// The same key appeared earlier in the same call.
    Repeated,
    /// The sale is missing in the ledger.
    Missing,
    /// The sale is prepared but not activated.
    NotReady,
    /// The sale is paused.
    Paused,
    /// The window has not begun, by the ledger's clock.
    NotOpen {
        /// When it begins.
        opens_at: Timestamp,
    },
    /// The window is over by the ledger's clock, or the sale is closed.
    Ended,
    /// Not enough units are left (counting what earlier intents of the call take).
    SoldOut,
    /// The buyer would hold more than the limit (counting earlier intents of the call).
    OverLimit,
}

/// The result of [`Selling::screen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    /// One for each intent, in their order.
    pub results: Vec<IntentResult>,
    /// One for each sale of the call that is in the ledger.
    pub stocks: Vec<SaleStock>,
    /// Orders of the shard that are deducted and not settled: the backlog of the order worker.
    pub open_orders: u64,
}

/// The result of [`Selling::deduct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deduction {
    /// Every intent is now an order: applied by this call, or by an earlier one for the same batch.
    Applied {
        /// Each sale of the batch, if this call applied it; empty if an earlier one did.
        stocks: Vec<SaleStock>,
    },
    /// An earlier check-back fenced the batch. Nothing was applied, and never will be.
    Fenced,
    /// At least one intent did not pass. Nothing was applied; the batch may be retried with a new id.
    Refused(Screening),
    /// Another batch has the same base. Nothing was applied; the intents need a new id.
    IdTaken,
}

/// The result of [`Selling::check_back`], final in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The batch is in the log: commit.
    Deducted,
    /// The batch is fenced, now or before: roll back.
    Fenced,
}

/// The result of [`Selling::settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The entry was open and is now acknowledged.
    Applied(Vec<SaleStock>),
    /// The entry was acknowledged before; nothing changed.
    Already,
    /// An earlier call failed half-way. Which part of the batch was settled is unknown, and it is not settled again;
    /// its sales must be rebuilt.
    BrokenOff {
        /// The sales that this call paused.
        stopped: Vec<SaleId>,
    },
    /// The batch was unknown: its deduction was applied now. Sales that are missing in the ledger were skipped.
    AppliedLate(Vec<SaleStock>),
    /// The batch is fenced, yet the order store has its orders; or the ledger deducted other intents under its id. An
    /// operator must resolve it. Nothing changed.
    Contradiction,
    /// Another batch has the same base; nothing changed.
    IdTaken,
}

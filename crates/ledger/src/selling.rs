//! From an intent to a settled batch.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, Intent, OrderId, SaleId, Shard, Timestamp};

use crate::{LedgerError, SaleStock};

/// What a batch goes through: its intents are screened, it is deducted, and settled, or its fate is asked for.
///
/// Called for every batch, by the lanes of the batcher and by the consumers of check-backs and of outcomes: the hot path
/// of a ledger. It changes when the protocol of a batch does.
#[async_trait]
pub trait Selling: Send + Sync + 'static {
    /// Judges intents of one shard without changing anything. The other intents of the call count too: a key
    /// that comes twice passes once ([`IntentResult::Repeated`]), and so does a buyer's allowance.
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError>;

    /// Applies the whole batch and writes its log entry, or applies nothing. Every sale must be of the shard
    /// of the batch id.
    ///
    /// `body` is that of the batch's half-message. It is kept until the batch is settled, so that a message that was
    /// lost can be sent again ([`Observing::message`]).
    ///
    /// [`Observing::message`]: crate::Observing::message
    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError>;

    /// Tells the fate of a batch, and makes it final: where there is no log entry, the batch is fenced, and a
    /// deduction that comes later is refused.
    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError>;

    /// Records what the order store decided about a batch; a second time changes nothing. A batch that the
    /// ledger does not know is deducted now, from the outcome.
    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError>;
}

/// The judgement on one intent. In this order: a replay is found before the state of the sale is looked at,
/// the window before the stock, the stock before the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentResult {
    /// Nothing speaks against it.
    Pass,
    /// The same key has an order with the same quantity.
    Replay(OrderId),
    /// The same key has an order with another quantity.
    KeyReused,
    /// The same key came earlier in the same call.
    Repeated,
    /// The ledger does not have the sale.
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
    /// Fewer units are left than asked for (counting what earlier intents of the call take).
    SoldOut,
    /// The buyer would hold more than the limit (counting earlier intents of the call).
    OverLimit,
}

/// The answer to [`Selling::screen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    /// One for each intent, in their order.
    pub results: Vec<IntentResult>,
    /// One for each sale of the call that the ledger has.
    pub stocks: Vec<SaleStock>,
    /// Orders of the shard that are deducted and not settled: how far the order worker is behind.
    pub open_orders: u64,
}

/// The answer to [`Selling::deduct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deduction {
    /// Every intent is now an order: applied by this call, or by an earlier one of the same batch.
    Applied {
        /// Each sale of the batch, where this call applied it; empty when an earlier one had.
        stocks: Vec<SaleStock>,
    },
    /// A check-back came first and found nothing. Nothing was applied, and never will be.
    Fenced,
    /// At least one intent did not pass. Nothing was applied; the batch may be tried again under a new id.
    Refused(Screening),
    /// Another batch has the same base. Nothing was applied; the intents need a new id.
    IdTaken,
}

/// The answer to [`Selling::check_back`]: final, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The log has it: commit.
    Deducted,
    /// It is fenced, now or before: roll back.
    Fenced,
}

/// The answer to [`Selling::settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The entry was open and is acknowledged now.
    Applied(Vec<SaleStock>),
    /// The entry was acknowledged before; nothing changed.
    Already,
    /// An earlier call was broken off half-way. It is not known what of the batch was settled, and it is not settled
    /// again; its sales are to be rebuilt.
    BrokenOff {
        /// The sales that were stopped now.
        stopped: Vec<SaleId>,
    },
    /// The ledger did not know the batch: its deduction was applied now. Sales that the ledger does not
    /// have were passed over.
    AppliedLate(Vec<SaleStock>),
    /// The batch is fenced, yet the order store has its orders; or the ledger deducted other intents under its
    /// id. Two truths that an operator must see. Nothing changed.
    Contradiction,
    /// Another batch has the same base; nothing changed.
    IdTaken,
}

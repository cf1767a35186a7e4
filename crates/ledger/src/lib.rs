//! The ledger: the stock in front of the database, with what each buyer holds and the deduction log.
//!
//! [`Ledger`] is a process boundary. Redis stands behind it in production, SQLite in the embedded mode, and a
//! double in the simulation; one contract suite (`contract`, a feature for tests) runs against each.
//!
//! What every implementation promises:
//!
//! - Each call on a shard is atomic: it happens whole, or not at all, and no other call sees it half done.
//! - An error means that **it is not known** whether the call happened, unless [`LedgerFault::nothing_done`]
//!   says otherwise. Nobody may take an error for a "no".
//! - Evidence is never deleted by a call: a log entry or a fence lives until its retention is over.
//! - `available = initial + restocked + returned - deducted`, at every moment.

pub mod compensation;
#[cfg(feature = "contract")]
pub mod contract;

use std::time::Duration;

use async_trait::async_trait;
pub use flashgate_domain::audit::Written;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Intent, LedgerId, Node, OrderId, OrderState, Sale, SaleId,
    Shard, StoreId, Timestamp,
    audit::{LedgerStep, LostEntry},
};
use futures::stream::BoxStream;
use thiserror::Error;
use tokio::time::error::Elapsed;

/// The stock in front of the database.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Which ledger the shard belongs to; `None` if it has no identity, or has lost it with everything else.
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerFault>;

    /// Gives the shard an identity, unless it has one: that one stays. Returns what it has now.
    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerFault>;

    /// From now on the calls of this process are meant for that ledger. A call that gives or records a verdict on a
    /// batch ([`Ledger::screen`], [`Ledger::deduct`], [`Ledger::check_back`], [`Ledger::settle`],
    /// [`Ledger::restore`]) and meets another one is refused with [`LedgerFault::OtherLedger`]. Until then they are
    /// meant for a ledger without an identity.
    fn mean(&self, ledger: LedgerId);

    /// Gives out the next node number: one a start of a gateway, over the whole deployment, in turn.
    async fn next_node(&self) -> Result<Node, LedgerFault>;

    /// Puts the sale into the ledger, not yet sellable, unless it is there already.
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerFault>;

    /// Makes a prepared sale of that generation sellable. To be called only after the order store has
    /// registered the preheat. A sale that is missing stays missing.
    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerFault>;

    /// Stops the sale until it is rebuilt: every intent gets [`Answer::Paused`], except replays.
    async fn pause(&self, sale: SaleId) -> Result<(), LedgerFault>;

    /// Ends the sale: every intent gets [`Answer::Ended`], except replays. Its keys go when everything is
    /// settled and the retention is over.
    async fn close(&self, sale: SaleId) -> Result<(), LedgerFault>;

    /// Judges intents of one shard without changing anything. The other intents of the call count too: a key
    /// that comes twice passes once ([`Answer::Repeated`]), and so does a buyer's allowance.
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerFault>;

    /// Applies the whole batch and writes its log entry, or applies nothing. Every sale must be of the shard
    /// of the batch id.
    ///
    /// `body` is that of the batch's half-message. It is kept until the batch is settled, so that a message that was
    /// lost can be sent again ([`Ledger::message`]).
    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerFault>;

    /// Tells the fate of a batch, and makes it final: where there is no log entry, the batch is fenced, and a
    /// deduction that comes later is refused.
    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerFault>;

    /// Records what the order store decided about a batch; a second time changes nothing. A batch that the
    /// ledger does not know is deducted now, from the outcome.
    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerFault>;

    /// Begins to build a sale anew, in the generation of `sale`, as the order store has it: stopped, with nothing sold
    /// yet. Only a sale that is paused or missing, in an older generation, and without open batches.
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerFault>;

    /// Puts the orders that a decided batch has of the sale into a ledger that is being rebuilt; a second time changes
    /// nothing. At least one order must be of the sale.
    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerFault>;

    /// Ends the rebuilding: the sale sells again, if `available` units are left in it.
    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerFault>;

    /// Does a compensating step, if the sale still has what the step names. None of that is moved by ordinary traffic,
    /// so a step that is done twice, or at two desks, happens once.
    ///
    /// `in_ledger` is put right in `available` alone. What is missing `across` is booked as `returned`, what is too
    /// much as `deducted`: totals only grow. Units that come back move the epoch. A step never brings `available`
    /// below zero, or further below: of a surplus that was sold meanwhile, it takes what is left, and what the order
    /// store did not give (`written_off`) is `reclaimed`.
    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerFault>;

    /// What the ledger knows of an order; `None` if it never knew it, lost it, or its retention is over.
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerFault>;

    /// What the deduction log says of a batch; `None` if it never had it, lost it, its retention is over, or
    /// another batch has the base.
    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerFault>;

    /// The body of the message of an open batch; `None` if it is not open, or its body is not known.
    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerFault>;

    /// The sale's totals and its open batches; `None` if the ledger does not have it. The totals are of the end of the
    /// call; a batch that is settled during the call may still be among the open ones, and none that is open at its end
    /// is missing.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerFault>;

    /// Where the sale stands: cheap enough to be asked every second. `None` if the ledger does not have it.
    async fn standing(&self, sale: SaleId) -> Result<Option<Standing>, LedgerFault>;

    /// The first 8 bytes of every key digest that has an order in the sale. Complete for the moment of the
    /// call if no deduction comes in between; the caller makes sure by comparing [`Standing::epoch`].
    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerFault>;

    /// How many units each of the buyers holds in the sale, in their order; 0 for one that it does not know.
    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerFault>;

    /// Frees the keys of some closed sales whose retention is over, and returns how many sales that were. To be called
    /// now and then.
    async fn sweep(&self) -> Result<u64, LedgerFault>;

    /// Notes from every process that settles or restocks. Notes can be lost; the stream reconnects for ever.
    async fn notes(&self) -> Result<BoxStream<'static, Note>, LedgerFault>;

    /// The ledger's time: the clock by which windows are judged.
    async fn time(&self) -> Result<Timestamp, LedgerFault>;

    /// Whether the ledger can do its work: every shard answers, and takes a write.
    async fn ping(&self) -> Result<(), LedgerFault>;

    /// Whether the ledger answers for the sales of one shard. A ledger whose shards can fail one by one tells them
    /// apart.
    async fn ping_shard(&self, _shard: Shard) -> Result<(), LedgerFault> {
        self.ping().await
    }
}

/// Which ledger this is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerIdentity {
    /// Made once, when the ledger was first used.
    pub ledger: LedgerId,
    /// The order store that it belongs to.
    pub store: StoreId,
}

/// What [`Ledger::prepare`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// It was missing and is there now, not yet sellable.
    Created,
    /// It was there, of that generation, not yet sellable.
    Waiting {
        /// Its generation.
        generation: u32,
    },
    /// It was there and has been activated before (it may be paused or closed since).
    Active {
        /// Its generation.
        generation: u32,
    },
}

/// What [`Ledger::activate`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// It is sellable, now or already.
    Active,
    /// It was stopped before and stays so.
    Paused,
    /// It was closed before and stays so.
    Closed,
    /// It is not in the ledger.
    Missing,
    /// It is there in another generation, and was left as it is.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
}

/// What [`Ledger::begin_rebuild`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilding {
    /// It is being rebuilt from now on.
    Begun,
    /// It is neither paused nor missing; nothing changed.
    NotStopped {
        /// How it stands.
        state: LedgerState,
    },
    /// The ledger has this generation or a later one; nothing changed.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
    /// Some of its orders are deducted and not settled; nothing changed.
    Open {
        /// How many.
        orders: u64,
    },
}

/// What [`Ledger::restore`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Its orders are in the ledger, now or before.
    Done,
    /// The sale is not being rebuilt in that generation; nothing changed.
    Missing,
}

/// What [`Ledger::end_rebuild`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// It was paused and is active now, or it was not paused.
    Stands {
        /// How it stands now.
        state: LedgerState,
    },
    /// Another number of units is left; nothing changed.
    Differs {
        /// How many.
        available: i64,
    },
    /// What buyers hold, or the keys of orders, are not as many as were written; nothing changed.
    Incomplete,
    /// It is not in the ledger.
    Missing,
    /// It is there in another generation; nothing changed.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
}

/// What became of a compensating step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensated {
    /// It is done, as far as it goes.
    Done {
        /// Where the sale stands now.
        standing: Standing,
        /// Units that were too many, and are sold to orders that are not decided yet: a later step takes them. If
        /// there was nothing else to do, nothing changed.
        rest: u64,
    },
    /// Something that the step names is not as it was seen; nothing changed.
    Moved {
        /// The generation that is there.
        generation: u32,
        /// How many steps there were.
        adjustments: u64,
        /// What `available` is off from the totals.
        in_ledger: i64,
    },
    /// It is not in the ledger.
    Missing,
}

/// The judgement on one intent. In this order: a replay is found before the state of the sale is looked at,
/// the window before the stock, the stock before the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
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

/// Where a sale stood at the end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The sale.
    pub sale: SaleId,
    /// Units left; below 0 when late deductions found fewer units than had been sold.
    pub available: i64,
    /// The return epoch: moved by every returned or restocked unit. A sold-out mark holds for one epoch.
    pub epoch: u64,
}

/// The answer to [`Ledger::screen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    /// One for each intent, in their order.
    pub answers: Vec<Answer>,
    /// One for each sale of the call that the ledger has.
    pub standings: Vec<Standing>,
    /// Orders of the shard that are deducted and not settled: how far the order worker is behind.
    pub open_orders: u64,
}

/// The answer to [`Ledger::deduct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deduction {
    /// Every intent is now an order: applied by this call, or by an earlier one of the same batch.
    Applied {
        /// Each sale of the batch, where this call applied it; empty when an earlier one had.
        standings: Vec<Standing>,
    },
    /// A check-back came first and found nothing. Nothing was applied, and never will be.
    Fenced,
    /// At least one intent did not pass. Nothing was applied; the batch may be tried again under a new id.
    Refused(Screening),
    /// Another batch has the same base. Nothing was applied; the intents need a new id.
    IdTaken,
}

/// The answer to [`Ledger::check_back`]: final, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The log has it: commit.
    Deducted,
    /// It is fenced, now or before: roll back.
    Fenced,
}

/// The answer to [`Ledger::settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The entry was open and is acknowledged now.
    Applied(Vec<Standing>),
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
    AppliedLate(Vec<Standing>),
    /// The batch is fenced, yet the order store has its orders; or the ledger deducted other intents under its
    /// id. Two truths that an operator must see. Nothing changed.
    Contradiction,
    /// Another batch has the same base; nothing changed.
    IdTaken,
}

/// An order as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerOrder {
    /// The sale.
    pub sale: SaleId,
    /// Whose it is.
    pub buyer: BuyerDigest,
    /// How many units.
    pub quantity: u32,
    /// Pending, confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// An entry of the deduction log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// How far the batch has come.
    pub status: LogStatus,
    /// Its orders, in their order; none of a fence.
    pub orders: Vec<LedgerOrder>,
}

/// How far a batch has come in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStatus {
    /// Deducted, and not settled.
    Deducted,
    /// Settled.
    Acknowledged,
    /// Never to be deducted.
    Fenced,
}

impl LogStatus {
    /// The stable name, as in the log itself.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deducted => "deducted",
            Self::Acknowledged => "acknowledged",
            Self::Fenced => "fenced",
        }
    }

    /// The inverse of [`LogStatus::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deducted, Self::Acknowledged, Self::Fenced].into_iter().find(|status| status.as_str() == text)
    }
}

/// The totals of a sale. All but `available` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Units at the preheat.
    pub initial: u64,
    /// Units added since.
    pub restocked: u64,
    /// Units given back: of cancelled orders, written-off ones that a late deduction claimed again, and leaked ones
    /// that a compensating step found.
    pub returned: u64,
    /// Units taken by batches, and by compensating steps from a surplus.
    pub deducted: u64,
    /// The part of `deducted` that the database could not give.
    pub written_off: u64,
    /// The part of `returned` that made up for a deduction that was applied late: the ledger had gone below
    /// zero, and written-off units were the other side of it.
    pub reclaimed: u64,
    /// `initial + restocked + returned - deducted`.
    pub available: i64,
}

/// How a sale stands in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// There, not sellable yet.
    Prepared,
    /// Sellable within its window.
    Active,
    /// Stopped until it is rebuilt.
    Paused,
    /// Over.
    Closed,
}

/// A sale at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How it stands.
    pub state: LedgerState,
    /// How often it was built.
    pub generation: u32,
    /// The totals.
    pub totals: Totals,
    /// Moved by every returned or restocked unit.
    pub epoch: u64,
    /// Moved by every change; never goes back.
    pub sequence: u64,
    /// How many compensating steps this generation of it has seen; nothing else moves it.
    pub adjustments: u64,
    /// Buyers that hold something.
    pub buyers: u64,
    /// Keys that have an order.
    pub keys: u64,
    /// How many buyers, and how many keys, were written. Different from what is there: a part of the sale is lost.
    pub written: Written,
    /// Orders that are counted as open.
    pub pending_orders: i64,
    /// The moment, by the ledger's clock.
    pub taken_at: Timestamp,
    /// The batches that hold units of this sale and are not settled, oldest first.
    pub open: Vec<OpenBatch>,
    /// The open batches of the shard whose log entry is gone, oldest first: nobody knows what they hold.
    pub lost: Vec<LostEntry>,
}

/// A batch that is deducted and not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// The batch.
    pub id: BatchId,
    /// When it was deducted, by the ledger's clock.
    pub deducted_at: Timestamp,
    /// How many of its orders are of this sale.
    pub orders: u64,
    /// How many units of this sale they hold.
    pub units: u64,
}

/// News about a sale or a batch, for whoever remembers or waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Units of the sale came back: a sold-out mark of an older epoch is void.
    Returned(Standing),
    /// The orders of a batch were decided.
    Settled(BatchId),
}

/// A call on the ledger failed.
#[derive(Debug, Error)]
pub enum LedgerFault {
    /// No connection could be had; nothing was sent.
    #[error("the ledger cannot be reached: {0}")]
    Unreachable(String),
    /// It was sent and no answer came: it may have happened.
    #[error("the ledger did not answer: {0}")]
    NoAnswer(String),
    /// The ledger refused the call, having changed nothing (out of memory, loading, a server that takes no writes).
    #[error("the ledger refused the call: {0}")]
    Refused(String),
    /// It is not the ledger that the call was meant for. It changed nothing.
    #[error("the ledger is another one: {}", .found.map_or("it has no identity".to_owned(), |id| id.to_string()))]
    OtherLedger {
        /// Which one it is; `None` if it has lost its identity.
        found: Option<LedgerId>,
    },
    /// The ledger answered something that this version does not understand.
    #[error("the ledger answered {reply} to {call}")]
    UnknownReply {
        /// The call.
        call: &'static str,
        /// What came back, shortened.
        reply: String,
    },
}

impl LedgerFault {
    /// The stable name, for metrics and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "ledger_unreachable",
            Self::NoAnswer(_) => "ledger_no_answer",
            Self::Refused(_) => "ledger_refused",
            Self::OtherLedger { .. } => "ledger_other",
            Self::UnknownReply { .. } => "ledger_unknown_reply",
        }
    }

    /// Whether the ledger answered, and neither did what was asked nor said why in words that are known.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::UnknownReply { .. } => true,
            Self::Unreachable(_) | Self::NoAnswer(_) | Self::OtherLedger { .. } => false,
        }
    }

    /// Whether it is certain that the call changed nothing.
    pub const fn nothing_done(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Refused(_) | Self::OtherLedger { .. } => true,
            Self::NoAnswer(_) | Self::UnknownReply { .. } => false,
        }
    }
}

impl From<Elapsed> for LedgerFault {
    fn from(elapsed: Elapsed) -> Self {
        Self::NoAnswer(elapsed.to_string())
    }
}

/// How long evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Fences, and the log entries of settled batches: longer than the broker keeps messages.
    pub log: Duration,
    /// The keys of a closed sale.
    pub sale: Duration,
}

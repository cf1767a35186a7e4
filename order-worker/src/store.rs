//! The order store: the system of record for sales and orders.
//!
//! [`OrderStore`] is a process boundary. MySQL stands behind it in production, SQLite in the embedded mode; one
//! contract suite (`contract`, a feature for tests) runs against each.
//!
//! What every implementation promises:
//!
//! - Each call is atomic and durable: it happens whole, or not at all.
//! - A fault means that **it is not known** whether the call happened. Repeating it is always safe: a batch is
//!   decided once, and a transition that happened is found done.
//! - A decision is final: the same batch always has the same outcome, whatever became of its orders later.
//! - `saleable = initial + restocked + returned - applied`, at every moment, and never below zero.

mod compensation;
mod dead_letter;
mod identity;
mod repair;

use async_trait::async_trait;
pub use compensation::{Compensated, Correction, OrderMark};
pub use dead_letter::{LetterDecision, LetterKey, Standing};
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, IdempotencyKey, Intent, LedgerId, OrderId, OrderState, Sale,
    SaleDraft, SaleId, SaleState, Timestamp,
    audit::{BuyerUnits, DecidedBatch, StoreBooks, StoreStep},
};
pub use identity::{Registration, StoreIdentity};
pub use repair::{
    ACTOR_CHARS_MAX, InvalidRepair, KIND_BYTES_MAX, REASON_CHARS_MAX, REPAIR_PAGE_MAX, RepairDraft,
    RepairEvent, TEXT_BYTES_MAX,
};
use thiserror::Error;

/// The system of record.
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Decides batches: all that are new, in one transaction, and tells what was decided of those that are not.
    /// One [`Placed`] for each of `batches`, in their order; a batch that comes twice gets the same one twice.
    ///
    /// An order is confirmed if its units could be taken from the sale and no earlier order of the same buyer
    /// and sale has its key; else it is stored as cancelled. Orders are judged by ascending id within a call.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] if a value of some batch cannot be stored: nothing was done, and the caller
    /// may try the batches one by one.
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreFault>;

    /// Stores a new sale in the state `created`, generation 0, all of its stock saleable.
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreFault>;

    /// As [`OrderStore::create_sale`], once a key: the same key with the same draft finds the sale that was made, however it
    /// stands now, and with another draft makes nothing.
    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreFault>;

    /// Takes a sale from `created` to `preheating`, generation 1. In any other state it stays as it is; `None`
    /// if there is no such sale.
    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreFault>;

    /// Takes a sale of that generation from `preheating` to `preheated`. In any other state or generation it
    /// stays as it is; `None` if there is no such sale.
    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreFault>;

    /// Gives a preheated sale of that generation its next one, before its ledger is built anew. In any other state or
    /// generation it stays as it is; `None` if there is no such sale.
    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreFault>;

    /// Takes a sale from any state to `closed`; `None` if there is no such sale. Its accepted orders go on.
    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreFault>;

    /// The sale as it is now.
    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreFault>;

    /// A page of sales by ascending id.
    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreFault>;

    /// The order as it is now.
    async fn order(&self, order: OrderId) -> Result<Option<StoredOrder>, StoreFault>;

    /// What was decided about a batch; `None` if it is not decided.
    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreFault>;

    /// The sale with the sums of its orders, and what those of `asked` that are decided have of it, all at one
    /// moment; `None` if there is no such sale. Reads every order of the sale without locking any.
    async fn books(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreBooks>, StoreFault>;

    /// A page of the decided batches, the latest ids first.
    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreFault>;

    /// A page of the outcomes that have orders of a sale, by ascending id; `None` if there is no such sale.
    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreFault>;

    /// A page of the buyers that have orders of a sale, by ascending id, byte by byte; also those whose orders are all
    /// cancelled, with 0 units. Each with what its orders came to at one moment; none if there is no such sale.
    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreFault>;

    /// Does a compensating step, if there were as many before as it names: takes `in_store` from what is saleable, which
    /// never falls below zero. `None` if there is no such sale. Traffic moves no number of steps, so a step that is
    /// done twice happens once. Holds the sale's row for one statement and its commit.
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreFault>;

    /// Gives an order that somebody changed back what was settled; `false`, and nothing changed, if it is not as it was
    /// seen. What is saleable stays as it is.
    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreFault>;

    /// Writes down that a repair begins. Not repeatable: a call whose answer was lost may have written a row.
    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreFault>;

    /// Writes down how a repair has ended; one that has ended already stays as it is. `None` if there is no such
    /// repair.
    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreFault>;

    /// A page of repairs with ids below `before`, the latest first; at most `size`, and [`REPAIR_PAGE_MAX`].
    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreFault>;

    /// Writes down what an operator decided about a dead letter, in place of what was decided before. The repair must
    /// be there.
    async fn decide_letter(
        &self,
        letter: &LetterKey,
        standing: Standing,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreFault>;

    /// What was last decided about a dead letter; `None` if it waits.
    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreFault>;

    /// Which store this is, and which ledger belongs to it.
    async fn identity(&self) -> Result<StoreIdentity, StoreFault>;

    /// Registers the ledger as the one that belongs to this store, unless one is registered: that one stays.
    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreFault>;

    /// Those of `sales` whose rows somebody holds at this moment, so that no order of theirs can be placed. Waits for
    /// nobody.
    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreFault>;

    /// Whether the store does what the work needs: it writes something, since one that can only be read is of no use. Tells
    /// the time by its clock.
    async fn ping(&self) -> Result<Timestamp, StoreFault>;
}

/// What became of one batch that was handed to [`OrderStore::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is decided: by this call, or by an earlier one.
    Decided(BatchOutcome),
    /// It can never be decided. Nothing of it was stored; its neighbours were.
    Rejected(Rejection),
}

/// Why a batch can never be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// One of its sales does not exist in this store.
    #[error("the sale {sale} does not exist")]
    UnknownSale {
        /// The sale.
        sale: SaleId,
    },
    /// Another batch took the same order ids.
    #[error("the order ids from {} on belong to the batch {other}", other.base())]
    IdsTaken {
        /// The batch that has them.
        other: BatchId,
    },
}

impl Rejection {
    /// The stable name, for metrics, logs and dead letters.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownSale { .. } => "unknown_sale",
            Self::IdsTaken { .. } => "order_ids_taken",
        }
    }
}

/// What became of a sale that was to be created with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaleMade {
    /// It was made by this call.
    Now(Sale),
    /// An earlier call with this key and draft has made it.
    Before(Sale),
    /// An earlier call with this key has made this sale from another draft. Nothing was made.
    Otherwise(SaleId),
}

impl SaleMade {
    /// What the sale that a key has is to a call with `draft`.
    pub fn found(sale: Sale, draft: &SaleDraft) -> Self {
        if sale.draft == *draft { Self::Before(sale) } else { Self::Otherwise(sale.id) }
    }
}

/// A sale after a transition was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The sale as it is now.
    pub sale: Sale,
    /// Whether this call changed it.
    pub changed: bool,
}

/// How many sales one page holds at most.
pub const SALE_PAGE_MAX: u32 = 1_000;

/// Which sales a caller wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalePage {
    /// Only sales with a greater id: the last of the page before, or 0.
    pub after_id: u64,
    /// At most so many; [`SALE_PAGE_MAX`] or less.
    pub size: u32,
    /// Only sales in these states; all if empty.
    pub states: Vec<SaleState>,
}

/// How many batches one page holds at most.
pub const BATCH_PAGE_MAX: u32 = 1_000;

/// Which decided batches a caller wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPage {
    /// What they have of this sale is told.
    pub sale: SaleId,
    /// Only batches whose first order has a smaller id: the last of the page before; all if `None`.
    pub before: Option<OrderId>,
    /// At most so many; [`BATCH_PAGE_MAX`] or less.
    pub size: u32,
}

/// Which outcomes a caller wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomePage {
    /// Only batches with orders of this sale.
    pub sale: SaleId,
    /// Only batches whose first order has a greater id: where the page before ended.
    pub after: Option<OrderId>,
    /// No further batch joins a page that has so many orders, of any sale.
    pub orders_max: u32,
}

/// A page of outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomesPage {
    /// Whole batches, by ascending id.
    pub outcomes: Vec<BatchOutcome>,
    /// Where the page ended; `None`: there are no more.
    pub next: Option<OrderId>,
}

/// How many buyers one page holds at most. Few pages, since the store on SQLite reads all orders of the sale for each.
pub const BUYER_PAGE_MAX: u32 = 20_000;

/// Which buyers a caller wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuyerPage {
    /// Only those with orders of this sale.
    pub sale: SaleId,
    /// Only buyers with a greater id: the last of the page before; all if `None`.
    pub after: Option<BuyerId>,
    /// At most so many; [`BUYER_PAGE_MAX`] or less.
    pub size: u32,
}

/// An order as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// Its name.
    pub id: OrderId,
    /// What was asked for, and by whom.
    pub intent: Intent,
    /// How it stands.
    pub state: OrderState,
    /// The batch that brought it.
    pub batch: BatchId,
    /// When the store took it.
    pub created_at: Timestamp,
}

/// A call on the order store failed.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// The store cannot be reached, did not answer in time, or cannot work now (full disk, read-only, wrong
    /// schema). Whether the call happened is not known.
    #[error("the order store is not available: {0}")]
    Unavailable(String),
    /// Others held the rows for longer than all retries took. Nothing was done.
    #[error("the order store is contended: {0}")]
    Contended(String),
    /// Others hold the rows of these sales, and have for as long as a statement waits. Nothing was done.
    #[error("the rows of {} sales are held by others", sales.len())]
    Blocked {
        /// The sales, by ascending id.
        sales: Vec<SaleId>,
    },
    /// A value of the call cannot be stored, now or ever. Nothing was done.
    #[error("the order store refuses the values: {0}")]
    Refused(String),
    /// The store holds something that this version cannot have written.
    #[error("the order store holds an impossible {what}")]
    Corrupt {
        /// What is impossible.
        what: &'static str,
    },
}

impl StoreFault {
    /// The stable name, for metrics and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::Contended(_) => "store_contended",
            Self::Blocked { .. } => "store_blocked",
            Self::Refused(_) => "store_refused",
            Self::Corrupt { .. } => "store_corrupt",
        }
    }

    /// Whether the same call can succeed later, unchanged.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended(_) | Self::Blocked { .. } => true,
            Self::Refused(_) | Self::Corrupt { .. } => false,
        }
    }
}

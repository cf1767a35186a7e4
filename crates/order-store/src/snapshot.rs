//! What orders add up to: by sale, by batch, by buyer.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, OrderId, SaleId,
    audit::{BuyerUnits, DecidedBatch, StoreSnapshot},
};

use crate::StoreError;

/// Sums and lists what was decided: what an audit or a rebuild reads. Changes nothing and locks nothing.
#[async_trait]
pub trait SnapshotRepository: Send + Sync + 'static {
    /// The sale with the sums of its orders, and what those of `asked` that are decided have of it, all at one
    /// moment; `None` if there is no such sale. Reads every order of the sale without locking any.
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError>;

    /// What was decided about a batch; `None` if it is not decided.
    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError>;

    /// A page of the decided batches, the latest ids first.
    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError>;

    /// A page of the outcomes that have orders of a sale, by ascending id; `None` if there is no such sale.
    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError>;

    /// A page of the buyers that have orders of a sale, by ascending id, byte by byte; also those whose orders are all
    /// cancelled, with 0 units. Each with what its orders came to at one moment; none if there is no such sale.
    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError>;
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

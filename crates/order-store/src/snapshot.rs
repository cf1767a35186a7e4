//! Sums of orders by sale, by batch and by buyer.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, OrderId, SaleId,
    audit::{BuyerUnits, DecidedBatch, StoreSnapshot},
};

use crate::StoreError;

/// Sums and lists decided orders, for audits and rebuilds. Changes nothing and locks nothing.
#[async_trait]
pub trait SnapshotRepository: Send + Sync + 'static {
    /// The sale with the sums of its orders by first decision, and the share of the sale in each decided batch of
    /// `asked`, all at one moment; `None` if the sale does not exist. Reads every order of the sale without locking
    /// any.
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError>;

    /// The outcome of a batch, with the decisions made when its orders were placed, whatever their states are now;
    /// `None` if it is not decided.
    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError>;

    /// A page of the decided batches, latest ids first.
    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError>;

    /// A page of the outcomes with orders of a sale, by ascending id, for the rebuild of a ledger: with the decisions
    /// that leave the orders as they are now ([`present_decision`](crate::decide::present_decision)). `None` if the
    /// sale does not exist.
    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError>;

    /// A page of the buyers with orders of a sale, by ascending id, byte by byte, including those whose orders are all
    /// cancelled, with 0 units. Each sum is of one moment; empty if the sale does not exist.
    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError>;
}

/// Maximum batches per page.
pub const BATCH_PAGE_MAX: u32 = 1_000;

/// A request for a page of decided batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPage {
    /// Sums cover this sale only.
    pub sale: SaleId,
    /// Only batches whose first order has a smaller id: the last one of the previous page; all if `None`.
    pub before: Option<OrderId>,
    /// Maximum batches of the page, up to [`BATCH_PAGE_MAX`].
    pub size: u32,
}

/// A request for a page of outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomePage {
    /// Only batches with orders of this sale.
    pub sale: SaleId,
    /// Only batches whose first order has a greater id: the end of the previous page.
    pub after: Option<OrderId>,
    /// No further batch is added to a page with this many orders, of any sale.
    pub orders_max: u32,
}

/// A page of outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomesPage {
    /// Whole batches, by ascending id.
    pub outcomes: Vec<BatchOutcome>,
    /// The end of the page; `None` if there are no more.
    pub next: Option<OrderId>,
}

/// Maximum buyers per page. Large, so that there are few pages: the SQLite store reads all orders of the sale for each.
pub const BUYER_PAGE_MAX: u32 = 20_000;

/// A request for a page of buyers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuyerPage {
    /// Only buyers with orders of this sale.
    pub sale: SaleId,
    /// Only buyers with a greater id: the last one of the previous page; all if `None`.
    pub after: Option<BuyerId>,
    /// Maximum buyers of the page, up to [`BUYER_PAGE_MAX`].
    pub size: u32,
}

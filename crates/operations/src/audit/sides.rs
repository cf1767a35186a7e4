//! The calls of an audit to each side.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerDigest, BuyerId, Intent, LogStatus, OrderId, OrderState, SaleId,
    audit::{BuyerUnits, DecidedBatch, LedgerSnapshot, StoreSnapshot, Sums},
};
use thiserror::Error;

/// The ledger. Behind it a gateway, over gRPC.
#[async_trait]
pub trait LedgerSide: Send + Sync {
    /// The sale at one moment; `None` if the ledger does not have it.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<LedgerSnapshot>, SideError>;

    /// The state of each of `batches` in the deduction log, in their order.
    async fn trace(&self, sale: SaleId, batches: &[BatchId]) -> Result<Vec<LogTrace>, SideError>;

    /// Every order of a batch in the deduction log; none without an entry.
    async fn orders(&self, batch: BatchId) -> Result<Vec<OrderMark>, SideError>;

    /// The order of the purchase, if it has one with this quantity.
    async fn purchase(&self, intent: &Intent) -> Result<Option<OrderId>, SideError>;

    /// The units that each of at most 1,000 buyers holds in the sale, in their order.
    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, SideError>;
}

/// The order store. Behind it an order worker, over gRPC; in the worker itself its own store.
#[async_trait]
pub trait StoreSide: Send + Sync {
    /// The sale at one moment, with the sums of the decided batches among `asked`; `None` if the sale does not exist.
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, SideError>;

    /// A page of decided batches before `before`, the latest ids first; fewer than `size` on the last page.
    async fn batches(
        &self,
        sale: SaleId,
        before: Option<BatchId>,
        size: u32,
    ) -> Result<Vec<DecidedBatch>, SideError>;

    /// The decisions about a batch.
    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, SideError>;

    /// A page of the buyers after `after` that have orders of the sale, by ascending id; fewer than `size` on the
    /// last page.
    async fn buyers(
        &self,
        sale: SaleId,
        after: Option<&BuyerId>,
        size: u32,
    ) -> Result<Vec<BuyerUnits>, SideError>;
}

/// A batch in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTrace {
    /// Its state; `None` without an entry.
    pub status: Option<LogStatus>,
    /// Its orders of the sale.
    pub sums: Sums,
}

/// An order as in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderMark {
    /// The sale.
    pub sale: SaleId,
    /// The number of units.
    pub quantity: u32,
    /// Pending, confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// The error of a side.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SideError {
    /// The side cannot be reached, or cannot answer now.
    #[error("{side} does not answer: {why}")]
    Unavailable {
        /// The side.
        side: &'static str,
        /// The side's own message.
        why: String,
    },
    /// The answer has an invalid value for this version.
    #[error("{side} answered something that cannot be read: {why}")]
    InvalidResponse {
        /// The side.
        side: &'static str,
        /// The error.
        why: String,
    },
}

//! What is asked of each side.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerDigest, BuyerId, Intent, OrderId, OrderState, SaleId,
    audit::{BuyerUnits, DecidedBatch, LedgerSnapshot, StoreSnapshot, Sums},
};
use thiserror::Error;

/// The ledger. Behind it a gateway, over gRPC.
#[async_trait]
pub trait LedgerSide: Send + Sync {
    /// The sale at one moment; `None` if the ledger does not have it.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<LedgerSnapshot>, SideError>;

    /// What the deduction log says of each of `batches`, in their order.
    async fn trace(&self, sale: SaleId, batches: &[BatchId]) -> Result<Vec<LogTrace>, SideError>;

    /// Every order of a batch in the deduction log; none without an entry.
    async fn orders(&self, batch: BatchId) -> Result<Vec<OrderMark>, SideError>;

    /// The order that the purchase has, if it has one of this quantity.
    async fn purchase(&self, intent: &Intent) -> Result<Option<OrderId>, SideError>;

    /// How many units each of at most 1,000 buyers holds in the sale, in their order.
    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, SideError>;
}

/// The order store. Behind it an order worker, over gRPC; in the worker itself its own store.
#[async_trait]
pub trait StoreSide: Send + Sync {
    /// The sale at one moment, and what those of `asked` that are decided have of it; `None` if there is no such
    /// sale.
    async fn books(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, SideError>;

    /// A page of decided batches before `before`, the latest ids first; fewer than `size`: there are no more.
    async fn batches(
        &self,
        sale: SaleId,
        before: Option<BatchId>,
        size: u32,
    ) -> Result<Vec<DecidedBatch>, SideError>;

    /// What was decided about a batch.
    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, SideError>;

    /// A page of the buyers after `after` that have orders of the sale, by ascending id; fewer than `size`: there are no
    /// more.
    async fn buyers(
        &self,
        sale: SaleId,
        after: Option<&BuyerId>,
        size: u32,
    ) -> Result<Vec<BuyerUnits>, SideError>;
}

/// What the deduction log says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTrace {
    /// How far it has come; `None` without an entry.
    pub status: Option<LogWord>,
    /// Its orders of the sale.
    pub sums: Sums,
}

/// How far a batch has come in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogWord {
    /// Deducted, and not settled.
    Deducted,
    /// Settled.
    Acknowledged,
    /// Never to be deducted.
    Fenced,
}

/// An order as the deduction log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderMark {
    /// The sale.
    pub sale: SaleId,
    /// How many units.
    pub quantity: u32,
    /// Pending, confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// A side did not tell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SideError {
    /// It cannot be reached, or cannot answer now.
    #[error("{side} does not answer: {why}")]
    Unavailable {
        /// Which side.
        side: &'static str,
        /// In its words.
        why: String,
    },
    /// It answered something that this version does not understand.
    #[error("{side} answered something that cannot be read: {why}")]
    Garbled {
        /// Which side.
        side: &'static str,
        /// What is wrong.
        why: String,
    },
}

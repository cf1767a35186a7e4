//! Reading the records of the ledger.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BuyerDigest, LedgerState, LogStatus, OrderId, OrderState, SaleId, Timestamp, Totals,
    audit::{LostEntry, OpenBatch, WrittenCounts},
};

use crate::LedgerError;

/// Reads the records of an order, of a batch or of a sale, and changes nothing.
///
/// Called by queries: a buyer's for an order, an auditor's for the totals, a re-drive's for the body of a message. No
/// purchase needs it. It changes when more of the record must be readable.
#[async_trait]
pub trait Observing: Send + Sync + 'static {
    /// The order's record; `None` if the ledger never had it, lost it, or its retention is over.
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError>;

    /// The log entry of a batch; `None` if the ledger never had it, lost it, its retention is over, or another batch
    /// has the base.
    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError>;

    /// The message body of an open batch; `None` if it is not open, or its body is not stored.
    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError>;

    /// The sale's totals and its open batches; `None` if the sale is missing. The totals are of the end of the call; a
    /// batch that is settled during the call may still be among the open ones, and none that is open at its end is
    /// missing.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError>;

    /// The units that each of the buyers holds in the sale, in their order; 0 for an unknown buyer.
    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError>;
}

/// An order in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerOrder {
    /// The sale.
    pub sale: SaleId,
    /// The buyer.
    pub buyer: BuyerDigest,
    /// The units.
    pub quantity: u32,
    /// Pending, confirmed, or cancelled with its reason.
    pub state: OrderState,
}

/// An entry of the deduction log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The status of the batch.
    pub status: LogStatus,
    /// Its orders, in their order; empty for a fence.
    pub orders: Vec<LedgerOrder>,
}

/// A sale at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state of the sale.
    pub state: LedgerState,
    /// The number of times that the sale was built.
    pub generation: u32,
    /// The totals.
    pub totals: Totals,
    /// Increased by every returned or restocked unit.
    pub epoch: u64,
    /// Increased by every change; never decreases.
    pub sequence: u64,
    /// The number of compensating steps in this generation; nothing else changes it.
    pub adjustments: u64,
    /// Buyers that hold units.
    pub buyers: u64,
    /// Keys that have an order.
    pub keys: u64,
    /// The counts of buyers and of keys. If they differ from `buyers` and `keys`, a part of the sale is lost.
    pub written: WrittenCounts,
    /// The count of open orders.
    pub pending_orders: i64,
    /// When it was taken, by the ledger's clock.
    pub taken_at: Timestamp,
    /// The batches that hold units of this sale and are not settled, oldest first.
    pub open: Vec<OpenBatch>,
    /// The open batches of the shard whose log entry is lost, oldest first: what they hold is unknown.
    pub lost: Vec<LostEntry>,
}

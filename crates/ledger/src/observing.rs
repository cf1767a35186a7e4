//! What the ledger has recorded.

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BuyerDigest, LedgerState, OrderId, OrderState, SaleId, Timestamp, Totals,
    audit::{LostEntry, WrittenCounts},
};

use crate::LedgerError;

/// Reads what the ledger has recorded of an order, of a batch or of a sale, and changes nothing.
///
/// Called by whoever looks something up: a buyer for an order, an auditor for the totals, a re-drive for the body of a
/// message. None of it is on the way of a purchase. It changes when more of the record is to be seen.
#[async_trait]
pub trait Observing: Send + Sync + 'static {
    /// What the ledger knows of an order; `None` if it never knew it, lost it, or its retention is over.
    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerError>;

    /// What the deduction log says of a batch; `None` if it never had it, lost it, its retention is over, or
    /// another batch has the base.
    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerError>;

    /// The body of the message of an open batch; `None` if it is not open, or its body is not known.
    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerError>;

    /// The sale's totals and its open batches; `None` if the ledger does not have it. The totals are of the end of the
    /// call; a batch that is settled during the call may still be among the open ones, and none that is open at its end
    /// is missing.
    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerError>;

    /// How many units each of the buyers holds in the sale, in their order; 0 for one that it does not know.
    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerError>;
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
    pub written: WrittenCounts,
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

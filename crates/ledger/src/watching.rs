//! What a process caches of the ledger, and how the cache stays valid.

use async_trait::async_trait;
use flashgate_domain::{BatchId, SaleId};
use futures::stream::BoxStream;

use crate::LedgerError;

/// Lets a process answer from its cache that a sale is sold out: what to cache, and when to drop it.
///
/// Called by the sold-out watch, every second and for every event. It changes when gateways cache something else.
#[async_trait]
pub trait Watching: Send + Sync + 'static {
    /// The stock of the sale: cheap enough to read every second. `None` if the sale is missing.
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError>;

    /// The first 8 bytes of every key digest that has an order in the sale. Complete at the time of the call if no
    /// deduction happens during it; the caller checks that by comparing [`SaleStock::epoch`].
    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError>;

    /// Events of every process that settles or restocks. Events can be lost; the stream reconnects until it is dropped.
    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError>;
}

/// The stock of a sale at the end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleStock {
    /// The sale.
    pub sale: SaleId,
    /// Units left; below 0 when late deductions found fewer units than had been sold.
    pub available: i64,
    /// The return epoch: increased by every returned or restocked unit. A sold-out mark is valid for one epoch.
    pub epoch: u64,
}

/// An event of a sale or a batch, for caches and waiting callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerEvent {
    /// Units of the sale were returned: a sold-out mark of an older epoch is invalid.
    Returned(SaleStock),
    /// The orders of a batch were decided.
    Settled(BatchId),
}

//! What a process remembers of the ledger, and how it stays true.

use async_trait::async_trait;
use flashgate_domain::{BatchId, SaleId};
use futures::stream::BoxStream;

use crate::LedgerError;

/// Lets a process answer from its own memory that a sale is sold out: what to remember, and when to forget it.
///
/// Called by the sold-out watch, every second and for every event. It changes when gateways remember something else.
#[async_trait]
pub trait Watching: Send + Sync + 'static {
    /// Where the sale stands: cheap enough to be asked every second. `None` if the ledger does not have it.
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError>;

    /// The first 8 bytes of every key digest that has an order in the sale. Complete for the moment of the
    /// call if no deduction comes in between; the caller makes sure by comparing [`SaleStock::epoch`].
    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError>;

    /// Notes from every process that settles or restocks. Notes can be lost; the stream reconnects for ever.
    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError>;
}

/// Where a sale stood at the end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleStock {
    /// The sale.
    pub sale: SaleId,
    /// Units left; below 0 when late deductions found fewer units than had been sold.
    pub available: i64,
    /// The return epoch: moved by every returned or restocked unit. A sold-out mark holds for one epoch.
    pub epoch: u64,
}

/// News about a sale or a batch, for whoever remembers or waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerEvent {
    /// Units of the sale came back: a sold-out mark of an older epoch is void.
    Returned(SaleStock),
    /// The orders of a batch were decided.
    Settled(BatchId),
}

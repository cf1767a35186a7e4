//! Orders: placing them in batches, and reading them.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, BuyerId, Order, OrderId, OrderPage, SaleId, Timestamp};
use thiserror::Error;

use crate::StoreError;

/// Places and reads orders, for the worker.
#[async_trait]
pub trait OrderRepository: Send + Sync + 'static {
    /// Decides batches: all new ones, in one transaction, and returns what was decided of the others, whatever the
    /// states of their orders are now. Returns one [`Placed`] for each of `batches`, in their order; a repeated batch
    /// gets the same one twice.
    ///
    /// An order is confirmed if its units could be taken from the sale and no earlier order of the same buyer and sale
    /// has its key; else it is stored as cancelled. Orders are judged by ascending id within a call.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if a value of some batch cannot be stored: nothing was done, and the caller
    /// may try the batches one by one.
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError>;

    /// The order as it is now.
    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError>;

    /// Orders of a buyer as they are now, of every sale, by descending id, which is newest first.
    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, StoreError>;

    /// Those of `sales` whose rows somebody holds at this moment, so that no order of theirs can be placed. Waits for
    /// nobody.
    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError>;
}

/// The result of one batch of [`OrderRepository::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is decided, by this call or by an earlier one.
    Decided(BatchOutcome),
    /// It can never be decided. Nothing of it was stored; the other batches were.
    Rejected(Rejection),
}

/// Why a batch can never be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// One of its sales does not exist in this store.
    #[error("sale {sale} does not exist")]
    UnknownSale {
        /// The sale.
        sale: SaleId,
    },
    /// Another batch has the same order ids.
    #[error("the order ids from {} on belong to batch {other}", other.base())]
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

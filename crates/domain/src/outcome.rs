//! The order store's decisions about a batch: the message that settles it in the ledger.

use crate::{
    id::{BatchId, OrderId},
    intent::Intent,
    order::{CancelReason, OrderState},
};

/// The decision about one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The order is placed and its stock is taken.
    Confirmed,
    /// The order is cancelled.
    Cancelled(CancelReason),
}

impl Decision {
    /// The decision that was made when the order was placed: one that was cancelled later had been confirmed.
    #[must_use]
    pub const fn at_placing(self) -> Self {
        match self {
            Self::Cancelled(reason) if !reason.is_of_placing() => Self::Confirmed,
            Self::Confirmed | Self::Cancelled(_) => self,
        }
    }

    /// The state of the order after the decision.
    pub const fn state(self) -> OrderState {
        match self {
            Self::Confirmed => OrderState::Confirmed,
            Self::Cancelled(reason) => OrderState::Cancelled(reason),
        }
    }
}

/// One complete order, with its decision. Complete, so that a ledger that lost the order can restore it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOutcome {
    /// The order.
    pub order: OrderId,
    /// The intent of the order.
    pub intent: Intent,
    /// The decision.
    pub decision: Decision,
}

/// The decisions about every order of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOutcome {
    /// The batch.
    pub batch: BatchId,
    /// Its orders, by ascending id, none missing.
    pub orders: Vec<OrderOutcome>,
}

impl BatchOutcome {
    /// Whether the orders are those of the batch, from its first order on and without a gap.
    pub fn is_whole(&self) -> bool {
        self.orders.iter().enumerate().all(|(at, order)| self.batch.order(at) == Some(order.order))
    }
}

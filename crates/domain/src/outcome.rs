//! What the order store decided about a batch: the message that settles it in the ledger.

use crate::{
    id::{BatchId, OrderId},
    intent::Intent,
    order::{CancelReason, OrderState},
};

/// The fate of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The order stands and its stock is taken.
    Confirmed,
    /// The order will not be.
    Cancelled(CancelReason),
}

impl Decision {
    /// The state that the order is in after it.
    pub const fn state(self) -> OrderState {
        match self {
            Self::Confirmed => OrderState::Confirmed,
            Self::Cancelled(reason) => OrderState::Cancelled(reason),
        }
    }
}

/// One order, whole, with its fate. Whole, so that a ledger that lost it can learn it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOutcome {
    /// The order.
    pub order: OrderId,
    /// What was asked for.
    pub intent: Intent,
    /// What became of it.
    pub decision: Decision,
}

/// The fate of every order of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOutcome {
    /// The batch.
    pub batch: BatchId,
    /// Its orders, by ascending id, none missing.
    pub orders: Vec<OrderOutcome>,
}

impl BatchOutcome {
    /// Whether the orders are those of the batch, from its first one on and without a gap.
    pub fn is_whole(&self) -> bool {
        self.orders.iter().enumerate().all(|(at, order)| self.batch.order(at) == Some(order.order))
    }
}

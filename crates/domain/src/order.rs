//! The life of an order: its states, and their transitions.

use crate::{
    clock::Timestamp,
    id::{BatchId, OrderId},
    intent::Intent,
};

named! {
    /// Why an order was cancelled.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum CancelReason {
        /// The database had too few units: the ledger promised units that do not exist.
        OutOfStock = "out_of_stock",
        /// The same buyer already has an order with the same key: a ledger that lost its keys accepted it twice.
        DuplicateKey = "duplicate_key",
        /// Not paid in time.
        Timeout = "timeout",
        /// The buyer cancelled it.
        ByBuyer = "by_buyer",
        /// An operator cancelled it.
        ByOperator = "by_operator",
        /// The stock could not be deducted after payment.
        OutboundFailed = "outbound_failed",
        /// The payment provider gave the buyer's payment back by itself, as after a dispute.
        PaymentReversed = "payment_reversed",
    }
}

impl CancelReason {
    /// Whether the units of an order cancelled for this reason are returned to sale.
    ///
    /// Out of stock proves that the units do not exist: if returned, they would be sold and cancelled without end.
    pub const fn returns_units(self) -> bool {
        match self {
            Self::OutOfStock => false,
            Self::DuplicateKey
            | Self::Timeout
            | Self::ByBuyer
            | Self::ByOperator
            | Self::OutboundFailed
            | Self::PaymentReversed => true,
        }
    }

    /// Whether this is a reason to cancel an order when it is placed. Such an order never had units; any other
    /// cancelled order was confirmed before.
    pub const fn is_of_placing(self) -> bool {
        match self {
            Self::OutOfStock | Self::DuplicateKey => true,
            Self::Timeout
            | Self::ByBuyer
            | Self::ByOperator
            | Self::OutboundFailed
            | Self::PaymentReversed => false,
        }
    }
}

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Accepted: the broker holds it, the order store has not decided yet.
    Pending,
    /// In the order store, the stock is taken.
    Confirmed,
    /// Paid for.
    Paid,
    /// Being delivered.
    Shipped,
    /// Completed.
    Finished,
    /// Cancelled before payment.
    Cancelled(CancelReason),
    /// Cancelled after payment; the refund is in progress.
    Refunding(CancelReason),
    /// Cancelled after payment; the refund is complete.
    Refunded(CancelReason),
}

impl OrderState {
    /// The stable name, without the reason: in answers, events and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Finished => "finished",
            Self::Cancelled(_) => "cancelled",
            Self::Refunding(_) => "refunding",
            Self::Refunded(_) => "refunded",
        }
    }

    /// The reason of the cancellation, if cancelled.
    pub const fn reason(self) -> Option<CancelReason> {
        match self {
            Self::Cancelled(reason) | Self::Refunding(reason) | Self::Refunded(reason) => Some(reason),
            Self::Pending | Self::Confirmed | Self::Paid | Self::Shipped | Self::Finished => None,
        }
    }

    /// The state that a store keeps as a name and a reason; `None` if they do not form a state.
    pub fn from_parts(name: &str, reason: Option<CancelReason>) -> Option<Self> {
        match (name, reason) {
            ("pending", None) => Some(Self::Pending),
            ("confirmed", None) => Some(Self::Confirmed),
            ("paid", None) => Some(Self::Paid),
            ("shipped", None) => Some(Self::Shipped),
            ("finished", None) => Some(Self::Finished),
            ("cancelled", Some(reason)) => Some(Self::Cancelled(reason)),
            ("refunding", Some(reason)) => Some(Self::Refunding(reason)),
            ("refunded", Some(reason)) => Some(Self::Refunded(reason)),
            _ => None,
        }
    }

    /// Whether an order in this state may change to `next` (the table in `docs/ARCHITECTURE.md`).
    ///
    /// An unpaid order is cancelled and owes nothing, and has no payment to be reversed; a paid one goes to `Refunding` at
    /// once. A provider may report a refund as failed after it reported success.
    pub fn may_become(self, next: Self) -> bool {
        use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};
        match (self, next) {
            (Pending, Confirmed) | (Confirmed, Paid) | (Paid, Shipped) | (Shipped, Finished) => true,
            (Pending, Cancelled(reason)) => reason.is_of_placing(),
            (Confirmed, Cancelled(reason)) => {
                !reason.is_of_placing() && reason != CancelReason::PaymentReversed
            }
            (Paid, Refunding(reason)) => !reason.is_of_placing(),
            (Refunding(why), Refunded(same)) | (Refunded(why), Refunding(same)) => why == same,
            _ => false,
        }
    }

    /// Whether the order has its units: they were taken from the stock, and not returned.
    pub const fn holds_units(self) -> bool {
        match self {
            Self::Confirmed | Self::Paid | Self::Shipped | Self::Finished => true,
            Self::Pending | Self::Cancelled(_) | Self::Refunding(_) | Self::Refunded(_) => false,
        }
    }
}

/// An order as the order store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The intent: sale, buyer, key and quantity.
    pub intent: Intent,
    /// Its state.
    pub state: OrderState,
    /// The number of its states so far, `pending` not counted: greater with every transition.
    pub version: u32,
    /// Its batch.
    pub batch: BatchId,
    /// When the store placed it.
    pub created_at: Timestamp,
    /// When it is cancelled unless it is paid; `None` if it has no payment deadline.
    pub pay_by: Option<Timestamp>,
}

/// A page of the orders of a buyer, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderPage {
    /// Only orders with a lower id: those after the last order of the page before. `None` for the first page.
    pub before: Option<OrderId>,
    /// Maximum number of orders.
    pub size: u32,
}

impl OrderPage {
    /// The number of orders if none is asked for.
    pub const SIZE_DEFAULT: u32 = 20;
    /// The greatest `size` that is answered; a greater one counts as this.
    pub const SIZE_MAX: u32 = 100;

    /// The greatest id that an order of the page can have.
    pub fn id_max(self) -> u64 {
        self.before.map_or(u64::MAX >> 1, |before| before.get().saturating_sub(1))
    }
}

impl Order {
    /// Whether it was not paid in time, and is still to be cancelled.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.state == OrderState::Confirmed && self.pay_by.is_some_and(|pay_by| pay_by <= now)
    }
}

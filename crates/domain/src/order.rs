//! The life of an order: its states, and which may follow which.

use std::fmt;

use crate::{
    clock::Timestamp,
    id::{BatchId, OrderId},
    intent::Intent,
};

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The database had too little: the ledger promised units that do not exist.
    OutOfStock,
    /// The same buyer already has an order under the same key: a ledger that lost its keys accepted it twice.
    DuplicateKey,
    /// Not paid in time.
    Timeout,
    /// The buyer did not want it any more.
    ByBuyer,
    /// The stock could not be taken out after payment.
    OutboundFailed,
}

impl CancelReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::OutOfStock, Self::DuplicateKey, Self::Timeout, Self::ByBuyer, Self::OutboundFailed];

    /// The stable name: in answers, events and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "out_of_stock",
            Self::DuplicateKey => "duplicate_key",
            Self::Timeout => "timeout",
            Self::ByBuyer => "by_buyer",
            Self::OutboundFailed => "outbound_failed",
        }
    }

    /// The inverse of [`CancelReason::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether the units of an order cancelled for this reason go back on sale.
    ///
    /// Out of stock proves that the units do not exist: returned, they would be sold and cancelled for ever.
    pub const fn returns_units(self) -> bool {
        match self {
            Self::OutOfStock => false,
            Self::DuplicateKey | Self::Timeout | Self::ByBuyer | Self::OutboundFailed => true,
        }
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Accepted: the broker holds it, the order store has not decided yet.
    Pending,
    /// In the order store, the stock is taken.
    Confirmed,
    /// Paid for.
    Paid,
    /// On its way.
    Shipped,
    /// Done.
    Finished,
    /// Will not be.
    Cancelled(CancelReason),
    /// Cancelled after payment; the money is on its way back.
    Refunding(CancelReason),
    /// Cancelled after payment; the money is back.
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

    /// Why it was cancelled, if it was.
    pub const fn reason(self) -> Option<CancelReason> {
        match self {
            Self::Cancelled(reason) | Self::Refunding(reason) | Self::Refunded(reason) => Some(reason),
            Self::Pending | Self::Confirmed | Self::Paid | Self::Shipped | Self::Finished => None,
        }
    }

    /// The state that a store keeps as a name and a reason; `None` if the two do not make one.
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

    /// Whether an order in this state may go to `next` (the diagram in `docs/ARCHITECTURE.md`).
    pub fn may_become(self, next: Self) -> bool {
        use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};
        match (self, next) {
            (Pending, Confirmed) | (Confirmed, Paid) | (Paid, Shipped) | (Shipped, Finished) => true,
            (Pending | Confirmed | Paid, Cancelled(_)) => true,
            (Cancelled(why), Refunding(same)) | (Refunding(why), Refunded(same)) => why == same,
            _ => false,
        }
    }
}

/// An order as the order store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// What was asked for, and by whom.
    pub intent: Intent,
    /// How it stands.
    pub state: OrderState,
    /// The batch that brought it.
    pub batch: BatchId,
    /// When the store took it.
    pub created_at: Timestamp,
}

//! The answer to a purchase. Verdicts are not errors: a buyer can cause each of them.
//!
//! One table in `flashgate_service::error` maps each to its stable code and its statuses.

use std::borrow::Cow;

use crate::{clock::Timestamp, id::OrderId};

/// The answer to one intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The order is accepted: the broker holds it.
    Accepted(OrderId),
    /// The same purchase was accepted before; this is its order.
    Replayed(OrderId),
    /// No order was created.
    Refused(Refusal),
    /// The outcome was not known in time. A retry with the same key returns it.
    Unknown,
}

/// Why no order was created. Nothing was deducted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A field is missing or wrong.
    Malformed(Violation),
    /// The same key was used before with another quantity.
    KeyReused,
    /// Fewer units are left than requested.
    SoldOut,
    /// The buyer would hold more than the limit of the sale.
    OverLimit,
    /// The window has not begun.
    NotOpen {
        /// When it begins.
        opens_at: Timestamp,
    },
    /// The window is over, or the operator closed the sale.
    Ended,
    /// The sale does not exist.
    SaleNotFound,
    /// The sale is announced but not yet in the ledger.
    SaleNotReady,
    /// An operator paused the sale, or the ledger has lost data of it. An operator must rebuild it or restore the
    /// data.
    SalePaused,
    /// The order worker is too far behind.
    Backlog,
    /// Too many intents wait in this gateway, or this one waited past its deadline.
    Overloaded,
    /// This gateway is shutting down.
    Draining,
    /// The ledger is unavailable.
    LedgerUnavailable,
    /// The broker is unavailable.
    BrokerUnavailable,
}

/// A field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name on the wire: a header, a path parameter, a member of the body.
    pub field: Cow<'static, str>,
    /// The expected value.
    pub expected: String,
}

impl Violation {
    /// A violation: `field` must be as `expected` describes.
    pub fn new(field: impl Into<Cow<'static, str>>, expected: impl ToString) -> Self {
        Self { field: field.into(), expected: expected.to_string() }
    }
}

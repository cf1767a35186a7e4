//! What a buyer is told. Verdicts are not errors: a buyer can cause each of them.

use std::borrow::Cow;

use crate::{clock::Timestamp, id::OrderId};

/// The answer to one intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The order will be: the broker holds it.
    Accepted(OrderId),
    /// The same purchase was accepted before; this is its order.
    Replayed(OrderId),
    /// No order was made.
    Refused(Refusal),
    /// It could not be found out in time whether an order was made. Asking again with the same key tells.
    Unknown,
}

/// Why no order was made. Nothing was deducted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A field is missing or wrong.
    Malformed(Violation),
    /// The same key came before with another quantity.
    KeyReused,
    /// Fewer units are left than asked for.
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
    /// There is no such sale.
    SaleNotFound,
    /// The sale is announced but not yet in the ledger.
    SaleNotReady,
    /// The ledger has lost the sale, or went back behind what it had acknowledged. An operator must rebuild it.
    SalePaused,
    /// The order worker is too far behind.
    Backlog,
    /// Too many intents wait here already, or this one waited past its deadline.
    Overloaded,
    /// This gateway is about to leave.
    Draining,
    /// The ledger cannot be reached.
    LedgerUnavailable,
    /// The broker cannot be reached.
    BrokerUnavailable,
}

/// A field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name on the wire: a header, a path parameter, a member of the body.
    pub field: Cow<'static, str>,
    /// What it must be.
    pub expected: String,
}

impl Violation {
    /// `field` must be as `expected` says.
    pub fn new(field: impl Into<Cow<'static, str>>, expected: impl ToString) -> Self {
        Self { field: field.into(), expected: expected.to_string() }
    }
}

impl Verdict {
    /// The stable name: `code` in answers, `outcome` in metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Replayed(_) => "replayed",
            Self::Refused(refusal) => refusal.code(),
            Self::Unknown => "outcome_unknown",
        }
    }
}

impl Refusal {
    /// The stable name: `code` in answers, `outcome` in metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::KeyReused => "idempotency_key_reused",
            Self::SoldOut => "sold_out",
            Self::OverLimit => "over_limit",
            Self::NotOpen { .. } => "not_open",
            Self::Ended => "ended",
            Self::SaleNotFound => "sale_not_found",
            Self::SaleNotReady => "sale_not_ready",
            Self::SalePaused => "sale_paused",
            Self::Backlog => "backlog_full",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::BrokerUnavailable => "broker_unavailable",
        }
    }

    /// Whether the same request can succeed later, unchanged.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::NotOpen { .. }
            | Self::SaleNotReady
            | Self::SalePaused
            | Self::Backlog
            | Self::Overloaded
            | Self::Draining
            | Self::LedgerUnavailable
            | Self::BrokerUnavailable => true,
            Self::Malformed(_)
            | Self::KeyReused
            | Self::SoldOut
            | Self::OverLimit
            | Self::Ended
            | Self::SaleNotFound => false,
        }
    }

    /// One sentence for people.
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(violation) => format!("{} {}", violation.field, violation.expected),
            Self::KeyReused => "this idempotency key was used before with another quantity".to_owned(),
            Self::SoldOut => "fewer units are left than asked for".to_owned(),
            Self::OverLimit => "the buyer would hold more units than the sale allows".to_owned(),
            Self::NotOpen { opens_at } => {
                format!("the sale opens at {} ms since 1970-01-01T00:00:00Z", opens_at.as_millis())
            }
            Self::Ended => "the sale has ended".to_owned(),
            Self::SaleNotFound => "there is no such sale".to_owned(),
            Self::SaleNotReady => "the sale is being prepared".to_owned(),
            Self::SalePaused => "the sale is paused until an operator has repaired it".to_owned(),
            Self::Backlog => "too many accepted orders wait to be confirmed".to_owned(),
            Self::Overloaded => "too many requests wait already; nothing was ordered".to_owned(),
            Self::Draining => "this gateway is shutting down; nothing was ordered".to_owned(),
            Self::LedgerUnavailable => "the stock ledger cannot be reached; nothing was ordered".to_owned(),
            Self::BrokerUnavailable => "the message broker cannot be reached; nothing was ordered".to_owned(),
        }
    }
}

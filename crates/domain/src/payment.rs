//! Payments: attempts, refunds and callbacks of a provider, and their states.
//!
//! An order is paid by an *attempt*, which has an id of its own: a callback names the attempt, so that an attempt that
//! expires never affects an order that another attempt paid, and a second paid attempt is found and refunded.

mod money;
mod open;
mod stored;

use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use thiserror::Error;

pub use self::{
    money::{Currency, InvalidCurrency, InvalidMoney, MONEY_MINOR_MAX, Money},
    open::{Payment, Unpayable},
    stored::{PaymentAttempt, Refund, RefundCause, RefundKey, RefundRetry},
};
use crate::id::OrderId;

/// Maximum length of the text of an attempt id: 19 digits, a hyphen, 10 digits.
pub const ATTEMPT_ID_BYTES_MAX: usize = 30;
/// Maximum length of a refund id, in bytes.
pub const REFUND_ID_BYTES_MAX: usize = 64;
/// Maximum length of a callback id, in bytes.
pub const CALLBACK_ID_BYTES_MAX: usize = 128;

/// Identifies a payment attempt: its order, and its number among the attempts of that order. As text:
/// `<order id>-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The order that the attempt pays.
    pub order: OrderId,
    /// From 1, in the order in which the attempts were opened.
    pub number: NonZeroU32,
}

/// A text that is no attempt id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be an order id, a hyphen, and a number from 1 to {}", u32::MAX)]
pub struct InvalidAttemptId;

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.order, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = InvalidAttemptId;

    /// Strict: an id has exactly one text, since providers compare texts. No sign, blank or leading zero.
    fn from_str(text: &str) -> Result<Self, InvalidAttemptId> {
        let (order, number) = text.split_once('-').ok_or(InvalidAttemptId)?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let order = order.parse().map_err(|_invalid| InvalidAttemptId)?;
        let number = number.parse().ok().filter(|_number| is_plain).ok_or(InvalidAttemptId)?;
        Ok(Self { order, number })
    }
}

named! {
    /// The state of a payment attempt.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum AttemptState {
        /// It can be paid.
        Open = "open",
        /// It can no longer be paid; no money was taken.
        Closed = "closed",
        /// The provider took the money.
        Paid = "paid",
        /// The provider took the money and gave it back by itself, as after a dispute.
        Reversed = "reversed",
    }
}

impl AttemptState {
    /// Whether an attempt in this state may change to `next`.
    ///
    /// Money can arrive for an attempt that is closed here, if the provider confirms a payment that began before the
    /// close: the attempt is paid then, and owes a refund.
    pub const fn may_become(self, next: Self) -> bool {
        use AttemptState::{Closed, Open, Paid, Reversed};
        matches!((self, next), (Open, Closed | Paid) | (Closed, Paid) | (Paid, Reversed))
    }
}

named! {
    /// The state of a refund, as the provider reports it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum RefundState {
        /// Requested; the provider has not decided.
        Pending = "pending",
        /// The provider waits for the buyer or for an operator.
        RequiresAction = "requires_action",
        /// The provider returned the money.
        Succeeded = "succeeded",
        /// The money did not reach the buyer.
        Failed = "failed",
        /// It was cancelled before the money was returned.
        Cancelled = "cancelled",
    }
}

impl RefundState {
    /// Whether the refund is in progress: the provider has neither returned the money nor given up.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::RequiresAction => true,
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }

    /// Whether a refund in this state may change to `next`.
    ///
    /// `failed` may follow `succeeded`: a bank can return the money days later. Nothing follows `failed` and
    /// `cancelled`: a retry of such a refund is another refund with an id of its own.
    pub const fn may_become(self, next: Self) -> bool {
        use RefundState::{Cancelled, Failed, Pending, RequiresAction, Succeeded};
        match self {
            Pending => matches!(next, RequiresAction | Succeeded | Failed | Cancelled),
            RequiresAction => matches!(next, Pending | Succeeded | Failed | Cancelled),
            Succeeded => matches!(next, Failed),
            Failed | Cancelled => false,
        }
    }
}

/// Identifies a refund, and is its idempotency key at the provider: 1 to [`REFUND_ID_BYTES_MAX`] letters, digits,
/// hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundId(Arc<str>);

/// A text that is no refund id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 1 to {REFUND_ID_BYTES_MAX} letters, digits, hyphens or underscores")]
pub struct InvalidRefundId;

impl RefundId {
    /// Validates a text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidRefundId> {
        let text = text.as_ref();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (1..=REFUND_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.into())).ok_or(InvalidRefundId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies a callback of a provider; the same at each redelivery. 1 to [`CALLBACK_ID_BYTES_MAX`] visible ASCII
/// characters without a period, which separates the id from the time where both are signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackId(Arc<str>);

/// A text that is no callback id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 1 to {CALLBACK_ID_BYTES_MAX} visible ASCII characters without a period")]
pub struct InvalidCallbackId;

impl CallbackId {
    /// Validates a text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidCallbackId> {
        let text = text.as_ref();
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        let fits = (1..=CALLBACK_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.into())).ok_or(InvalidCallbackId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;

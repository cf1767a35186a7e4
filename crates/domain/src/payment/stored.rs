//! Attempts and refunds as the order store has them.

use std::num::NonZeroU32;

use super::{AttemptId, AttemptState, Money, RefundId, RefundState};
use crate::{
    clock::Timestamp,
    lifecycle::{Cause, OperatorName},
};

/// A payment attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentAttempt {
    /// Its id.
    pub id: AttemptId,
    /// The amount to be paid: the price of the order's units.
    pub due: Money,
    /// Its state.
    pub state: AttemptState,
    /// What the provider took, which may not be the amount due; `None` if it took nothing, or has not reported it.
    pub taken: Option<Money>,
    /// How often its state at the provider was due to be checked, and a worker claimed the check.
    pub tries: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

named! {
    /// Why money is returned.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum RefundCause {
        /// The order that the attempt had paid was cancelled.
        OrderCancelled = "order_cancelled",
        /// The provider took another amount than the one due, or another currency.
        WrongAmount = "wrong_amount",
        /// The order was cancelled before the money arrived.
        LatePayment = "late_payment",
        /// The order was paid before, by another attempt or as an operator recorded it.
        SecondPayment = "second_payment",
    }
}

/// Identifies a refund: its attempt, and its number among the refunds of that attempt. At a provider, its id is
/// `<attempt id>-r<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundKey {
    /// The attempt whose money is returned.
    pub attempt: AttemptId,
    /// From 1, in the order in which the refunds were made.
    pub number: NonZeroU32,
}

impl RefundKey {
    /// Its id at the provider.
    pub fn id(self) -> RefundId {
        // At most 42 digits and hyphens, and one letter.
        RefundId(format!("{}-r{}", self.attempt, self.number).into())
    }

    /// The refund with that id at the provider; `None` if this system gives no refund such an id.
    pub fn parse(id: &RefundId) -> Option<Self> {
        let (attempt, number) = id.as_str().rsplit_once("-r")?;
        let key = Self { attempt: attempt.parse().ok()?, number: number.parse().ok()? };
        // Strict: an id has exactly one text.
        (key.id() == *id).then_some(key)
    }
}

/// Who made a refund anew that had failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRetry {
    /// The operator.
    pub operator: OperatorName,
    /// Why. May be empty.
    pub cause: Cause,
}

/// A refund of what an attempt took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its identity.
    pub key: RefundKey,
    /// The amount to return.
    pub money: Money,
    /// Why.
    pub cause: RefundCause,
    /// Its state.
    pub state: RefundState,
    /// How often a worker claimed it, to ask the provider for it.
    pub tries: u32,
    /// Why the last call to the provider failed; `None` if it did not, or there was none.
    pub last_error: Option<Cause>,
    /// The operator who made it for one that had failed; `None` if a rule made it.
    pub retry: Option<RefundRetry>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

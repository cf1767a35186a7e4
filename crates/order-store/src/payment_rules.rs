//! The rules by which every order store records payments. No I/O.
//!
//! An order is paid at most once, by the attempt whose report finds it confirmed; every other paid attempt has a refund
//! from the same transaction on. So no row says which attempt paid an order: it is the paid one without such a refund.

mod report;

use std::num::NonZeroU32;

use flashgate_domain::{
    AttemptId, AttemptState, CancelReason, Cause, Money, Order, OrderEvent, OrderState, PaymentAttempt,
    Refund, RefundCause, RefundKey, RefundRetry, RefundState, Timestamp,
};

pub use self::report::{PaymentEffects, Unknown};
use crate::{ATTEMPTS_MAX, Opened, OrderChange, REFUND_ERROR_CHARS_MAX, Retried};

/// An order with its attempts and refunds, as a transaction has read them after it locked the order.
#[derive(Clone, Debug)]
pub struct OrderPayments {
    /// The order.
    pub order: Order,
    /// Its attempts, by ascending number.
    pub attempts: Vec<PaymentAttempt>,
    /// Its refunds, by ascending attempt and number.
    pub refunds: Vec<Refund>,
}

impl OrderPayments {
    /// The result of opening an attempt that costs `price`, `None` for a free order; [`Opened::Now`] with the attempt to
    /// be stored.
    pub fn open(self, price: Option<Money>, now: Timestamp) -> Opened {
        if self.order.state != OrderState::Confirmed || self.order.is_overdue(now) {
            return Opened::Elsewhere(self.order);
        }
        let Some(due) = price else { return Opened::Free };
        if let Some(open) = self.attempts.iter().find(|attempt| attempt.state == AttemptState::Open) {
            return Opened::Before(*open);
        }
        let number = next(self.attempts.iter().map(|attempt| attempt.id.number));
        if number.get() > ATTEMPTS_MAX {
            return Opened::TooMany;
        }
        Opened::Now(PaymentAttempt {
            id: AttemptId { order: self.order.id, number },
            due,
            state: AttemptState::Open,
            taken: None,
            tries: 0,
            opened_at: now,
            changed_at: now,
        })
    }

    /// The attempt that paid the order, if one did.
    pub fn payer(&self) -> Option<&PaymentAttempt> {
        self.attempts.iter().find(|attempt| self.is_payer(attempt))
    }

    fn is_payer(&self, attempt: &PaymentAttempt) -> bool {
        let is_surplus =
            |refund: &Refund| refund.key.attempt == attempt.id && refund.cause != RefundCause::OrderCancelled;
        attempt.state == AttemptState::Paid
            && attempt.taken == Some(attempt.due)
            && !self.refunds.iter().any(is_surplus)
    }

    /// The refund that is to be stored when the paid order becomes refunding: of what paid it, if an attempt did.
    pub fn refund_of_payment(&self, now: Timestamp) -> Option<Refund> {
        let payer = self.payer()?;
        Some(self.new_refund(payer.id, payer.due, RefundCause::OrderCancelled, now))
    }

    /// The result of trying a refund again; [`Retried::Now`] with the refund to be stored.
    pub fn retry(&self, key: RefundKey, by: RefundRetry, now: Timestamp) -> Retried {
        let Some(refund) = self.refunds.iter().find(|refund| refund.key == key) else {
            return Retried::Missing;
        };
        let is_same = |other: &&Refund| {
            other.key.attempt == key.attempt && other.cause == refund.cause && covers(other)
        };
        if let Some(other) = self.refunds.iter().find(is_same) {
            return Retried::Covered(other.clone());
        }
        let is_reversed =
            |attempt: &PaymentAttempt| attempt.id == key.attempt && attempt.state == AttemptState::Reversed;
        let is_settled = refund.cause == RefundCause::OrderCancelled
            && !matches!(self.order.state, OrderState::Refunding(_));
        if is_settled || self.attempts.iter().any(is_reversed) {
            return Retried::NotOwed;
        }
        let made = self.new_refund(key.attempt, refund.money, refund.cause, now);
        Retried::Now(Refund { retry: Some(by), ..made })
    }

    fn new_refund(&self, attempt: AttemptId, money: Money, cause: RefundCause, now: Timestamp) -> Refund {
        let others = self.refunds.iter().filter(|refund| refund.key.attempt == attempt);
        Refund {
            key: RefundKey { attempt, number: next(others.map(|refund| refund.key.number)) },
            money,
            cause,
            state: RefundState::Pending,
            tries: 0,
            last_error: None,
            retry: None,
            created_at: now,
            changed_at: now,
        }
    }
}

/// Whether the provider returns the payment of an order with these refunds, or has returned it: an operator's word does
/// not count then.
pub fn is_refunded_by_provider(refunds: &[Refund]) -> bool {
    refunds.iter().any(|refund| refund.cause == RefundCause::OrderCancelled && covers(refund))
}

/// Whether the money is returned, or is being returned.
const fn covers(refund: &Refund) -> bool {
    refund.state.is_open() || matches!(refund.state, RefundState::Succeeded)
}

fn next(numbers: impl Iterator<Item = NonZeroU32>) -> NonZeroU32 {
    numbers.max().map_or(NonZeroU32::MIN, |last| last.saturating_add(1))
}

/// When the first check of an attempt is due that was asked for at `check_at`: at the payment deadline at the latest,
/// so that the attempt is closed then.
pub fn first_check(order: &Order, check_at: Timestamp) -> Timestamp {
    order.pay_by.map_or(check_at, |pay_by| check_at.min(pay_by))
}

/// What a transition by [`change_order`](crate::LifecycleRepository::change_order) has to do with payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStep {
    /// Not made while the order has an open attempt: whether that is paid decides.
    TimesOut,
    /// Its open attempt is due for a check now: nothing else can be paid.
    LeavesConfirmed,
    /// What paid the order is to be refunded.
    OwesRefund,
    /// Not made while the provider returns the money, or has returned it.
    EndsRefund,
    /// Nothing.
    Unrelated,
}

impl PaymentStep {
    /// What `change` has to do with payments.
    pub fn of(change: &OrderChange) -> Self {
        use OrderState::{Cancelled, Confirmed, Paid, Refunded, Refunding};
        match (change.from, change.to) {
            (Confirmed, Cancelled(CancelReason::Timeout)) => Self::TimesOut,
            (Confirmed, _) => Self::LeavesConfirmed,
            (Paid, Refunding(_)) => Self::OwesRefund,
            (Refunding(_), Refunded(_)) => Self::EndsRefund,
            _ => Self::Unrelated,
        }
    }
}

/// Whether the order of these events has left `confirmed`: its open attempts are due for a check now.
pub fn leaves_confirmed(events: &[OrderEvent]) -> bool {
    events.iter().any(|event| event.from == OrderState::Confirmed)
}

/// What is stored of the error of a refund.
pub fn error_text(error: &str) -> Cause {
    let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = error.chars().take(REFUND_ERROR_CHARS_MAX).map(visible).collect();
    // Cut to the maximum, without control characters.
    Cause::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;

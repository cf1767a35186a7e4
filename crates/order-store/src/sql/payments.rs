//! The columns of payment attempts and refunds, read back into the words of the domain. No I/O.

use std::num::NonZeroU32;

use flashgate_domain::{
    AttemptId, AttemptState, Cause, Money, OperatorName, PaymentAttempt, Quantity, Refund, RefundCause,
    RefundKey, RefundRetry, RefundState, Timestamp,
};

use super::columns::{InvalidColumn, order_id};
use crate::{DueCheck, DueRefund};

/// `order_id` and `number` of an attempt.
pub fn attempt_id(order: u64, number: u32) -> Result<AttemptId, InvalidColumn> {
    let number = NonZeroU32::new(number).ok_or(InvalidColumn("number of an attempt"))?;
    Ok(AttemptId { order: order_id(order)?, number })
}

/// `order_id`, `number` and `refund_number` of a refund.
pub fn refund_key(order: u64, number: u32, refund_number: u32) -> Result<RefundKey, InvalidColumn> {
    let refund_number = NonZeroU32::new(refund_number).ok_or(InvalidColumn("number of a refund"))?;
    Ok(RefundKey { attempt: attempt_id(order, number)?, number: refund_number })
}

fn money(minor: u64, currency: &str) -> Result<Money, InvalidColumn> {
    let currency = currency.parse().map_err(|_invalid| InvalidColumn("currency"))?;
    Money::new(minor, currency).map_err(|_invalid| InvalidColumn("amount"))
}

/// What `quantity` units cost, from `price_minor` and `currency` of their sale; `None` if they are free.
pub fn price(price_minor: u64, currency: &str, quantity: Quantity) -> Result<Option<Money>, InvalidColumn> {
    let unit = money(price_minor, currency)?;
    let price = Money::of_units(unit.minor(), quantity, unit.currency());
    let price = price.map_err(|_invalid| InvalidColumn("price"))?;
    Ok((price.minor() > 0).then_some(price))
}

/// A row of `due_checks`.
pub fn due_check(at_ms: u64, order: u64, number: u32) -> Result<DueCheck, InvalidColumn> {
    Ok(DueCheck { at: Timestamp::from_millis(at_ms), attempt: attempt_id(order, number)? })
}

/// A row of `due_refunds`.
pub fn due_refund(
    at_ms: u64,
    order: u64,
    number: u32,
    refund_number: u32,
) -> Result<DueRefund, InvalidColumn> {
    Ok(DueRefund { at: Timestamp::from_millis(at_ms), refund: refund_key(order, number, refund_number)? })
}

/// The columns of an attempt.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct AttemptColumns<'a> {
    pub order_id: u64,
    pub number: u32,
    pub amount_minor: u64,
    pub currency: &'a str,
    pub state: &'a str,
    pub paid_minor: Option<u64>,
    pub paid_currency: Option<&'a str>,
    pub tries: u32,
    pub opened_at_ms: u64,
    pub changed_at_ms: u64,
}

impl AttemptColumns<'_> {
    /// The attempt.
    pub fn attempt(self) -> Result<PaymentAttempt, InvalidColumn> {
        let taken = match (self.paid_minor, self.paid_currency) {
            (Some(minor), Some(currency)) => Some(money(minor, currency)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(InvalidColumn("amount paid")),
        };
        Ok(PaymentAttempt {
            id: attempt_id(self.order_id, self.number)?,
            due: money(self.amount_minor, self.currency)?,
            state: AttemptState::parse(self.state).ok_or(InvalidColumn("state of an attempt"))?,
            taken,
            tries: self.tries,
            opened_at: Timestamp::from_millis(self.opened_at_ms),
            changed_at: Timestamp::from_millis(self.changed_at_ms),
        })
    }
}

/// The columns of a refund.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct RefundColumns<'a> {
    pub order_id: u64,
    pub number: u32,
    pub refund_number: u32,
    pub amount_minor: u64,
    pub currency: &'a str,
    pub cause: &'a str,
    pub state: &'a str,
    pub tries: u32,
    pub last_error: Option<&'a str>,
    pub retry_operator: Option<&'a str>,
    pub retry_cause: Option<&'a str>,
    pub created_at_ms: u64,
    pub changed_at_ms: u64,
}

impl RefundColumns<'_> {
    /// The refund.
    pub fn refund(self) -> Result<Refund, InvalidColumn> {
        let last_error = self.last_error.map(Cause::new).transpose();
        let retry = match (self.retry_operator, self.retry_cause) {
            (Some(operator), Some(cause)) => Some(RefundRetry {
                operator: OperatorName::new(operator)
                    .map_err(|_invalid| InvalidColumn("operator of a refund"))?,
                cause: Cause::new(cause).map_err(|_invalid| InvalidColumn("cause of a retry"))?,
            }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(InvalidColumn("retry of a refund")),
        };
        Ok(Refund {
            key: refund_key(self.order_id, self.number, self.refund_number)?,
            money: money(self.amount_minor, self.currency)?,
            cause: RefundCause::parse(self.cause).ok_or(InvalidColumn("cause of a refund"))?,
            state: RefundState::parse(self.state).ok_or(InvalidColumn("state of a refund"))?,
            tries: self.tries,
            last_error: last_error.map_err(|_invalid| InvalidColumn("error of a refund"))?,
            retry,
            created_at: Timestamp::from_millis(self.created_at_ms),
            changed_at: Timestamp::from_millis(self.changed_at_ms),
        })
    }
}

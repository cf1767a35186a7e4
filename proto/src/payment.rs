//! Payments on the wire: what a buyer needs to pay, attempts and refunds. The only place that converts them.

use flashgate_domain::{
    AttemptId, AttemptState, Cause, Money, OperatorName, Payment, PaymentAttempt, Refund, RefundCause,
    RefundId, RefundKey, RefundRetry, RefundState, Timestamp,
};

use crate::{body::BodyError, v1};

/// Encodes `payment`.
pub fn payment_message(payment: &Payment) -> v1::Payment {
    let Payment { attempt, due, state, pay_url, pay_by } = payment;
    v1::Payment {
        attempt_id: attempt.to_string(),
        amount_minor: due.minor(),
        currency: due.currency().to_string(),
        state: state.to_string(),
        pay_url: pay_url.clone(),
        pay_by_ms: pay_by.map(Timestamp::as_millis),
    }
}

/// Decodes a payment.
///
/// # Errors
/// The first invalid field.
pub fn payment(message: v1::Payment) -> Result<Payment, BodyError> {
    let v1::Payment { attempt_id, amount_minor, currency, state, pay_url, pay_by_ms } = message;
    Ok(Payment {
        attempt: attempt(&attempt_id)?,
        due: money("amount_minor", v1::Money { minor: amount_minor, currency })?,
        state: attempt_state(&state)?,
        pay_url,
        pay_by: pay_by_ms.map(Timestamp::from_millis),
    })
}

/// Encodes `attempt`.
pub fn attempt_message(attempt: &PaymentAttempt) -> v1::PaymentAttempt {
    let PaymentAttempt { id, due, state, taken, tries, opened_at, changed_at } = attempt;
    v1::PaymentAttempt {
        attempt_id: id.to_string(),
        due: Some(amount(*due)),
        state: state.to_string(),
        taken: taken.map(amount),
        tries: *tries,
        opened_at_ms: opened_at.as_millis(),
        changed_at_ms: changed_at.as_millis(),
    }
}

/// Decodes an attempt.
///
/// # Errors
/// The first invalid field.
pub fn payment_attempt(message: v1::PaymentAttempt) -> Result<PaymentAttempt, BodyError> {
    let v1::PaymentAttempt { attempt_id, due, state, taken, tries, opened_at_ms, changed_at_ms } = message;
    Ok(PaymentAttempt {
        id: attempt(&attempt_id)?,
        due: money("due", due.ok_or(BodyError::of("due"))?)?,
        state: attempt_state(&state)?,
        taken: taken.map(|taken| money("taken", taken)).transpose()?,
        tries,
        opened_at: Timestamp::from_millis(opened_at_ms),
        changed_at: Timestamp::from_millis(changed_at_ms),
    })
}

/// Encodes `refund`.
pub fn refund_message(refund: &Refund) -> v1::Refund {
    let Refund { key, money, cause, state, tries, last_error, retry, created_at, changed_at } = refund;
    let (retry_operator, retry_cause) = retry.as_ref().map_or_else(Default::default, |retry| {
        (retry.operator.as_str().to_owned(), retry.cause.as_str().to_owned())
    });
    v1::Refund {
        refund_id: key.id().to_string(),
        attempt_id: key.attempt.to_string(),
        amount: Some(amount(*money)),
        cause: cause.to_string(),
        state: state.to_string(),
        tries: *tries,
        last_error: last_error.as_ref().map_or_else(String::new, |error| error.as_str().to_owned()),
        created_at_ms: created_at.as_millis(),
        changed_at_ms: changed_at.as_millis(),
        retry_operator,
        retry_cause,
    }
}

/// Decodes a refund.
///
/// # Errors
/// The first invalid field.
pub fn refund(message: v1::Refund) -> Result<Refund, BodyError> {
    let invalid = |field| BodyError::of(field);
    let id = RefundId::new(&message.refund_id).ok();
    let key = id.and_then(|id| RefundKey::parse(&id)).ok_or(invalid("refund_id"))?;
    if attempt(&message.attempt_id)? != key.attempt {
        return Err(invalid("attempt_id"));
    }
    let last_error = match message.last_error.as_str() {
        "" => None,
        text => Some(Cause::new(text).map_err(|_invalid| BodyError::of("last_error"))?),
    };
    let retry = match message.retry_operator {
        none if none.is_empty() => None,
        operator => Some(RefundRetry {
            operator: OperatorName::new(operator).map_err(|_invalid| BodyError::of("retry_operator"))?,
            cause: Cause::new(message.retry_cause).map_err(|_invalid| BodyError::of("retry_cause"))?,
        }),
    };
    Ok(Refund {
        key,
        money: money("amount", message.amount.ok_or(invalid("amount"))?)?,
        cause: RefundCause::parse(&message.cause).ok_or(invalid("cause"))?,
        state: RefundState::parse(&message.state).ok_or(invalid("state"))?,
        tries: message.tries,
        last_error,
        retry,
        created_at: Timestamp::from_millis(message.created_at_ms),
        changed_at: Timestamp::from_millis(message.changed_at_ms),
    })
}

fn attempt(text: &str) -> Result<AttemptId, BodyError> {
    text.parse().map_err(|_invalid| BodyError::of("attempt_id"))
}

fn attempt_state(name: &str) -> Result<AttemptState, BodyError> {
    AttemptState::parse(name).ok_or(BodyError::of("state"))
}

fn amount(money: Money) -> v1::Money {
    v1::Money { minor: money.minor(), currency: money.currency().to_string() }
}

fn money(field: &'static str, amount: v1::Money) -> Result<Money, BodyError> {
    let currency = amount.currency.parse().map_err(|_invalid| BodyError::of("currency"))?;
    Money::new(amount.minor, currency).map_err(|_invalid| BodyError::of(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(5);

    fn euros(minor: u64) -> Money {
        Money::new(minor, "EUR".parse().unwrap()).unwrap()
    }

    fn an_attempt() -> PaymentAttempt {
        PaymentAttempt {
            id: "1024-2".parse().unwrap(),
            due: euros(1_999),
            state: AttemptState::Paid,
            taken: Some(euros(2_000)),
            tries: 3,
            opened_at: AT,
            changed_at: Timestamp::from_millis(6),
        }
    }

    fn a_refund() -> Refund {
        Refund {
            key: RefundKey::parse(&RefundId::new("1024-2-r1").unwrap()).unwrap(),
            money: euros(2_000),
            cause: RefundCause::WrongAmount,
            state: RefundState::Failed,
            tries: 4,
            last_error: Some(Cause::new("no such account").unwrap()),
            retry: Some(RefundRetry {
                operator: OperatorName::new("eve").unwrap(),
                cause: Cause::new("account corrected").unwrap(),
            }),
            created_at: AT,
            changed_at: AT,
        }
    }

    #[test]
    fn payments_attempts_and_refunds_come_through_a_message_unchanged() {
        let page = Payment::new(&an_attempt(), "https://pay.example/1024-2".to_owned(), Some(AT));
        assert_eq!(payment(payment_message(&page)).unwrap(), page);
        let untaken = PaymentAttempt { taken: None, state: AttemptState::Open, ..an_attempt() };
        for attempt in [an_attempt(), untaken] {
            assert_eq!(payment_attempt(attempt_message(&attempt)).unwrap(), attempt);
        }
        for refunded in [a_refund(), Refund { last_error: None, retry: None, ..a_refund() }] {
            assert_eq!(refund(refund_message(&refunded)).unwrap(), refunded);
        }
    }

    #[test]
    fn an_invalid_field_is_named() {
        let of_refund = |edit: fn(&mut v1::Refund)| {
            let mut message = refund_message(&a_refund());
            edit(&mut message);
            refund(message).unwrap_err().to_string()
        };
        let of_attempt = |edit: fn(&mut v1::PaymentAttempt)| {
            let mut message = attempt_message(&an_attempt());
            edit(&mut message);
            payment_attempt(message).unwrap_err().to_string()
        };
        let named = |field: &str| format!("the field {field} of the body is wrong");
        assert_eq!(of_refund(|refund| refund.refund_id = "1024-2".to_owned()), named("refund_id"));
        assert_eq!(of_refund(|refund| refund.attempt_id = "1024-1".to_owned()), named("attempt_id"));
        assert_eq!(of_refund(|refund| refund.amount = None), named("amount"));
        assert_eq!(of_refund(|refund| refund.state.clear()), named("state"));
        assert_eq!(of_refund(|refund| refund.last_error = "\0".to_owned()), named("last_error"));
        assert_eq!(of_refund(|refund| refund.retry_operator = "\0".to_owned()), named("retry_operator"));
        assert_eq!(of_refund(|refund| refund.retry_cause = "\0".to_owned()), named("retry_cause"));
        assert_eq!(of_attempt(|attempt| attempt.due = None), named("due"));
        assert_eq!(of_attempt(|attempt| attempt.state = "done".to_owned()), named("state"));
    }
}

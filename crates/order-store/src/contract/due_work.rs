//! Work that is due: it is claimed by one caller, comes again, and ends with its attempt or refund.

use flashgate_domain::{AttemptId, CancelReason, OrderState, PaymentAttempt, RefundCause, Timestamp};

use super::{
    Broken, Fact, Subject,
    deadlines::{DUE, MINUTE, after},
    payments::{CHECK, SOON, euros},
};
use crate::{DueCheck, REFUND_ERROR_CHARS_MAX, ReportKind};

use OrderState::{Cancelled, Confirmed, Paid};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(CHECK.as_millis() + ms)
}

impl Subject {
    async fn checks(&self, until: Timestamp) -> Result<Vec<(Timestamp, AttemptId)>, Broken> {
        let due = self.store().checks_due(until, 100).await?;
        Ok(due.into_iter().map(|DueCheck { at, attempt }| (at, attempt)).collect())
    }
}

fn ids(attempts: &[PaymentAttempt]) -> Vec<AttemptId> {
    attempts.iter().map(|attempt| attempt.id).collect()
}

/// At the deadline of its order at the latest, until the attempt ends.
pub async fn an_open_attempt_is_checked(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let placed = subject.place(1, sale, &[1, 1]).await?;
    for (order, asked, expected) in [(placed[0], at(0), at(0)), (placed[1], after(MINUTE * 5), DUE)] {
        subject.store().open_attempt(order, asked, SOON).await?;
        let attempt = subject.store().attempts(order).await?[0];
        assert_eq!(subject.checks(expected).await?.last(), Some(&(expected, attempt.id)));
        subject.store().open_attempt(order, SOON, SOON).await?;
    }
    let early = CHECK.saturating_sub(std::time::Duration::from_millis(1));
    assert_eq!(subject.checks(early).await?, []);
    assert_eq!(subject.checks(CHECK).await?.len(), 1);
    assert_eq!(subject.store().checks_due(DUE, 1).await?.len(), 1);
    let attempt = subject.store().attempts(placed[0]).await?[0];
    subject.reported(attempt.id, ReportKind::Closed, SOON).await?;
    assert_eq!(subject.checks(DUE).await?.len(), 1);
    Ok(())
}

/// Nothing else can be paid: also if an operator records a payment.
pub async fn an_attempt_is_checked_at_once_when_its_order_leaves_it(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let mut expected = Vec::new();
    for (number, to) in [(1, Cancelled(CancelReason::ByBuyer)), (2, Paid)] {
        let (order, attempt) = subject.unpaid(number, sale).await?;
        assert_eq!(subject.checks(SOON).await?, expected);
        let change = super::lifecycle::change(order, Confirmed, to);
        super::lifecycle::moved(subject.store().change_order(&change, SOON).await?)?;
        expected.push((SOON, attempt.id));
        assert_eq!(subject.checks(SOON).await?, expected);
    }
    Ok(())
}

/// The earliest first; each is due again, and counted.
pub async fn checks_are_claimed_and_come_again(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let sale = subject.sale_due(10, MINUTE).await?;
    let mut attempts = Vec::new();
    for number in 1..=3 {
        let (_order, attempt) = subject.unpaid(number, sale).await?;
        let moved = one.postpone_check(attempt.id, CHECK, at(10 - number)).await?;
        assert!(moved, "it was due then");
        assert!(!one.postpone_check(attempt.id, CHECK, SOON).await?, "it is due at another time");
        attempts.push(attempt);
    }
    assert_eq!(one.claim_checks(at(6), at(100), 10).await?, []);
    let first = one.claim_checks(at(8), at(100), 10).await?;
    assert_eq!(ids(&first), [attempts[2].id, attempts[1].id]);
    assert_eq!(first[0], PaymentAttempt { tries: 1, ..attempts[2] });
    assert_eq!(ids(&other.claim_checks(at(99), at(50), 10).await?), [attempts[0].id]);
    assert_eq!(other.claim_checks(at(99), at(200), 0).await?, []);
    assert_eq!(ids(&other.claim_checks(at(100), at(200), 1).await?), [attempts[0].id]);
    let rest = other.claim_checks(at(100), at(200), 10).await?;
    assert_eq!(rest.iter().map(|attempt| attempt.tries).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(subject.checks(at(200)).await?.len(), 3);
    assert_eq!(subject.store().attempts(attempts[0].id.order).await?[0].tries, 2);
    Ok(())
}

/// With the error of the last try.
pub async fn refunds_are_claimed_and_come_again(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let sale = subject.sale_due(10, MINUTE).await?;
    let mut made = Vec::new();
    for number in 1..=2 {
        let (_order, attempt) = subject.unpaid(number, sale).await?;
        let (_, refunds, _) = subject.reported(attempt.id, ReportKind::Paid(euros(number)?), SOON).await?;
        made.extend(refunds);
    }
    assert_eq!(one.refunds_due(SOON.saturating_sub(MINUTE), 10).await?, []);
    let claimed = one.claim_refunds(SOON, at(0), 10).await?;
    assert_eq!(claimed.len(), 2);
    for (claimed, made) in claimed.iter().zip(&made) {
        assert_eq!((claimed.key, claimed.money, claimed.tries), (made.key, made.money, 1));
        assert_eq!(claimed.cause, RefundCause::WrongAmount);
    }
    assert_eq!(other.claim_refunds(SOON, at(0), 10).await?, []);
    let key = made[0].key;
    let long = "\u{1f98a}\n".repeat(REFUND_ERROR_CHARS_MAX);
    assert!(!one.postpone_refund(key, SOON, at(5), Some("never")).await?, "it is due at another time");
    assert!(one.postpone_refund(key, at(0), at(5), Some(&long)).await?);
    let kept = "\u{1f98a} ".repeat(REFUND_ERROR_CHARS_MAX / 2);
    let stored = other.refunds(key.attempt.order).await?;
    assert_eq!(stored[0].last_error.as_ref().map(flashgate_domain::Cause::as_str), Some(kept.as_str()));
    assert_eq!(other.refunds_due(at(5), 1).await?[0].refund, made[1].key);
    assert_eq!(other.claim_refunds(at(5), at(9), 10).await?[1].tries, 2);
    assert!(one.postpone_refund(key, at(9), at(10), None).await?);
    assert_eq!(other.refunds(key.attempt.order).await?[0].last_error, None);
    Ok(())
}

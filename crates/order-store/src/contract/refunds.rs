//! Refunds: what a cancelled order has paid goes back once, and its order follows.

use flashgate_domain::{
    Actor, CancelReason, Cause, OperatorName, OrderId, OrderState, PaymentAttempt, Refund, RefundCause,
    RefundId, RefundRetry, RefundState, SaleId, Timestamp,
};

use super::{
    Broken, Fact, Subject,
    deadlines::{DUE, MINUTE},
    lifecycle::{LATER, change, moved},
    payments::{SOON, done, euros, report},
};
use crate::{Changed, PaymentFinding, Recorded, ReportKind, Retried};

use OrderState::{Confirmed, Paid, Refunded, Refunding, Shipped};

const BUYER: CancelReason = CancelReason::ByBuyer;
const REVERSED: CancelReason = CancelReason::PaymentReversed;

/// An operator who tries again.
pub(super) fn by_eve() -> Result<RefundRetry, Broken> {
    Ok(RefundRetry { operator: OperatorName::new("eve")?, cause: Cause::new("account corrected")? })
}

fn moved_to(refund: &Refund, state: RefundState) -> ReportKind {
    ReportKind::Refund { refund: refund.key.id(), state, money: refund.money }
}

impl Subject {
    /// An order that an attempt has paid.
    async fn paid(&self, number: u64, sale: SaleId) -> Result<(OrderId, PaymentAttempt), Broken> {
        let (order, attempt) = self.unpaid(number, sale).await?;
        self.reported(attempt.id, ReportKind::Paid(attempt.due), SOON).await?;
        Ok((order, attempt))
    }

    /// The same, cancelled by its buyer, with its refund.
    async fn refunding(&self, number: u64, sale: SaleId) -> Result<(OrderId, Refund), Broken> {
        let (order, _attempt) = self.paid(number, sale).await?;
        self.walk(order, &[Paid, Refunding(BUYER)]).await?;
        let refund = self.store().refunds(order).await?.into_iter().next();
        Ok((order, refund.ok_or("no refund")?))
    }

    async fn refund_moves(&self, refund: &Refund, state: RefundState) -> Result<Vec<OrderState>, Broken> {
        let (events, refunds, finding) =
            self.reported(refund.key.attempt, moved_to(refund, state), LATER).await?;
        assert_eq!(refunds, [Refund { state, changed_at: LATER, ..self.refund(refund).await? }]);
        assert_eq!(finding, None);
        assert!(events.iter().all(|event| event.actor == Actor::Payment && event.at == LATER));
        Ok(events.iter().map(|event| event.to).collect())
    }

    async fn refund(&self, refund: &Refund) -> Result<Refund, Broken> {
        let refunds = self.store().refunds(refund.key.attempt.order).await?;
        Ok(refunds.into_iter().find(|found| found.key == refund.key).ok_or("no refund")?)
    }

    async fn due_refunds(&self, until: Timestamp) -> Result<Vec<RefundId>, Broken> {
        let due = self.store().refunds_due(until, 100).await?;
        Ok(due.into_iter().map(|due| due.refund.id()).collect())
    }
}

/// Its own money, and nothing if an operator recorded the payment.
pub async fn a_paid_order_that_is_cancelled_has_a_refund(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let (order, attempt) = subject.paid(1, sale).await?;
    moved(subject.store().change_order(&change(order, Paid, Refunding(BUYER)), LATER).await?)?;
    let [refund] = &subject.store().refunds(order).await?[..] else { return Err("not one refund".into()) };
    let expected = (attempt.id, attempt.due, RefundCause::OrderCancelled, RefundState::Pending);
    assert_eq!((refund.key.attempt, refund.money, refund.cause, refund.state), expected);
    assert_eq!(subject.due_refunds(LATER).await?, [refund.key.id()]);
    assert_eq!(subject.stock(sale).await?, (10, 1));
    let again = subject.store().change_order(&change(order, Paid, Refunding(BUYER)), LATER).await?;
    assert!(matches!(again, Changed::Elsewhere(_)));
    assert_eq!(subject.store().refunds(order).await?.len(), 1);

    // Paid in cash; the money of the attempt has its own refund.
    let (order, attempt) = subject.unpaid(2, sale).await?;
    subject.walk(order, &[Confirmed, Paid]).await?;
    subject.reported(attempt.id, ReportKind::Paid(attempt.due), SOON).await?;
    subject.walk(order, &[Paid, Refunding(BUYER), Refunded(BUYER)]).await?;
    let causes: Vec<_> = subject.store().refunds(order).await?.iter().map(|refund| refund.cause).collect();
    assert_eq!(causes, [RefundCause::SecondPayment]);
    Ok(())
}

/// Also when the bank returns the money days later; units return once.
pub async fn an_order_follows_the_refund_of_its_payment(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let (order, refund) = subject.refunding(1, sale).await?;
    for (state, expected) in [
        (RefundState::RequiresAction, vec![]),
        (RefundState::Pending, vec![]),
        (RefundState::Succeeded, vec![Refunded(BUYER)]),
        (RefundState::Failed, vec![Refunding(BUYER)]),
    ] {
        assert_eq!(subject.refund_moves(&refund, state).await?, expected, "{state}");
        let is_due = !subject.due_refunds(LATER).await?.is_empty();
        assert_eq!(is_due, state.is_open(), "{state}");
        for store in &subject.stores {
            let again = report(refund.key.attempt, moved_to(&refund, state));
            assert_eq!(store.record(&again, None, DUE).await?, Recorded::Unchanged);
        }
    }
    let late = report(refund.key.attempt, moved_to(&refund, RefundState::Succeeded));
    assert_eq!(subject.store().record(&late, None, DUE).await?, Recorded::Unchanged);
    let other = ReportKind::Refund { refund: refund.key.id(), state: RefundState::Failed, money: euros(1)? };
    let (.., finding) = subject.reported(refund.key.attempt, other, LATER).await?;
    assert_eq!(finding, Some(PaymentFinding::RefundAmount));
    let versions = subject.store().order_events(order).await?;
    assert_eq!(versions.iter().map(|event| event.version).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!((subject.stock(sale).await?, subject.state(order).await?), ((10, 1), Refunding(BUYER)));
    Ok(())
}

/// While the provider returns the money, or has returned it.
pub async fn an_operator_does_not_end_a_refund_of_the_provider(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let (order, refund) = subject.refunding(1, sale).await?;
    let end = change(order, Refunding(BUYER), Refunded(BUYER));
    for state in [RefundState::Pending, RefundState::RequiresAction] {
        if state != refund.state {
            subject.refund_moves(&refund, state).await?;
        }
        for store in &subject.stores {
            let held = store.change_order(&end, LATER).await?;
            assert_eq!(held, Changed::Held(store.order(order).await?.ok_or("not found")?));
        }
    }
    assert_eq!(subject.store().order_events(order).await?.len(), 2);
    subject.refund_moves(&refund, RefundState::Failed).await?;
    moved(subject.store().change_order(&end, LATER).await?)?;
    // The money went another way.
    assert_eq!(subject.store().retry_refund(refund.key, &by_eve()?, LATER).await?, Retried::NotOwed);
    Ok(())
}

/// With the next number, and once.
pub async fn a_refund_that_failed_is_tried_again(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let (order, first) = subject.refunding(1, sale).await?;
    assert_eq!(
        subject.store().retry_refund(first.key, &by_eve()?, LATER).await?,
        Retried::Covered(first.clone())
    );
    subject.refund_moves(&first, RefundState::Failed).await?;
    let Retried::Now(second) = subject.store().retry_refund(first.key, &by_eve()?, DUE).await? else {
        return Err("not tried again".into());
    };
    assert_eq!(second.key.id().as_str(), format!("{}-r2", first.key.attempt));
    assert_eq!((second.money, second.cause, second.state), (first.money, first.cause, RefundState::Pending));
    assert_eq!((&first.retry, &second.retry), (&None, &Some(by_eve()?)));
    for store in &subject.stores {
        for key in [first.key, second.key] {
            assert_eq!(store.retry_refund(key, &by_eve()?, DUE).await?, Retried::Covered(second.clone()));
        }
    }
    assert_eq!(subject.due_refunds(DUE).await?, [second.key.id()]);
    assert_eq!(subject.refund_moves(&second, RefundState::Succeeded).await?, [Refunded(BUYER)]);
    let succeeded = subject.refund(&second).await?;
    assert_eq!(subject.store().retry_refund(first.key, &by_eve()?, DUE).await?, Retried::Covered(succeeded));
    assert_eq!(subject.store().refunds(order).await?.len(), 2);
    let missing = flashgate_domain::RefundKey { number: second.key.number.saturating_add(1), ..second.key };
    assert_eq!(subject.store().retry_refund(missing, &by_eve()?, DUE).await?, Retried::Missing);
    Ok(())
}

/// Its units are sold again, once; nothing is refunded any more.
pub async fn a_reversed_payment_takes_its_order_back(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let (order, attempt) = subject.paid(1, sale).await?;
    let reversed = report(attempt.id, ReportKind::Reversed(attempt.due));
    let (events, refunds, finding) = done(subject.store().record(&reversed, None, LATER).await?)?;
    let states: Vec<_> = events.iter().map(|event| (event.version, event.to)).collect();
    assert_eq!(states, [(3, Refunding(REVERSED)), (4, Refunded(REVERSED))]);
    assert_eq!((refunds, finding, subject.stock(sale).await?), (vec![], None, (10, 1)));
    for store in &subject.stores {
        assert_eq!(store.record(&reversed, None, LATER).await?, Recorded::Unchanged);
        assert_eq!(store.order_events(order).await?[1..], events);
        assert_eq!(store.order(order).await?.map(|order| order.version), Some(4));
    }

    let (order, refund) = subject.refunding(2, sale).await?;
    let attempt = refund.key.attempt;
    let (events, refunds, _) = subject.reported(attempt, ReportKind::Reversed(refund.money), LATER).await?;
    assert_eq!((events.len(), events[0].to), (1, Refunded(BUYER)));
    assert_eq!((refunds.len(), refunds[0].state), (1, RefundState::Cancelled));
    assert_eq!(subject.due_refunds(DUE).await?, Vec::<RefundId>::new());
    assert_eq!(subject.store().retry_refund(refund.key, &by_eve()?, DUE).await?, Retried::NotOwed);
    assert_eq!((subject.state(order).await?, subject.stock(sale).await?), (Refunded(BUYER), (10, 2)));

    let (order, attempt) = subject.paid(3, sale).await?;
    subject.walk(order, &[Paid, Shipped]).await?;
    let (events, _, finding) = subject.reported(attempt.id, ReportKind::Reversed(attempt.due), LATER).await?;
    assert_eq!((events, finding), (vec![], Some(PaymentFinding::ReversedAfterShipping)));
    assert_eq!((subject.state(order).await?, subject.stock(sale).await?), (Shipped, (9, 2)));
    Ok(())
}

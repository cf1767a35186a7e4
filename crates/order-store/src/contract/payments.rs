//! Attempts, and what the provider reports about them: an order is paid once, and other money has a refund.

use std::{num::NonZeroU32, time::Duration};

use flashgate_domain::{
    Actor, AttemptId, AttemptState, CallbackId, CancelReason, Money, OrderEvent, OrderId, OrderState,
    PaymentAttempt, Refund, RefundCause, RefundState, SaleId, Timestamp,
};

use super::{
    Broken, Fact, Subject,
    deadlines::{DUE, MINUTE, after, all, orders},
    scene::{NOW, draft_due},
};
use crate::{
    CALLBACK_PAGE_MAX, Opened, OrderStore, PaymentFinding, PaymentReport, Recorded, ReportKind, StoreError,
    expiry::OPEN_ATTEMPT_GRACE,
};

use OrderState::{Cancelled, Confirmed, Paid, Shipped};

/// The events, the refunds and the finding of a report that changed something.
pub(super) type Effects = (Vec<OrderEvent>, Vec<Refund>, Option<PaymentFinding>);

const TIMED_OUT: OrderState = Cancelled(CancelReason::Timeout);
/// When attempts are opened and reported here, and when their first checks are due.
pub(super) const SOON: Timestamp = Timestamp::from_millis(NOW.as_millis() + 1_000);
pub(super) const CHECK: Timestamp = Timestamp::from_millis(NOW.as_millis() + 5_000);

pub(super) fn euros(minor: u64) -> Result<Money, Broken> {
    Ok(Money::new(minor, "EUR".parse()?)?)
}

pub(super) fn report(attempt: AttemptId, kind: ReportKind) -> PaymentReport {
    PaymentReport { attempt, kind }
}

/// Retries as a caller does, until the store answers.
pub(super) async fn record(
    store: &dyn OrderStore,
    report: &PaymentReport,
    callback: Option<&CallbackId>,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    loop {
        match store.record(report, callback, now).await {
            Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
            opinion => return opinion,
        }
    }
}

/// The events, refunds and finding of a report that changed something.
pub(super) fn done(recorded: Recorded) -> Result<Effects, Broken> {
    let Recorded::Done { events, refunds, finding } = recorded else {
        return Err(format!("not done: {recorded:?}").into());
    };
    Ok((events, refunds, finding))
}

impl Subject {
    /// A new attempt of the order.
    pub(super) async fn attempt(&self, order: OrderId) -> Result<PaymentAttempt, Broken> {
        let opened = self.store().open_attempt(order, CHECK, SOON).await?;
        let Opened::Now(attempt) = opened else { return Err(format!("not opened: {opened:?}").into()) };
        Ok(attempt)
    }

    /// A confirmed order of one unit, which is due, and its attempt.
    pub(super) async fn unpaid(
        &self,
        number: u64,
        sale: SaleId,
    ) -> Result<(OrderId, PaymentAttempt), Broken> {
        let order = self.place(number, sale, &[1]).await?[0];
        Ok((order, self.attempt(order).await?))
    }

    /// Records a report that changes something.
    pub(super) async fn reported(
        &self,
        attempt: AttemptId,
        kind: ReportKind,
        now: Timestamp,
    ) -> Result<Effects, Broken> {
        done(self.store().record(&report(attempt, kind), None, now).await?)
    }

    pub(super) async fn state(&self, order: OrderId) -> Result<OrderState, Broken> {
        Ok(self.store().order(order).await?.ok_or("not found")?.state)
    }
}

/// Its amount is the price of its units; a closed one is followed by another.
pub async fn an_order_has_one_open_attempt(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let order = subject.place(1, sale, &[3]).await?[0];
    let attempt = subject.attempt(order).await?;
    let expected = PaymentAttempt {
        id: AttemptId { order, number: NonZeroU32::MIN },
        due: euros(3 * 1_999)?,
        state: AttemptState::Open,
        taken: None,
        tries: 0,
        opened_at: SOON,
        changed_at: SOON,
    };
    assert_eq!(attempt, expected);
    for store in &subject.stores {
        assert_eq!(store.open_attempt(order, DUE, CHECK).await?, Opened::Before(attempt));
        assert_eq!(store.attempts(order).await?, [attempt]);
    }
    subject.reported(attempt.id, ReportKind::Closed, CHECK).await?;
    let second = subject.attempt(order).await?;
    assert_eq!((second.id.number.get(), second.state), (2, AttemptState::Open));
    let closed = PaymentAttempt { state: AttemptState::Closed, changed_at: CHECK, ..attempt };
    assert_eq!(subject.store().attempts(order).await?, [closed, second]);
    assert_eq!(subject.store().attempts(OrderId::new(order.get() + 1)?).await?, []);
    Ok(())
}

/// Confirmed, not overdue, and not free.
pub async fn only_an_order_that_waits_for_money_can_be_paid(subject: &Subject) -> Fact {
    let store = subject.store();
    let sale = subject.sale_due(10, MINUTE).await?;
    let placed = subject.place(1, sale, &[1, 1, 1]).await?;
    subject.walk(placed[0], &[Confirmed, Paid]).await?;
    subject.walk(placed[1], &[Confirmed, Cancelled(CancelReason::ByBuyer)]).await?;
    for order in &placed {
        let found = store.order(*order).await?.ok_or("not found")?;
        assert_eq!(store.open_attempt(*order, DUE, DUE).await?, Opened::Elsewhere(found));
    }
    let free = store.create_sale(&draft_due(5, 0, MINUTE)?, NOW).await?.id;
    let order = subject.place(2, free, &[1]).await?[0];
    assert_eq!(store.open_attempt(order, CHECK, DUE).await?, Opened::Free);
    for missing in [OrderId::new(order.get() + 1)?, OrderId::new(7)?] {
        assert_eq!(store.open_attempt(missing, CHECK, SOON).await?, Opened::Missing);
        let (attempt, number) = (missing, NonZeroU32::MIN);
        let unknown = report(AttemptId { order: attempt, number }, ReportKind::Closed);
        assert_eq!(store.record(&unknown, None, SOON).await?, Recorded::UnknownAttempt);
    }
    assert_eq!(store.checks_due(DUE, 10).await?, []);
    // An order without a payment deadline can be paid as well.
    let never = subject.sale_due(5, Duration::ZERO).await?;
    subject.unpaid(3, never).await?;
    Ok(())
}

/// With its event, also if it is overdue; what is repeated changes nothing.
pub async fn a_payment_pays_its_order_once(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    for (number, now) in [(1, SOON), (2, DUE)] {
        let (order, attempt) = subject.unpaid(number, sale).await?;
        let paid = report(attempt.id, ReportKind::Paid(attempt.due));
        let callback = CallbackId::new(format!("msg_{number}"))?;
        let (events, refunds, finding) = done(subject.store().record(&paid, Some(&callback), now).await?)?;
        let [event] = &events[..] else { return Err(format!("{events:?}").into()) };
        assert_eq!((event.order, event.version, event.from, event.to), (order, 2, Confirmed, Paid));
        assert_eq!((&event.actor, event.at, refunds, finding), (&Actor::Payment, now, vec![], None));
        assert!(event.cause.as_str().contains(&attempt.id.to_string()), "{}", event.cause.as_str());
        for store in &subject.stores {
            assert_eq!(store.record(&paid, Some(&callback), DUE).await?, Recorded::Repeated);
            assert_eq!(store.record(&paid, None, DUE).await?, Recorded::Unchanged);
            assert_eq!(store.order_events(order).await?, events);
            let found = PaymentAttempt {
                state: AttemptState::Paid,
                taken: Some(attempt.due),
                changed_at: now,
                ..attempt
            };
            assert_eq!(store.attempts(order).await?, [found]);
            assert_eq!(store.order(order).await?.map(|order| (order.state, order.version)), Some((Paid, 2)));
        }
        assert_eq!(subject.store().unpublished_events(after(MINUTE * 2), 10).await?.last(), Some(event));
    }
    assert_eq!(subject.stock(sale).await?, (8, 0));
    assert_eq!(subject.store().checks_due(after(MINUTE * 9), 10).await?, []);
    Ok(())
}

/// Exactly what was taken, once, with the reason.
pub async fn money_that_no_order_needs_is_refunded(subject: &Subject) -> Fact {
    let sale = subject.sale_due(20, MINUTE).await?;
    let by_buyer = Cancelled(CancelReason::ByBuyer);
    let (wrong, late) = (RefundCause::WrongAmount, RefundCause::LatePayment);
    let alarm = Some(PaymentFinding::WrongAmount);
    for (number, states, taken, cause, finding) in [
        (1, vec![Confirmed], euros(1_998)?, wrong, alarm),
        (2, vec![Confirmed], Money::new(1_999, "JPY".parse()?)?, wrong, alarm),
        (3, vec![Confirmed, by_buyer], euros(2_000)?, wrong, alarm),
        (4, vec![Confirmed, by_buyer], euros(1_999)?, late, None),
        (5, vec![Confirmed, Paid, Shipped], euros(1_999)?, RefundCause::SecondPayment, None),
    ] {
        let (order, attempt) = subject.unpaid(number, sale).await?;
        subject.walk(order, &states).await?;
        let paid = report(attempt.id, ReportKind::Paid(taken));
        let (events, refunds, found) = done(subject.store().record(&paid, None, SOON).await?)?;
        let [refund] = &refunds[..] else { return Err(format!("{refunds:?}").into()) };
        assert_eq!((refund.money, refund.cause, refund.state), (taken, cause, RefundState::Pending));
        assert_eq!((refund.tries, &refund.last_error, refund.created_at), (0, &None, SOON));
        assert_eq!(refund.key.id().as_str(), format!("{}-r1", attempt.id));
        assert_eq!((events, found), (vec![], finding));
        for store in &subject.stores {
            assert_eq!(store.record(&paid, None, CHECK).await?, Recorded::Unchanged, "again");
            assert_eq!(store.refunds(order).await?, refunds);
            assert_eq!(store.attempts(order).await?[0].taken, Some(taken));
        }
        assert_eq!(Some(&subject.state(order).await?), states.last());
        let due = subject.store().refunds_due(SOON, 10).await?;
        assert_eq!(due.last().map(|due| (due.at, due.refund)), Some((SOON, refund.key)));
    }
    Ok(())
}

/// The first one that arrives is the payment, also if it is of a closed attempt; the open one is checked at once.
pub async fn of_two_paid_attempts_one_pays_the_order(subject: &Subject) -> Fact {
    let sale = subject.sale_due(5, MINUTE).await?;
    let (order, first) = subject.unpaid(1, sale).await?;
    subject.reported(first.id, ReportKind::Closed, SOON).await?;
    let second = subject.attempt(order).await?;
    assert_eq!(subject.store().checks_due(SOON, 10).await?, []);
    let (events, refunds, _) = subject.reported(first.id, ReportKind::Paid(first.due), SOON).await?;
    assert_eq!((events.len(), refunds), (1, vec![]));
    let due = subject.store().checks_due(SOON, 10).await?;
    assert_eq!(due.iter().map(|due| due.attempt).collect::<Vec<_>>(), [second.id]);
    let (events, refunds, _) = subject.reported(second.id, ReportKind::Paid(second.due), DUE).await?;
    assert_eq!((events, refunds.len(), refunds[0].key.attempt), (vec![], 1, second.id));
    assert_eq!((refunds[0].cause, refunds[0].money), (RefundCause::SecondPayment, second.due));
    assert_eq!(subject.store().order_events(order).await?.len(), 1);
    assert_eq!(subject.stock(sale).await?, (4, 0));
    Ok(())
}

/// It is neither swept nor cancelled by a look-up: the report that the attempt is closed cancels it.
pub async fn an_overdue_order_waits_for_its_open_attempt(subject: &Subject) -> Fact {
    let sale = subject.sale_due(10, MINUTE).await?;
    let placed = subject.place(1, sale, &[1, 2, 4]).await?;
    let (waits, pays) = (subject.attempt(placed[0]).await?, subject.attempt(placed[1]).await?);
    let from = after(MINUTE * 9);
    let later = subject.store().postpone_check(waits.id, CHECK, from).await?;
    assert!(later, "it was due at {CHECK:?}");
    for (now, expired) in [(DUE, vec![placed[2]]), (DUE.saturating_add(OPEN_ATTEMPT_GRACE), vec![])] {
        assert_eq!(orders(&subject.expire_all(now).await?), expired);
        let put_off: Vec<Timestamp> = all(subject.store()).await?.iter().map(|due| due.at).collect();
        assert_eq!(put_off, [now.saturating_add(OPEN_ATTEMPT_GRACE)], "its batch is due again");
    }
    let checks = subject.store().checks_due(DUE, 10).await?;
    assert!(checks.iter().any(|due| due.attempt == waits.id && due.at == DUE), "{checks:?}");
    assert_eq!((subject.state(placed[0]).await?, subject.stock(sale).await?), (Confirmed, (7, 4)));

    let (events, ..) = subject.reported(pays.id, ReportKind::Paid(pays.due), from).await?;
    assert_eq!(events[0].to, Paid);
    let closed = report(waits.id, ReportKind::Closed);
    let (events, refunds, finding) = done(subject.store().record(&closed, None, from).await?)?;
    assert_eq!((&events[0].actor, events[0].to, events[0].at), (&Actor::Deadline, TIMED_OUT, from));
    assert_eq!((events.len(), refunds, finding), (1, vec![], None));
    for store in &subject.stores {
        assert_eq!(store.record(&closed, None, from).await?, Recorded::Unchanged);
        assert_eq!(store.order_events(placed[0]).await?, events);
    }
    assert_eq!(subject.stock(sale).await?, (8, 5));
    assert_eq!(subject.expire_all(from).await?, []);
    assert_eq!(all(subject.store()).await?, []);
    Ok(())
}

/// With or without an effect; an unknown attempt is not, since it may be known later.
pub async fn a_callback_is_recorded_once_until_it_is_forgotten(subject: &Subject) -> Fact {
    let store = subject.store();
    let sale = subject.sale_due(5, MINUTE).await?;
    let (_order, attempt) = subject.unpaid(1, sale).await?;
    let (closed, id) = (report(attempt.id, ReportKind::Closed), CallbackId::new("msg_a1")?);
    let unknown =
        report(AttemptId { number: attempt.id.number.saturating_add(1), ..attempt.id }, ReportKind::Closed);
    let refund = flashgate_domain::RefundId::new("theirs")?;
    let kind = ReportKind::Refund { refund, state: RefundState::Succeeded, money: attempt.due };
    for _ in 0..2 {
        assert_eq!(store.record(&unknown, Some(&id), SOON).await?, Recorded::UnknownAttempt);
        let refund = report(attempt.id, kind.clone());
        assert_eq!(store.record(&refund, Some(&id), SOON).await?, Recorded::UnknownRefund);
    }
    done(store.record(&closed, Some(&id), SOON).await?)?;
    assert_eq!(store.record(&unknown, Some(&id), SOON).await?, Recorded::Repeated, "whatever it says");
    for (number, at) in [(1, NOW), (2, CHECK), (3, DUE)] {
        let other = CallbackId::new(format!("MSG_a{number}"))?;
        assert_eq!(store.record(&closed, Some(&other), at).await?, Recorded::Unchanged);
        assert_eq!(store.record(&closed, Some(&other), at).await?, Recorded::Repeated);
    }
    assert_eq!(store.forget_callbacks(NOW, CALLBACK_PAGE_MAX).await?, 0);
    assert_eq!(store.forget_callbacks(DUE, 0).await?, 0);
    assert_eq!(store.forget_callbacks(DUE, 2).await?, 2, "the earliest");
    assert_eq!(store.record(&closed, Some(&id), DUE).await?, Recorded::Unchanged);
    assert_eq!(store.record(&closed, Some(&CallbackId::new("MSG_a2")?), DUE).await?, Recorded::Repeated);
    assert_eq!(store.forget_callbacks(DUE, u32::MAX).await?, 1);
    assert_eq!(store.record(&closed, Some(&CallbackId::new("MSG_a3")?), DUE).await?, Recorded::Repeated);
    Ok(())
}

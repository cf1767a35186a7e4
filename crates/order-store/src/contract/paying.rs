//! Payments through two workers at once: money is on an order or has a refund, and units return once.

use std::{collections::BTreeSet, sync::Arc};

use flashgate_domain::{
    AttemptState, CallbackId, CancelReason, OrderId, OrderState, PaymentAttempt, RefundCause,
};

use super::{
    Broken, Fact, Subject,
    deadlines::{self, DUE, MINUTE, all, orders},
    lifecycle::{self, change},
    payments::{CHECK, SOON, record, report},
};
use crate::{Changed, Opened, OrderStore, Recorded, ReportKind, StoreError};

use OrderState::{Cancelled, Confirmed, Paid};

const ORDERS: usize = 60;

impl Subject {
    /// Orders of three units each, in batches of six, with an attempt each.
    async fn all_unpaid(&self) -> Result<(flashgate_domain::SaleId, Vec<PaymentAttempt>), Broken> {
        let sale = self.sale_due(500, MINUTE).await?;
        let mut attempts = Vec::new();
        for number in 1..=u64::try_from(ORDERS / 6)? {
            for order in self.place(number, sale, &[3; 6]).await? {
                attempts.push(self.attempt(order).await?);
            }
        }
        Ok((sale, attempts))
    }

    /// Each attempt that took money is the payment of its order, or has one refund of it; the sale has the units of the
    /// orders that are paid or confirmed, and no others.
    async fn is_settled(&self, sale: flashgate_domain::SaleId, attempts: &[PaymentAttempt]) -> Fact {
        let mut held = 0;
        for attempt in attempts {
            let store = self.store();
            let found = store.attempts(attempt.id.order).await?[0];
            let state = self.state(attempt.id.order).await?;
            let refunds = store.refunds(attempt.id.order).await?;
            let is_payment = state == Paid;
            let is_taken = found.state == AttemptState::Paid;
            assert_eq!(refunds.len(), usize::from(is_taken && !is_payment));
            assert!(is_taken || !is_payment, "{} is paid by nothing", attempt.id.order);
            for refund in refunds {
                assert_eq!((refund.money, refund.cause), (attempt.due, RefundCause::LatePayment));
            }
            assert_eq!(store.order_events(attempt.id.order).await?.len(), usize::from(state != Confirmed));
            held += if state.holds_units() { 3 } else { 0 };
        }
        let returned = 3 * u64::try_from(attempts.len())? - held;
        assert_eq!(self.stock(sale).await?, (500 - held, returned));
        Ok(())
    }
}

/// Reports each attempt as paid, from the last to the first.
async fn pay_all(store: Arc<dyn OrderStore>, attempts: Vec<PaymentAttempt>) -> Result<(), StoreError> {
    for attempt in attempts.into_iter().rev() {
        record(&*store, &report(attempt.id, ReportKind::Paid(attempt.due)), None, DUE).await?;
    }
    Ok(())
}

/// Through one worker, while the other closes the attempts and sweeps: no order is cancelled while it can be paid, and each
/// one ends paid or cancelled.
pub async fn of_money_and_deadline_money_wins(subject: &Subject) -> Fact {
    let (sale, attempts) = subject.all_unpaid().await?;
    let asked = all(subject.store()).await?;
    let [cashier, sweeper] = subject.stores.each_ref().map(Arc::clone);
    let paying = tokio::spawn(pay_all(cashier, attempts.clone()));
    for (deadline, attempts) in asked.iter().zip(attempts.chunks(6)) {
        assert_eq!(orders(&deadlines::persist(&*sweeper, &[*deadline], DUE).await?), []);
        for attempt in attempts {
            record(&*sweeper, &report(attempt.id, ReportKind::Closed), None, DUE).await?;
        }
    }
    paying.await??;
    subject.is_settled(sale, &attempts).await?;
    for attempt in attempts {
        assert_ne!(subject.state(attempt.id.order).await?, Confirmed, "it ends");
    }
    Ok(())
}

/// Each order is cancelled by its buyer through one worker, while its payment is reported through the other.
pub async fn of_money_and_cancellation_one_wins(subject: &Subject) -> Fact {
    let (sale, attempts) = subject.all_unpaid().await?;
    let [cashier, desk] = subject.stores.each_ref().map(Arc::clone);
    let paying = tokio::spawn(pay_all(cashier, attempts.clone()));
    for attempt in &attempts {
        let cancel = change(attempt.id.order, Confirmed, Cancelled(CancelReason::ByBuyer));
        lifecycle::persist(&*desk, &cancel).await?;
    }
    paying.await??;
    subject.is_settled(sale, &attempts).await?;
    assert_eq!(subject.store().checks_due(DUE, 100).await?, []);
    Ok(())
}

/// An order is cancelled through one worker while an attempt is opened through the other, whose clock is behind: an order
/// that can be paid is not cancelled.
pub async fn of_opening_and_deadline_one_wins(subject: &Subject) -> Fact {
    let sale = subject.sale_due(500, MINUTE).await?;
    let mut placed = Vec::new();
    for number in 1..=20 {
        placed.extend(subject.place(number, sale, &[1; 3]).await?);
    }
    let asked = all(subject.store()).await?;
    let [cashier, sweeper] = subject.stores.each_ref().map(Arc::clone);
    let opening = tokio::spawn({
        let placed = placed.clone();
        async move {
            let mut opened = BTreeSet::new();
            for order in placed.into_iter().rev() {
                let is_open = loop {
                    match cashier.open_attempt(order, CHECK, SOON).await {
                        Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
                        opinion => break matches!(opinion?, Opened::Now(_)),
                    }
                };
                opened.extend(is_open.then_some(order));
            }
            Ok::<_, StoreError>(opened)
        }
    });
    let mut expired = Vec::new();
    for (at, part) in asked.chunks(2).enumerate() {
        if at % 2 == 0 {
            expired.extend(orders(&deadlines::persist(&*sweeper, part, DUE).await?));
            continue;
        }
        let timeout = Cancelled(CancelReason::Timeout);
        for order in placed.iter().filter(|order| part.iter().any(|due| due.first_order == order.base())) {
            let changed = lifecycle::persist(&*sweeper, &change(*order, Confirmed, timeout)).await?;
            expired.extend(matches!(changed, Changed::Now(_)).then_some(*order));
        }
    }
    let opened: BTreeSet<OrderId> = opening.await??;
    let expired: BTreeSet<OrderId> = expired.into_iter().collect();
    assert!(opened.is_disjoint(&expired));
    assert_eq!(opened.union(&expired).count(), placed.len());
    assert_eq!(subject.stock(sale).await?.1, u64::try_from(expired.len())?);
    Ok(())
}

/// As when a provider delivers it to two workers.
pub async fn a_callback_that_arrives_twice_at_once_is_recorded_once(subject: &Subject) -> Fact {
    let (sale, attempts) = subject.all_unpaid().await?;
    let delivering = subject.stores.each_ref().map(|store| {
        let (store, attempts) = (Arc::clone(store), attempts.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for attempt in attempts {
                let id = CallbackId::new(format!("msg_{}", attempt.id))?;
                let paid = report(attempt.id, ReportKind::Paid(attempt.due));
                answers.push(record(&*store, &paid, Some(&id), SOON).await?);
            }
            Ok::<_, Broken>(answers)
        })
    });
    let mut answers = Vec::new();
    for delivering in delivering {
        answers.push(delivering.await??);
    }
    for at in 0..attempts.len() {
        let done = answers.iter().filter(|of_one| matches!(of_one[at], Recorded::Done { .. })).count();
        let repeated = answers.iter().filter(|of_one| of_one[at] == Recorded::Repeated).count();
        assert_eq!((done, repeated), (1, 1), "{answers:?}");
    }
    subject.is_settled(sale, &attempts).await
}

/// An order is paid by the first of its attempts whose report is recorded; each of the others has a refund.
pub async fn two_attempts_that_are_paid_at_once_pay_their_order_once(subject: &Subject) -> Fact {
    let sale = subject.sale_due(500, MINUTE).await?;
    let mut pairs = Vec::new();
    for order in subject.place(1, sale, &[1; 20]).await? {
        let first = subject.attempt(order).await?;
        subject.reported(first.id, ReportKind::Closed, SOON).await?;
        pairs.push([first, subject.attempt(order).await?]);
    }
    let [one, two] = subject.stores.each_ref().map(Arc::clone);
    let firsts = pairs.iter().map(|[first, _second]| *first).collect();
    let seconds = pairs.iter().map(|[_first, second]| *second).collect();
    let (one, two) = (tokio::spawn(pay_all(one, firsts)), tokio::spawn(pay_all(two, seconds)));
    one.await??;
    two.await??;
    for [first, _second] in pairs {
        let order = first.id.order;
        let refunds = subject.store().refunds(order).await?;
        assert_eq!((refunds.len(), refunds[0].cause), (1, RefundCause::SecondPayment));
        let events = subject.store().order_events(order).await?;
        assert_eq!((events.len(), events[0].to), (1, Paid));
        let payer = if refunds[0].key.attempt == first.id { 2 } else { 1 };
        assert!(events[0].cause.as_str().ends_with(&format!("-{payer}")), "{:?}", events[0].cause);
    }
    Ok(())
}

/// Each check by one of them.
pub async fn two_callers_claim_each_check_once(subject: &Subject) -> Fact {
    let (_sale, attempts) = subject.all_unpaid().await?;
    let claiming = subject.stores.each_ref().map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            while !store.checks_due(CHECK, 1).await?.is_empty() {
                match store.claim_checks(CHECK, DUE, 7).await {
                    Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
                    opinion => claimed.extend(opinion?.iter().map(|attempt| (attempt.id, attempt.tries))),
                }
            }
            Ok::<_, StoreError>(claimed)
        })
    });
    let mut claimed = Vec::new();
    for claiming in claiming {
        claimed.extend(claiming.await??);
    }
    claimed.sort_unstable();
    assert_eq!(claimed, attempts.iter().map(|attempt| (attempt.id, 1)).collect::<Vec<_>>());
    Ok(())
}

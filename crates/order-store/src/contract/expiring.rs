//! An order that was not paid in time is cancelled, once and not earlier.

use std::time::Duration;

use flashgate_domain::{Actor, CancelReason, Cause, Decision, OrderEvent, OrderId, OrderState, Timestamp};

use super::{
    Fact, Subject,
    deadlines::{DUE, MINUTE, after, all, deadline, orders},
    lifecycle::change,
    scene::{NOW, batch, decisions, intent, singles},
};
use crate::{Changed, EVENT_PAGE_MAX, expiry::TRANSACTION_ORDERS_MAX};

use OrderState::{Cancelled, Confirmed, Paid};

const EXPIRED: OrderState = Cancelled(CancelReason::Timeout);

/// With its event; its units are saleable and counted, and sold again.
pub async fn an_unpaid_order_is_cancelled_once(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let sale = subject.sale_due(5, MINUTE).await?;
    let placed = batch(1, vec![intent(sale, "ann", "k", 2)?, intent(sale, "bob", "k", 3)?])?;
    subject.apply(std::slice::from_ref(&placed)).await?;
    let asked = [deadline(DUE, placed.id().base())];
    assert_eq!(all(&**other).await?, asked);
    let events = one.expire(&asked, DUE).await?;
    let event = |(order, intent): (OrderId, &flashgate_domain::Intent)| OrderEvent {
        order,
        batch: placed.id(),
        intent: intent.clone(),
        version: 2,
        from: Confirmed,
        to: EXPIRED,
        actor: Actor::Deadline,
        cause: Cause::default(),
        at: DUE,
    };
    assert_eq!(events, placed.orders().map(event).collect::<Vec<_>>());
    for store in [one, other] {
        assert_eq!(store.expire(&asked, DUE).await?, [], "again");
        for event in &events {
            assert_eq!(store.order_events(event.order).await?, std::slice::from_ref(event));
            let order = store.order(event.order).await?.ok_or("not found")?;
            assert_eq!((order.state, order.version, order.pay_by), (EXPIRED, 2, Some(DUE)));
        }
        assert_eq!(store.unpublished_events(after(MINUTE * 2), 10).await?, events);
        assert_eq!(all(&**store).await?, []);
    }
    assert_eq!(subject.stock(sale).await?, (5, 5));
    assert_eq!(decisions(&subject.apply(&[singles(2, sale, 5)?]).await?), [Decision::Confirmed; 5]);
    assert_eq!(subject.stock(sale).await?, (0, 5));
    Ok(())
}

/// Not a millisecond before.
pub async fn nothing_is_cancelled_before_its_time(subject: &Subject) -> Fact {
    let sale = subject.sale_due(5, MINUTE).await?;
    let order = subject.place(1, sale, &[1]).await?[0];
    let asked = deadline(DUE, order);
    let early = DUE.saturating_sub(Duration::from_millis(1));
    for store in &subject.stores {
        assert_eq!(store.deadlines(None, early, 10).await?, []);
        assert_eq!(store.deadlines(None, DUE, 10).await?, [asked]);
        assert_eq!(store.expire(&[asked], early).await?, []);
        assert_eq!(all(&**store).await?, [asked], "it is kept");
        assert_eq!(store.order(order).await?.map(|order| order.version), Some(1));
    }
    // The time of a deadline is a part of its name.
    assert_eq!(subject.store().expire(&[deadline(early, order)], DUE).await?, []);
    assert_eq!(orders(&subject.store().expire(&[asked], DUE).await?), [order]);
    Ok(())
}

/// Its units are not returned twice, and its state is kept.
pub async fn an_order_that_was_paid_or_cancelled_is_left_alone(subject: &Subject) -> Fact {
    let by_buyer = Cancelled(CancelReason::ByBuyer);
    let sale = subject.sale_due(10, MINUTE).await?;
    let placed = subject.place(1, sale, &[1, 2, 4]).await?;
    subject.walk(placed[0], &[Confirmed, Paid]).await?;
    subject.walk(placed[1], &[Confirmed, by_buyer]).await?;
    assert_eq!(subject.stock(sale).await?, (5, 2));
    assert_eq!(orders(&subject.expire_all(DUE).await?), [placed[2]]);
    assert_eq!(subject.stock(sale).await?, (9, 6));
    for (order, state) in placed.iter().zip([Paid, by_buyer, EXPIRED]) {
        let found = subject.store().order(*order).await?.ok_or("not found")?;
        assert_eq!((found.state, found.version, found.pay_by), (state, 2, Some(DUE)));
        assert_eq!(subject.store().order_events(*order).await?.len(), 1);
    }
    let moved = subject.store().change_order(&change(placed[2], Confirmed, Paid), DUE).await?;
    assert!(matches!(moved, Changed::Elsewhere(order) if order.state == EXPIRED));
    // A batch of which no order is due any more.
    let done = subject.place(2, sale, &[1]).await?[0];
    subject.walk(done, &[Confirmed, Paid]).await?;
    assert_eq!(subject.expire_all(DUE).await?, []);
    assert_eq!(all(subject.store()).await?, []);
    Ok(())
}

/// As after another worker was faster, or for a batch that does not exist.
pub async fn an_unknown_deadline_is_skipped(subject: &Subject) -> Fact {
    let sale = subject.sale_due(5, MINUTE).await?;
    let order = subject.place(1, sale, &[1]).await?[0];
    let known = deadline(DUE, order);
    let unknown = [
        deadline(DUE, OrderId::new(7 << 10)?),
        deadline(NOW, order),
        deadline(Timestamp::from_millis(0), order),
        deadline(DUE, OrderId::new(order.base().get() + (1 << 10))?),
    ];
    assert_eq!(subject.store().expire(&[], DUE).await?, []);
    assert_eq!(subject.store().expire(&unknown, DUE).await?, []);
    assert_eq!(subject.stock(sale).await?, (4, 0));
    let asked = [unknown.as_slice(), &[known, known]].concat();
    assert_eq!(orders(&subject.store().expire(&asked, DUE).await?), [order]);
    assert_eq!(subject.stock(sale).await?, (5, 1));
    Ok(())
}

/// Batches of all sizes and more orders than one transaction takes, of several sales.
pub async fn one_call_cancels_any_number_of_orders(subject: &Subject) -> Fact {
    let sales = [subject.sale_due(10_000, MINUTE).await?, subject.sale_due(10_000, MINUTE).await?];
    let mut expected = Vec::new();
    for (number, count) in (1..).zip([1, 1_024, 130, 1, 1_024, 1_024, 3, 700]) {
        let placed = singles(number, sales[usize::try_from(number)? % 2], count)?;
        expected.extend(placed.orders().map(|(order, _intent)| order));
        subject.apply(&[placed]).await?;
    }
    let most = usize::try_from(TRANSACTION_ORDERS_MAX)?;
    assert!(expected.len() > most, "{} orders are not many", expected.len());
    assert_eq!(orders(&subject.expire_all(DUE).await?), expected);
    assert_eq!(all(subject.store()).await?, []);
    let returned = expected.len() - (1_024 + 1 + 1_024 + 700);
    assert_eq!(subject.stock(sales[1]).await?, (10_000, u64::try_from(returned)?));
    assert_eq!(subject.stock(sales[0]).await?, (10_000, u64::try_from(expected.len() - returned)?));
    let unpublished = subject.store().unpublished_events(after(MINUTE * 2), EVENT_PAGE_MAX).await?;
    assert_eq!(orders(&unpublished), expected[..usize::try_from(EVENT_PAGE_MAX)?]);
    Ok(())
}

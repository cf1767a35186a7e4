//! Events of transitions: each is kept, and unpublished until it is marked.

use flashgate_domain::{
    Actor, CancelReason, Cause, OperatorName, OrderEvent, OrderId, OrderState, Timestamp,
    lifecycle::{CAUSE_CHARS_MAX, OPERATOR_CHARS_MAX},
};

use super::{
    Broken, Fact, Subject,
    lifecycle::{LATER, change, moved},
};
use crate::{EVENT_PAGE_MAX, OrderChange};

use OrderState::{Cancelled, Confirmed, Finished, Paid, Refunded, Refunding, Shipped};

const BUYER: CancelReason = CancelReason::ByBuyer;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(LATER.as_millis() + ms)
}

fn names(events: &[OrderEvent]) -> Vec<(OrderId, u32)> {
    events.iter().map(|event| (event.order, event.version)).collect()
}

/// All unpublished events.
async fn unpublished(subject: &Subject) -> Result<Vec<OrderEvent>, Broken> {
    Ok(subject.store().unpublished_events(at(1_000_000), EVENT_PAGE_MAX + 1).await?)
}

/// With umlauts, characters outside of the Basic Multilingual Plane, spaces at the ends, and of the greatest length.
pub async fn an_event_has_its_actor_and_its_cause(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[1]).await?[0];
    let operator = |name: String| OperatorName::new(name).map(Actor::Operator);
    let texts = [
        (operator("Zoë Ångström".to_owned())?, Cause::new("Überweisung über 19,99 € \u{2013} „bezahlt“")?),
        (Actor::Buyer, Cause::default()),
        (operator("\u{1f98a}".repeat(OPERATOR_CHARS_MAX))?, Cause::new("\u{1f98a}".repeat(CAUSE_CHARS_MAX))?),
        (operator(" operator:x ".to_owned())?, Cause::new(" 'it'; -- \\ % ")?),
    ];
    let states = [Confirmed, Paid, Refunding(BUYER), Refunded(BUYER), Refunding(BUYER)];
    let mut expected = Vec::new();
    for ((actor, cause), states) in texts.into_iter().zip(states.windows(2)) {
        let change = OrderChange { order, from: states[0], to: states[1], actor, cause };
        expected.push(moved(subject.store().change_order(&change, LATER).await?)?);
        let event = expected.last().map(|event| (&event.actor, &event.cause));
        assert_eq!(event, Some((&change.actor, &change.cause)));
    }
    assert_eq!(names(&expected), [2, 3, 4, 5].map(|version| (order, version)));
    for store in &subject.stores {
        assert_eq!(store.order_events(order).await?, expected);
        assert_eq!(store.unpublished_events(at(1), 10).await?, expected);
    }
    Ok(())
}

/// Only those before a time, page by page; events of one time by order and version.
pub async fn unpublished_events_come_oldest_first_until_they_are_marked(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let orders = subject.place(1, sale, &[1; 3]).await?;
    let [one, two, three] = [orders[0], orders[1], orders[2]];
    for (order, from, to, ms) in [
        (three, Confirmed, Paid, 1),
        (two, Confirmed, Paid, 3),
        (one, Confirmed, Cancelled(BUYER), 2),
        (three, Paid, Shipped, 2),
        (three, Shipped, Finished, 2),
    ] {
        let event = moved(subject.store().change_order(&change(order, from, to), at(ms)).await?)?;
        assert_eq!(event.at, at(ms));
    }
    let all = [(three, 2), (one, 2), (three, 3), (three, 4), (two, 2)];
    for store in &subject.stores {
        assert_eq!(names(&store.unpublished_events(at(4), EVENT_PAGE_MAX + 1).await?), all);
        assert_eq!(names(&store.unpublished_events(at(3), 10).await?), all[..4]);
        assert_eq!(names(&store.unpublished_events(at(1), 10).await?), []);
        assert_eq!(names(&store.unpublished_events(at(4), 2).await?), all[..2]);
    }
    let [publisher, other] = &subject.stores;
    publisher.mark_published(&[all[0], all[3]]).await?;
    for store in [publisher, other] {
        assert_eq!(names(&store.unpublished_events(at(4), 10).await?), [all[1], all[2], all[4]]);
    }
    publisher.mark_published(&all).await?;
    assert_eq!(unpublished(subject).await?, []);
    assert_eq!(publisher.order_events(three).await?.len(), 3, "they are kept");
    Ok(())
}

/// As after a publisher that was killed, or of two publishers.
pub async fn an_event_is_marked_any_number_of_times(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let orders = subject.place(1, sale, &[1; 2]).await?;
    for order in &orders {
        subject.walk(*order, &[Confirmed, Paid]).await?;
    }
    let known = (orders[0], 2);
    let mut asked = vec![known, known, (orders[0], 1), (orders[0], 3), (OrderId::new(7)?, 2)];
    asked.extend((0..300).map(|version| (orders[1], version + 3)));
    for store in [0, 1, 0].map(|i| &subject.stores[i]) {
        store.mark_published(&asked).await?;
        store.mark_published(&[]).await?;
        assert_eq!(names(&unpublished(subject).await?), [(orders[1], 2)]);
    }
    Ok(())
}

/// Of that sale, and no other events of its orders.
pub async fn returns_are_published_again(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(20).await?, subject.sale(10).await?);
    let orders = subject.place(1, sale, &[1; 5]).await?;
    let others = subject.place(2, other, &[1; 2]).await?;
    for (order, states) in [
        (orders[0], vec![Confirmed, Cancelled(BUYER)]),
        (orders[1], vec![Confirmed, Paid, Refunding(BUYER), Refunded(BUYER), Refunding(BUYER)]),
        (orders[2], vec![Confirmed, Paid, Shipped]),
        (orders[3], vec![Confirmed, Cancelled(CancelReason::Timeout)]),
        (others[0], vec![Confirmed, Cancelled(BUYER)]),
    ] {
        subject.walk(order, &states).await?;
    }
    let all = unpublished(subject).await?;
    assert_eq!(subject.store().republish_returns(sale).await?, 0, "all are unpublished");
    assert_eq!(unpublished(subject).await?, all);
    let (kept, published): (Vec<_>, Vec<_>) = all.iter().partition(|event| event.order == orders[3]);
    let published: Vec<(OrderId, u32)> = published.iter().map(|event| (event.order, event.version)).collect();
    subject.store().mark_published(&published).await?;
    assert_eq!(subject.store().republish_returns(sale).await?, 2, "one is unpublished");
    let again = unpublished(subject).await?;
    assert!(again.iter().all(|event| event.returns_units() && all.contains(event)), "{again:?}");
    assert_eq!(names(&again), [(orders[0], 2), (orders[1], 3), (kept[0].order, kept[0].version)]);
    assert_eq!(subject.store().republish_returns(flashgate_domain::SaleId::new(999_999)?).await?, 0);
    Ok(())
}

//! Transitions of orders: each is made once, and returns units once.

use flashgate_domain::{
    Actor, CancelReason, Cause, Decision, OperatorName, OrderEvent, OrderId, OrderState, SaleId, Timestamp,
};

use super::{
    Broken, Fact, Subject,
    scene::{NOW, batch, decided, decisions, intent},
};
use crate::{BuyerPage, Changed, OrderChange, OrderStore, OutcomePage, StoreError};

use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};

const BUYER: CancelReason = CancelReason::ByBuyer;
const OPERATOR: CancelReason = CancelReason::ByOperator;
const TIMEOUT: CancelReason = CancelReason::Timeout;
/// The time of the transitions: a minute after the orders were placed.
pub(super) const LATER: Timestamp = Timestamp::from_millis(NOW.as_millis() + 60_000);

/// A change that the buyer asks for.
pub(super) fn change(order: OrderId, from: OrderState, to: OrderState) -> OrderChange {
    OrderChange { order, from, to, actor: Actor::Buyer, cause: Cause::default() }
}

/// The event, if the call moved the order.
pub(super) fn moved(changed: Changed) -> Result<OrderEvent, Broken> {
    let Changed::Now(event) = changed else { return Err(format!("not moved: {changed:?}").into()) };
    Ok(event)
}

/// Retries as a caller does, until the store answers.
pub(super) async fn persist(store: &dyn OrderStore, change: &OrderChange) -> Result<Changed, StoreError> {
    loop {
        match store.change_order(change, LATER).await {
            Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
            opinion => return opinion,
        }
    }
}

impl Subject {
    /// Places a batch of orders of different buyers, of that many units each.
    pub(super) async fn place(
        &self,
        number: u64,
        sale: SaleId,
        quantities: &[u32],
    ) -> Result<Vec<OrderId>, Broken> {
        let buyer = |i: usize| format!("buyer-{number}-{i}");
        let intents = quantities.iter().enumerate().map(|(i, units)| intent(sale, &buyer(i), "key", *units));
        let batch = batch(number, intents.collect::<Result<_, _>>()?)?;
        self.apply(std::slice::from_ref(&batch)).await?;
        Ok(batch.orders().map(|(order, _intent)| order).collect())
    }

    /// Moves an order through `states`, from the first to the last.
    pub(super) async fn walk(
        &self,
        order: OrderId,
        states: &[OrderState],
    ) -> Result<Vec<OrderEvent>, Broken> {
        let mut events = Vec::new();
        for (from, to) in states.iter().zip(states.iter().skip(1)) {
            events.push(moved(self.store().change_order(&change(order, *from, *to), LATER).await?)?);
        }
        Ok(events)
    }

    /// The units of a sale that are saleable, and that were returned.
    pub(super) async fn stock(&self, sale: SaleId) -> Result<(u64, u64), Broken> {
        let sale = self.find(sale).await?;
        Ok((sale.saleable, sale.returned))
    }
}

/// With everything that the event says.
pub async fn a_transition_moves_the_order_once_and_writes_its_event(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let sale = subject.sale(10).await?;
    let placed = batch(1, vec![intent(sale, "ann", "k", 1)?, intent(sale, "bob", "k", 2)?])?;
    subject.apply(std::slice::from_ref(&placed)).await?;
    let (untouched, order) = (placed.id().base(), placed.id().order(1).ok_or("no order")?);
    let before = one.order(order).await?.ok_or("not found")?;
    assert_eq!((before.state, before.version), (Confirmed, 1));

    let actor = Actor::Operator(OperatorName::new("zoe")?);
    let paid = OrderChange { order, from: Confirmed, to: Paid, actor, cause: Cause::new("paid in cash")? };
    let event = OrderEvent {
        order,
        batch: placed.id(),
        intent: intent(sale, "bob", "k", 2)?,
        version: 2,
        from: Confirmed,
        to: Paid,
        actor: paid.actor.clone(),
        cause: paid.cause.clone(),
        at: LATER,
    };
    assert_eq!(one.change_order(&paid, LATER).await?, Changed::Now(event.clone()));
    let after = flashgate_domain::Order { state: Paid, version: 2, ..before };
    for store in [one, other] {
        assert_eq!(store.order(order).await?.as_ref(), Some(&after));
        assert_eq!(store.change_order(&paid, LATER).await?, Changed::Elsewhere(after.clone()), "again");
        assert_eq!(store.order_events(order).await?, std::slice::from_ref(&event));
    }
    let rest = subject.walk(order, &[Paid, Shipped, Finished]).await?;
    assert_eq!(rest.iter().map(|event| event.version).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(one.order_events(order).await?, [vec![event], rest].concat());
    assert_eq!(subject.stock(sale).await?, (7, 0), "its units stay its own");
    let untouched = one.order(untouched).await?.ok_or("not found")?;
    assert_eq!((untouched.state, untouched.version), (Confirmed, 1));
    Ok(())
}

/// Saleable again, and counted.
pub async fn a_cancelled_order_returns_its_units_once(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(10).await?, subject.sale(10).await?);
    let orders = subject.place(1, sale, &[2, 3]).await?;
    subject.place(2, other, &[4]).await?;
    for (order, to, stock) in
        [(orders[0], Cancelled(BUYER), (7, 2)), (orders[1], Cancelled(TIMEOUT), (10, 5))]
    {
        subject.walk(order, &[Confirmed, to]).await?;
        for store in &subject.stores {
            let again = store.change_order(&change(order, Confirmed, to), LATER).await?;
            assert!(matches!(again, Changed::Elsewhere(order) if order.state == to));
            assert_eq!(subject.stock(sale).await?, stock);
        }
    }
    assert_eq!(subject.stock(other).await?, (6, 0), "another sale");
    Ok(())
}

/// When the refund begins; a refund that fails and is repeated returns none.
pub async fn a_refunded_order_returns_its_units_once(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[4]).await?[0];
    subject.walk(order, &[Confirmed, Paid]).await?;
    assert_eq!(subject.stock(sale).await?, (6, 0));
    let [back, done] = [Refunding(OPERATOR), Refunded(OPERATOR)];
    subject.walk(order, &[Paid, back]).await?;
    assert_eq!(subject.stock(sale).await?, (10, 4));
    subject.walk(order, &[back, done, back, done]).await?;
    assert_eq!(subject.stock(sale).await?, (10, 4));
    let events = subject.store().order_events(order).await?;
    assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    Ok(())
}

/// The reason is a part of the state.
pub async fn a_change_names_the_state_that_it_leaves(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[1]).await?[0];
    subject.walk(order, &[Confirmed, Paid, Refunding(BUYER)]).await?;
    for (from, to) in [
        (Confirmed, Paid),
        (Confirmed, Cancelled(BUYER)),
        (Paid, Refunding(BUYER)),
        (Refunding(OPERATOR), Refunded(OPERATOR)),
        (Refunded(BUYER), Refunding(BUYER)),
    ] {
        let changed = subject.store().change_order(&change(order, from, to), LATER).await?;
        assert!(matches!(&changed, Changed::Elsewhere(order) if order.version == 3), "{from:?}: {changed:?}");
    }
    assert_eq!(subject.store().order_events(order).await?.len(), 2);
    assert_eq!(subject.stock(sale).await?, (10, 1));
    Ok(())
}

/// Before any look at the order.
pub async fn a_change_that_is_no_transition_is_refused(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[2]).await?[0];
    let short = CancelReason::OutOfStock;
    for (from, to) in [
        (Pending, Confirmed),
        (Pending, Cancelled(short)),
        (Confirmed, Confirmed),
        (Confirmed, Shipped),
        (Confirmed, Cancelled(short)),
        (Confirmed, Refunding(BUYER)),
        (Paid, Cancelled(BUYER)),
        (Cancelled(BUYER), Confirmed),
        (Refunding(BUYER), Refunded(TIMEOUT)),
    ] {
        for order in [order, OrderId::new(7)?] {
            let refused = subject.store().change_order(&change(order, from, to), LATER).await;
            assert!(matches!(&refused, Err(StoreError::Refused(_))), "{from:?} -> {to:?}: {refused:?}");
        }
    }
    let found = subject.store().order(order).await?.ok_or("not found")?;
    assert_eq!((found.state, found.version), (Confirmed, 1));
    assert_eq!(subject.store().order_events(order).await?, []);
    assert_eq!(subject.stock(sale).await?, (8, 0));
    Ok(())
}

/// Also one whose id is of a batch that exists.
pub async fn an_order_that_does_not_exist_is_missing(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[1]).await?[0];
    for missing in [OrderId::new(order.get() + 1)?, OrderId::new(7)?] {
        let changed = subject.store().change_order(&change(missing, Confirmed, Paid), LATER).await?;
        assert_eq!(changed, Changed::Missing);
        assert_eq!(subject.store().order_events(missing).await?, []);
    }
    assert_eq!(subject.store().unpublished_events(Timestamp::from_millis(u64::MAX >> 1), 10).await?, []);
    Ok(())
}

/// What was published of it stays true, and its key stays taken.
pub async fn a_repeated_batch_keeps_its_first_decisions(subject: &Subject) -> Fact {
    let sale = subject.sale(3).await?;
    let placed = batch(1, vec![intent(sale, "ann", "k", 1)?, intent(sale, "bob", "k", 3)?])?;
    let first = subject.apply(std::slice::from_ref(&placed)).await?;
    assert_eq!(decisions(&first), [Decision::Confirmed, Decision::Cancelled(CancelReason::OutOfStock)]);
    subject.walk(placed.id().base(), &[Confirmed, Cancelled(BUYER)]).await?;
    for store in &subject.stores {
        assert_eq!(decided(store.apply(std::slice::from_ref(&placed), NOW).await?)?, first);
        assert_eq!(store.outcome(placed.id()).await?.as_ref(), first.first());
        assert_eq!(subject.stock(sale).await?, (3, 1));
    }
    let again = subject.apply(&[batch(2, vec![intent(sale, "ann", "k", 1)?])?]).await?;
    assert_eq!(decisions(&again), [Decision::Cancelled(CancelReason::DuplicateKey)]);
    Ok(())
}

/// Only an order that has its units is confirmed there; the sums go on by the first decisions.
pub async fn a_rebuild_reads_the_present_decisions(subject: &Subject) -> Fact {
    let sale = subject.sale(15).await?;
    let orders = subject.place(1, sale, &[1, 2, 3, 4, 5, 6]).await?;
    for (order, states) in orders.iter().zip([
        vec![Confirmed, Paid],
        vec![Confirmed, Paid, Shipped, Finished],
        vec![Confirmed, Cancelled(BUYER)],
        vec![Confirmed, Paid, Refunding(OPERATOR)],
    ]) {
        subject.walk(*order, &states).await?;
    }
    let page = OutcomePage { sale, after: None, orders_max: 100 };
    let found = subject.store().outcomes(&page).await?.ok_or("the sale is gone")?.outcomes;
    let expected = [
        Decision::Confirmed,
        Decision::Confirmed,
        Decision::Cancelled(BUYER),
        Decision::Cancelled(OPERATOR),
        Decision::Confirmed,
        Decision::Cancelled(CancelReason::OutOfStock),
    ];
    assert_eq!(decisions(&found), expected);
    let snapshot = subject.store().snapshot(sale, &[found[0].batch]).await?.ok_or("the sale is gone")?;
    assert_eq!((snapshot.saleable, snapshot.returned), (7, 7));
    assert_eq!((snapshot.orders.confirmed.orders, snapshot.orders.confirmed.units), (5, 15));
    assert_eq!((snapshot.orders.written_off.orders, snapshot.orders.returned.orders), (1, 0));
    assert_eq!(snapshot.decided[0].sums, snapshot.orders);
    let buyers = subject.store().buyers(&BuyerPage { sale, after: None, size: 10 }).await?;
    assert_eq!(buyers.iter().map(|buyer| buyer.units).collect::<Vec<_>>(), [1, 2, 0, 0, 5, 0]);
    Ok(())
}

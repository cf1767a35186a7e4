//! The orders of a buyer.

use flashgate_domain::{BuyerId, CancelReason, OrderId, OrderPage, OrderState};

use super::{
    Broken, Fact, Subject,
    lifecycle::{LATER, change},
    scene::{batch, intent},
};

impl Subject {
    /// The ids of a page, and whether each order is the one that a look-up finds.
    async fn ids_of(&self, buyer: &str, before: Option<OrderId>, size: u32) -> Result<Vec<OrderId>, Broken> {
        let orders = self.store().orders_of(&BuyerId::new(buyer)?, OrderPage { before, size }).await?;
        for order in &orders {
            assert_eq!(self.store().order(order.id).await?.as_ref(), Some(order));
        }
        Ok(orders.into_iter().map(|order| order.id).collect())
    }
}

/// Of every sale, also the cancelled ones, each in its present state, and no other buyer's.
pub async fn orders_of_a_buyer_are_listed_newest_first(subject: &Subject) -> Fact {
    let (pens, cups) = (subject.sale(3).await?, subject.sale(10).await?);
    let first = batch(1, vec![intent(pens, "ann", "a", 1)?, intent(pens, "bob", "a", 1)?])?;
    let second = batch(2, vec![intent(cups, "ann", "a", 2)?, intent(cups, "Ann", "a", 1)?])?;
    // Newer than an order of a sale that was made later, and cancelled: one unit is left.
    let third = batch(3, vec![intent(pens, "ann", "b", 2)?])?;
    // The order in which they arrive is not the order of their ids.
    subject.apply(&[first.clone(), third.clone()]).await?;
    subject.apply(std::slice::from_ref(&second)).await?;
    let [pen, cup, none_left] =
        [&first, &second, &third].map(|batch| batch.orders().next().map(|(id, _)| id));
    let (pen, cup, none_left) =
        (pen.ok_or("no order")?, cup.ok_or("no order")?, none_left.ok_or("no order")?);
    assert_eq!(subject.ids_of("ann", None, 10).await?, [none_left, cup, pen]);

    let cancelled = OrderState::Cancelled(CancelReason::ByBuyer);
    subject.store().change_order(&change(cup, OrderState::Confirmed, cancelled), LATER).await?;
    let orders =
        subject.store().orders_of(&BuyerId::new("ann")?, OrderPage { before: None, size: 10 }).await?;
    let states: Vec<_> = orders.iter().map(|order| (order.state, order.version)).collect();
    let out_of_stock = OrderState::Cancelled(CancelReason::OutOfStock);
    assert_eq!(states, [(out_of_stock, 1), (cancelled, 2), (OrderState::Confirmed, 1)]);
    assert_eq!(subject.ids_of("nobody", None, 10).await?, []);
    Ok(())
}

/// Every page goes on where the one before ended, and is not longer than a page may be.
pub async fn orders_of_a_buyer_come_page_by_page(subject: &Subject) -> Fact {
    let sales = [subject.sale(1_000).await?, subject.sale(1_000).await?];
    let mut ids = Vec::new();
    for number in 1..=3 {
        // Both sales alternate in the ids.
        let intents = (0..70).map(|i| intent(sales[i % 2], "ann", &format!("{number}-{i}"), 1));
        let batch = batch(number, intents.collect::<Result<_, _>>()?)?;
        ids.extend(batch.orders().map(|(order, _)| order));
        subject.apply(&[batch]).await?;
    }
    ids.reverse();
    let (mut listed, mut before) = (Vec::new(), None);
    while listed.len() <= ids.len() {
        let page = subject.ids_of("ann", before, 64).await?;
        let Some(last) = page.last() else { break };
        before = Some(*last);
        listed.extend(page);
    }
    assert_eq!(listed, ids);
    let most = usize::try_from(OrderPage::SIZE_MAX)?;
    assert_eq!(subject.ids_of("ann", None, u32::MAX).await?, &ids[..most]);
    assert_eq!(subject.ids_of("ann", Some(OrderId::new(1)?), 1).await?, []);
    Ok(())
}

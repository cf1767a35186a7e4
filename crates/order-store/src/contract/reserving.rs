//! Sales whose units leave at the shipment: until then, orders have them reserved.

use flashgate_domain::{
    Actor, CancelReason, Decision, DeductPolicy, OrderId, OrderState, SaleFields, SaleId, audit::StoreStep,
};

use super::{
    Broken, Fact, Subject,
    lifecycle::{LATER, change, moved, persist},
    scene::{NOW, decisions, draft, singles},
};
use crate::{Changed, OrderChange};

use OrderState::{Cancelled, Confirmed, Paid, Refunding, Shipped};

const FAILED: OrderState = Refunding(CancelReason::OutboundFailed);

impl Subject {
    async fn sale_at_payment(&self, stock: u64) -> Result<SaleId, Broken> {
        let fields = SaleFields {
            deduct_policy: DeductPolicy::AtPayment,
            ..draft("A thing", stock)?.fields().clone()
        };
        Ok(self.store().create_sale(&fields.check()?, NOW).await?.id)
    }

    /// The units of a sale that are saleable, reserved and returned.
    async fn reserve(&self, sale: SaleId) -> Result<(u64, u64, u64), Broken> {
        let sale = self.find(sale).await?;
        Ok((sale.saleable, sale.reserved, sale.returned))
    }

    /// Units that an operator takes out: the orders have them all the same.
    async fn take_out(&self, sale: SaleId, units: i64) -> Result<(), Broken> {
        let step = StoreStep { adjustments: 0, in_store: units };
        self.store().compensate(sale, &step, LATER).await?;
        Ok(())
    }

    async fn all_paid(&self, sale: SaleId, quantities: &[u32]) -> Result<Vec<OrderId>, Broken> {
        let orders = self.place(1, sale, quantities).await?;
        for order in &orders {
            self.walk(*order, &[Confirmed, Paid]).await?;
        }
        Ok(orders)
    }
}

/// Nobody else can reserve it.
pub async fn a_shipment_takes_what_its_order_reserved(subject: &Subject) -> Fact {
    let sale = subject.sale_at_payment(5).await?;
    let orders = subject.all_paid(sale, &[2, 3]).await?;
    assert_eq!(subject.reserve(sale).await?, (5, 5, 0));
    let event = moved(subject.store().change_order(&change(orders[0], Paid, Shipped), LATER).await?)?;
    assert_eq!((event.to, event.version), (Shipped, 3));
    assert_eq!(subject.reserve(sale).await?, (3, 3, 0));
    let snapshot = subject.store().snapshot(sale, &[]).await?.ok_or("no snapshot")?;
    assert_eq!((snapshot.saleable, snapshot.reserved), (3, 3));
    let more = decisions(&subject.apply(&[singles(2, sale, 1)?]).await?);
    assert_eq!(more, [Decision::Cancelled(CancelReason::OutOfStock)]);
    assert_eq!(subject.reserve(sale).await?, (3, 3, 0));
    Ok(())
}

/// Before the shipment nothing was taken, so that nothing comes back.
pub async fn an_order_that_is_cancelled_ends_its_reservation(subject: &Subject) -> Fact {
    let sale = subject.sale_at_payment(5).await?;
    let orders = subject.place(1, sale, &[2, 3]).await?;
    subject.walk(orders[0], &[Confirmed, Cancelled(CancelReason::ByBuyer)]).await?;
    assert_eq!(subject.reserve(sale).await?, (5, 3, 2));
    let more = decisions(&subject.apply(&[singles(2, sale, 2)?]).await?);
    assert_eq!(more, [Decision::Confirmed; 2], "on sale again");
    assert_eq!(subject.reserve(sale).await?, (5, 5, 2));
    subject.walk(orders[1], &[Confirmed, Paid, Refunding(CancelReason::ByOperator)]).await?;
    assert_eq!(subject.reserve(sale).await?, (5, 2, 5));
    Ok(())
}

/// It stays as it is until it is cancelled; then its reservation ends.
pub async fn an_order_that_has_too_few_units_is_not_shipped(subject: &Subject) -> Fact {
    let (store, sale) = (subject.store(), subject.sale_at_payment(4).await?);
    let orders = subject.all_paid(sale, &[2, 2]).await?;
    subject.take_out(sale, 1).await?;
    subject.walk(orders[0], &[Paid, Shipped]).await?;
    let before = store.order(orders[1]).await?.ok_or("no order")?;
    for _ in 0..2 {
        let refused = store.change_order(&change(orders[1], Paid, Shipped), LATER).await?;
        assert_eq!(refused, Changed::Short(before.clone()));
    }
    assert_eq!(subject.reserve(sale).await?, (1, 2, 0));
    assert_eq!(store.order_events(orders[1]).await?.len(), 1, "paid, and nothing else");
    let failed = OrderChange { actor: Actor::Stock, ..change(orders[1], Paid, FAILED) };
    let event = moved(store.change_order(&failed, LATER).await?)?;
    assert!(event.is_written_off(), "{event:?}");
    assert_eq!(store.order_events(orders[1]).await?.last(), Some(&event));
    assert_eq!(subject.reserve(sale).await?, (1, 0, 2));
    Ok(())
}

/// Of two workers that ship two orders at once, with units for one, one does.
pub async fn of_two_shipments_at_once_one_gets_the_last_units(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let sale = subject.sale_at_payment(4).await?;
    let orders = subject.all_paid(sale, &[2, 2]).await?;
    subject.take_out(sale, 2).await?;
    let ship = |order| change(order, Paid, Shipped);
    let (first, second) = (ship(orders[0]), ship(orders[1]));
    let (first, second) = tokio::join!(persist(&**one, &first), persist(&**other, &second));
    let made = [first?, second?];
    let shipped = made.iter().filter(|changed| matches!(changed, Changed::Now(_))).count();
    let short = made.iter().filter(|changed| matches!(changed, Changed::Short(_))).count();
    assert_eq!((shipped, short), (1, 1), "{made:?}");
    assert_eq!(subject.reserve(sale).await?, (0, 2, 0));
    Ok(())
}

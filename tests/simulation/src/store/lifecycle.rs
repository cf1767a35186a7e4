//! Transitions of orders, each with its event in one transaction.

use std::collections::BTreeSet;

use flashgate_domain::{Order, OrderEvent, OrderId, OrderState, SaleId, Timestamp};
use flashgate_order_store::{Changed, EVENT_PAGE_MAX, ORDER_EVENTS_MAX, OrderChange, StoreError, stock};
use tokio::time::timeout;

use super::{StoreState, zombie::LOCK_WAIT};
use crate::{flaw::Flaw, network::Server};

impl StoreState {
    fn change_order(&mut self, change: &OrderChange, now: Timestamp) -> Option<Changed> {
        let order = self.orders.get(&change.order).cloned();
        let is_there = order.as_ref().is_some_and(|order| order.state == change.from);
        if is_there && self.is_held(change) {
            return order.map(Changed::Held);
        }
        if is_there && change.to == OrderState::Shipped && !self.ship(order.as_ref()?) {
            return order.map(Changed::Short);
        }
        let moved = |order: Order| Order { version: order.version + u32::from(is_there), ..order };
        let changed = Changed::of(is_there, change, order.map(moved), now)?;
        if let Changed::Now(event) = &changed {
            self.record(event);
            self.follow(change, now);
        }
        Some(changed)
    }

    /// Takes the units of an order that is shipped; `false` if there are too few.
    fn ship(&mut self, order: &Order) -> bool {
        let sale = self.sales.get_mut(&order.intent.sale());
        sale.is_some_and(|sale| stock::ship(sale, order.intent.quantity().get().into()))
    }

    /// One transition: the order, its event, and the units that it gives up.
    pub(super) fn record(&mut self, event: &OrderEvent) {
        if let Some(order) = self.orders.get_mut(&event.order) {
            (order.state, order.version) = (event.to, event.version);
        }
        if event.returns_units()
            && let Some(sale) = self.sales.get_mut(&event.intent.sale())
        {
            stock::give_up(sale, event.intent.quantity().get().into());
        }
        self.events.entry(event.order).or_default().push(event.clone());
        if self.flaw != Some(Flaw::EventsInMemory) {
            self.unpublished.insert((event.at, event.order, event.version));
        }
    }

    pub(super) fn order_events(&self, order: OrderId) -> Vec<OrderEvent> {
        let max = usize::try_from(ORDER_EVENTS_MAX).unwrap_or(usize::MAX);
        self.events.get(&order).into_iter().flatten().take(max).cloned().collect()
    }

    pub(super) fn unpublished_events(&self, before: Timestamp, size: u32) -> Vec<OrderEvent> {
        let size = usize::try_from(size.min(EVENT_PAGE_MAX)).unwrap_or(usize::MAX);
        let earlier = self.unpublished.iter().take_while(|(at, _order, _version)| *at < before);
        let event = |(_at, order, version): &(Timestamp, OrderId, u32)| {
            self.events.get(order)?.iter().find(|event| event.version == *version).cloned()
        };
        earlier.filter_map(event).take(size).collect()
    }

    pub(super) fn mark_published(&mut self, published: &BTreeSet<(OrderId, u32)>) {
        self.unpublished.retain(|(_at, order, version)| !published.contains(&(*order, *version)));
    }

    pub(super) fn republish_returns(&mut self, sale: SaleId) -> u64 {
        let events = self.events.values().flatten();
        let returns = events.filter(|event| event.intent.sale() == sale && event.returns_units());
        let mut count = 0;
        for event in returns {
            count += u64::from(self.unpublished.insert((event.at, event.order, event.version)));
        }
        count
    }
}

/// One transaction. If the order gives units up, or is shipped, the row of their sale is locked, as when orders are placed.
///
/// # Errors
/// [`StoreError::Contended`] if another transaction holds the row for too long.
pub(super) async fn change(
    server: &Server<StoreState>,
    change: &OrderChange,
    now: Timestamp,
) -> Result<Changed, StoreError> {
    let moves_units = change.to == OrderState::Shipped || !change.to.holds_units();
    loop {
        let ended = {
            let mut state = server.state();
            let order = state.orders.get(&change.order).filter(|_order| moves_units);
            let sales = order.map(|order| order.intent.sale()).into_iter().collect();
            let Some(ended) = state.holder_of(&sales) else {
                let changed = state.change_order(change, now);
                return changed.ok_or(StoreError::Corrupt { what: "sale of an order" });
            };
            ended
        };
        if timeout(LOCK_WAIT, ended.notified()).await.is_err() {
            return Err(StoreError::Contended("a row is locked".to_owned()));
        }
    }
}

//! Transitions of orders, each with its event in one transaction.

use std::{collections::BTreeSet, sync::Arc};

use flashgate_domain::{Order, OrderEvent, OrderId, SaleId, Timestamp};
use flashgate_order_store::{Changed, EVENT_PAGE_MAX, ORDER_EVENTS_MAX, OrderChange, StoreError};
use tokio::time::timeout;

use super::{StoreState, zombie::LOCK_WAIT};
use crate::network::Server;

impl StoreState {
    fn change_order(&mut self, change: &OrderChange, now: Timestamp) -> Option<Changed> {
        let moved = |order: &mut Order| {
            let is_there = order.state == change.from;
            if is_there {
                (order.state, order.version) = (change.to, order.version + 1);
            }
            (is_there, order.clone())
        };
        let (is_moved, order) = self.orders.get_mut(&change.order).map(moved).unzip();
        let changed = Changed::of(is_moved.unwrap_or_default(), change, order, now)?;
        if let Changed::Now(event) = &changed {
            if event.returns_units() {
                let (sale, units) =
                    (self.sales.get_mut(&event.intent.sale())?, event.intent.quantity().get());
                (sale.saleable, sale.returned) =
                    (sale.saleable + u64::from(units), sale.returned + u64::from(units));
            }
            self.events.entry(event.order).or_default().push(event.clone());
            if !self.forgets_events {
                self.unpublished.insert((now, event.order, event.version));
            }
        }
        Some(changed)
    }

    /// Keeps no event for the sweep: see [`crate::flaw::Flaw::EventsInMemory`].
    pub const fn forget_events(&mut self) {
        self.forgets_events = true;
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

/// One transaction. The row of the sale is locked, as when orders are placed.
///
/// # Errors
/// [`StoreError::Contended`] if another transaction holds the row for too long.
pub(super) async fn change(
    server: &Server<StoreState>,
    change: &OrderChange,
    now: Timestamp,
) -> Result<Changed, StoreError> {
    loop {
        let ended = {
            let mut state = server.state();
            let sale = state.orders.get(&change.order).map(|order| order.intent.sale());
            let Some(ended) = state.holder_of(sale) else {
                let changed = state.change_order(change, now);
                return changed.ok_or(StoreError::Corrupt { what: "sale of an order" });
            };
            Arc::clone(&ended)
        };
        if timeout(LOCK_WAIT, ended.notified()).await.is_err() {
            return Err(StoreError::Contended("a row is locked".to_owned()));
        }
    }
}

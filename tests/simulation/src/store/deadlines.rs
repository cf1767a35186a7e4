//! Payment deadlines: which orders are due, and their cancellation.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use flashgate_domain::{
    BatchOutcome, BuyerId, Order, OrderEvent, OrderId, OrderPage, OrderState, SaleId, Timestamp,
};
use flashgate_order_store::{
    DEADLINE_PAGE_MAX, PaymentDeadline, StoreError,
    decide::{confirmed_sales, first_decision},
    expiry,
};
use tokio::time::timeout;

use super::{StoreState, zombie::LOCK_WAIT};
use crate::{flaw::Flaw, network::Server};

/// The table of payment deadlines.
#[derive(Default)]
pub struct Deadlines {
    stored: BTreeSet<PaymentDeadline>,
    /// Those of open transactions.
    locked: BTreeSet<PaymentDeadline>,
    /// Those that a call skipped because another one had locked them. Whether that one has committed, only a sweep
    /// finds out.
    skipped: BTreeSet<PaymentDeadline>,
}

impl Deadlines {
    /// Whether a call skipped it because another one had locked it.
    pub fn was_skipped(&self, deadline: &PaymentDeadline) -> bool {
        self.skipped.contains(deadline)
    }

    fn lock(&mut self, deadline: PaymentDeadline) -> bool {
        if !self.stored.contains(&deadline) {
            return false;
        }
        let is_free = self.locked.insert(deadline);
        if !is_free {
            self.skipped.insert(deadline);
        }
        is_free
    }
}

impl StoreState {
    /// When an order of the sale that was placed then is due.
    pub(super) fn pay_by(&self, sale: SaleId, placed_at: Timestamp) -> Option<Timestamp> {
        let pay_within = self.sales.get(&sale)?.draft.pay_within()?;
        Some(placed_at.saturating_add(pay_within))
    }

    /// Stores the deadlines of what is placed now.
    pub(super) fn store_deadlines(&mut self, outcomes: &[BatchOutcome], now: Timestamp) {
        let mut last = None;
        for (first_order, sale) in confirmed_sales(outcomes) {
            let is_second = last.replace(first_order) == Some(first_order);
            if is_second && self.flaw == Some(Flaw::OneDeadline) {
                continue;
            }
            if let Some(at) = self.pay_by(sale, now) {
                self.deadlines.stored.insert(PaymentDeadline { at, first_order });
            }
        }
    }

    /// A look-up of one order.
    pub(super) fn order(&self, order: OrderId) -> Option<Order> {
        let found = self.orders.get(&order)?.clone();
        match self.flaw {
            Some(Flaw::DueUnknown) => Some(Order { pay_by: None, ..found }),
            Some(_) | None => Some(found),
        }
    }

    pub(super) fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Vec<Order> {
        let size = usize::try_from(page.size.min(OrderPage::SIZE_MAX)).unwrap_or(usize::MAX);
        let older = self.orders.iter().rev().filter(|(id, _order)| id.get() <= page.id_max());
        let own = older.filter(|(_id, order)| order.intent.buyer() == buyer).take(size);
        own.filter_map(|(id, _order)| self.order(*id)).collect()
    }

    /// The state that an order had in a version.
    pub fn state_in(&self, order: OrderId, version: u32) -> Option<OrderState> {
        match version {
            0 => None,
            1 => self.orders.get(&order).map(|order| first_decision(order.state).state()),
            _ => {
                let mut events = self.events.get(&order)?.iter();
                events.find(|event| event.version == version).map(|event| event.to)
            }
        }
    }

    pub(super) fn due_until(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Vec<PaymentDeadline> {
        let after = after.map_or(Unbounded, Excluded);
        let size = usize::try_from(size.min(DEADLINE_PAGE_MAX)).unwrap_or(usize::MAX);
        let later = self.deadlines.stored.range((after, Unbounded));
        later.take_while(|deadline| deadline.at <= until).take(size).copied().collect()
    }

    /// The events by which the overdue orders of a batch are cancelled, without those that wait for a payment.
    fn cancellable(&self, first_order: OrderId, now: Timestamp) -> Vec<OrderEvent> {
        let mut events = self.overdue(first_order, now);
        events.retain(|event| !self.payments.is_open(event.order));
        events
    }

    /// The events of the overdue orders of a batch.
    fn overdue(&self, first_order: OrderId, now: Timestamp) -> Vec<OrderEvent> {
        let placed = self.decided.get(&first_order).into_iter().flat_map(|outcome| &outcome.orders);
        let rows = placed.filter_map(|order| self.orders.get(&order.order).cloned());
        rows.filter_map(|row| self.timeout_of(row, now)).collect()
    }

    fn timeout_of(&self, row: Order, now: Timestamp) -> Option<OrderEvent> {
        match self.flaw {
            Some(Flaw::TimeoutOfPaid) if row.state == OrderState::Paid => {
                let event = expiry::event(Order { state: OrderState::Confirmed, ..row }, now)?;
                Some(OrderEvent { from: OrderState::Paid, ..event })
            }
            Some(Flaw::TimeoutOfBatch) => expiry::event(Order { pay_by: Some(now), ..row }, now),
            Some(_) | None => expiry::event(row, now),
        }
    }

    /// The unlocked end of a transaction.
    fn expire(&mut self, deadline: PaymentDeadline, now: Timestamp) -> Vec<OrderEvent> {
        let mut events = self.overdue(deadline.first_order, now);
        let is_open =
            |order: &OrderId| self.payments.is_open(*order) && self.flaw != Some(Flaw::TimeoutOfOpen);
        let waiting = events.iter().map(|event| event.order).filter(is_open);
        let waiting: BTreeSet<OrderId> = waiting.collect();
        for order in &waiting {
            self.payments.hasten(*order, now);
        }
        self.deadlines.stored.remove(&deadline);
        self.deadlines.stored.extend(expiry::put_off(&mut events, &waiting, now));
        for event in &events {
            self.record(event);
        }
        events
    }
}

/// One transaction for each deadline, which locks its row first, then those of the sales.
///
/// # Errors
/// [`StoreError::Contended`] if another transaction holds the row of a sale for too long.
pub(super) async fn expire(
    server: &Server<StoreState>,
    deadlines: &[PaymentDeadline],
    now: Timestamp,
) -> Result<Vec<OrderEvent>, StoreError> {
    let mut events = Vec::new();
    for deadline in expiry::due(deadlines, now) {
        if !server.state().deadlines.lock(deadline) {
            continue;
        }
        let expired = expire_locked(server, deadline, now).await;
        server.state().deadlines.locked.remove(&deadline);
        events.extend(expired?);
    }
    Ok(events)
}

async fn expire_locked(
    server: &Server<StoreState>,
    deadline: PaymentDeadline,
    now: Timestamp,
) -> Result<Vec<OrderEvent>, StoreError> {
    loop {
        let ended = {
            let mut state = server.state();
            let events = state.cancellable(deadline.first_order, now);
            let sales = events.iter().map(|event| event.intent.sale()).collect();
            let Some(ended) = state.holder_of(&sales) else { return Ok(state.expire(deadline, now)) };
            ended
        };
        if timeout(LOCK_WAIT, ended.notified()).await.is_err() {
            return Err(StoreError::Contended("a row is locked".to_owned()));
        }
    }
}

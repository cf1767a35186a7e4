//! The rules by which every order store cancels unpaid orders. No I/O.

use std::{collections::BTreeSet, time::Duration};

use flashgate_domain::{Actor, CancelReason, Cause, Order, OrderEvent, OrderId, OrderState, Timestamp};

use crate::PaymentDeadline;

/// Maximum orders of the batches that one transaction expires, unless it has one batch: a transaction of the largest
/// batches would last longer than a call may. More orders in a transaction make none of them cheaper.
pub const TRANSACTION_ORDERS_MAX: u32 = 2_048;

/// When the batch of an overdue order with an open payment attempt is due again. The order is cancelled earlier, with
/// the report that the attempt is closed: this is for a report that finds the order not overdue, by a slower clock.
pub const OPEN_ATTEMPT_GRACE: Duration = Duration::from_secs(60);

/// The state of an order that was not paid in time.
const EXPIRED: OrderState = OrderState::Cancelled(CancelReason::Timeout);

/// Those of `deadlines` that are due by `now`, ascending, each once.
pub fn due(deadlines: &[PaymentDeadline], now: Timestamp) -> Vec<PaymentDeadline> {
    let mut due: Vec<_> = deadlines.iter().copied().filter(|deadline| deadline.at <= now).collect();
    due.sort_unstable();
    due.dedup();
    due
}

/// Splits `deadlines` into those of one transaction each, given the number of orders of the batch of a first order.
pub fn transactions(
    mut deadlines: &[PaymentDeadline],
    orders: impl Fn(OrderId) -> u32,
) -> impl Iterator<Item = &[PaymentDeadline]> {
    std::iter::from_fn(move || {
        let mut sum = 0_u32;
        let fits = |deadline: &&PaymentDeadline| {
            sum = sum.saturating_add(orders(deadline.first_order));
            sum <= TRANSACTION_ORDERS_MAX
        };
        let taken = deadlines.iter().take_while(fits).count().max(1);
        let (these, rest) = deadlines.split_at_checked(taken)?;
        deadlines = rest;
        Some(these)
    })
}

/// The event by which `order` is cancelled; `None` if it is not overdue.
pub fn event(order: Order, now: Timestamp) -> Option<OrderEvent> {
    order.is_overdue(now).then(|| OrderEvent {
        order: order.id,
        batch: order.batch,
        intent: order.intent,
        version: order.version.saturating_add(1),
        from: order.state,
        to: EXPIRED,
        actor: Actor::Deadline,
        cause: Cause::default(),
        at: now,
    })
}

/// Takes the events of the orders with an `open` payment attempt out of `events`, and returns the deadlines of their
/// batches from now on.
pub fn put_off(
    events: &mut Vec<OrderEvent>,
    open: &BTreeSet<OrderId>,
    now: Timestamp,
) -> BTreeSet<PaymentDeadline> {
    let waits = |event: &mut OrderEvent| open.contains(&event.order);
    let at = now.saturating_add(OPEN_ATTEMPT_GRACE);
    events
        .extract_if(.., waits)
        .map(|event| PaymentDeadline { at, first_order: event.order.base() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(at: u64, batch: u64) -> PaymentDeadline {
        PaymentDeadline { at: Timestamp::from_millis(at), first_order: OrderId::new(batch << 10).unwrap() }
    }

    #[test]
    fn only_deadlines_that_have_passed_are_due_and_each_once() {
        let [early, exact, late] = [deadline(8, 3), deadline(9, 2), deadline(10, 1)];
        let asked = [late, exact, early, exact];
        assert_eq!(due(&asked, Timestamp::from_millis(9)), [early, exact]);
        assert_eq!(due(&[], Timestamp::from_millis(9)), []);
    }

    #[test]
    fn no_transaction_has_too_many_orders_and_no_deadline_is_left_out() {
        for orders in [0, 1, 100, 1_024, TRANSACTION_ORDERS_MAX, TRANSACTION_ORDERS_MAX + 1, u32::MAX] {
            for count in [0, 1, 2, 3, 256] {
                let deadlines: Vec<_> = (1..=count).map(|batch| deadline(1, batch)).collect();
                let parts: Vec<_> = transactions(&deadlines, |_batch| orders).collect();
                assert_eq!(parts.concat(), deadlines);
                let fits = |part: &&[PaymentDeadline]| {
                    let sum = orders.saturating_mul(u32::try_from(part.len()).unwrap());
                    part.len() == 1 || sum <= TRANSACTION_ORDERS_MAX
                };
                assert!(parts.iter().all(fits), "{orders} orders a batch");
                if orders <= 8 {
                    assert!(parts.len() <= 1, "{count} small batches are one transaction");
                }
            }
        }
    }
}

//! No order stays unpaid after its deadline. Each of the ways that lead to its cancellation must do alone.

use std::time::Duration;

use anyhow::ensure;
use flashgate_domain::Order;
use flashgate_order_store::PaymentDeadline;

use crate::{
    broker::{BrokerState, LATE_MS_MAX},
    history::Setup,
    servers::Servers,
    store::StoreState,
};

/// How long a healed world takes for what is due, besides the interval of the sweep or the delay of the timer.
const PROMPT: Duration = Duration::from_secs(5);

/// The ways that work in a history whether or not somebody looks an order up, which always works.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    has_sweeps: bool,
    /// A worker whose clock is behind arms a timer again for as long as it is behind.
    has_timers: bool,
    within: Duration,
}

impl Timeouts {
    /// Those of a history.
    pub fn of(setup: &Setup) -> Self {
        let payment = &setup.payment;
        let (has_sweeps, has_timers) =
            (payment.has_sweeps(), !payment.timers.are_lost && setup.has_right_clocks());
        let within_ms = if has_sweeps { payment.sweep_interval_ms.get() } else { 2 * LATE_MS_MAX };
        Self { has_sweeps, has_timers, within: Duration::from_millis(within_ms) + PROMPT }
    }

    /// An order that is due, and that one of the ways is to cancel.
    pub fn left_to_do(self, servers: &Servers) -> Option<String> {
        self.overdue_for(servers, Duration::ZERO)
    }

    /// In a healed world nothing is due for long.
    pub(super) fn hold(self, servers: &Servers) -> anyhow::Result<()> {
        let left = self.overdue_for(servers, self.within);
        ensure!(left.is_none(), "{}", left.unwrap_or_default());
        Ok(())
    }

    fn overdue_for(self, servers: &Servers, time: Duration) -> Option<String> {
        let (store, broker) = (servers.store.state(), servers.broker.state());
        let [_behind, now] = servers.worker_times();
        let since = now.saturating_sub(time);
        let overdue =
            |order: &&Order| order.is_overdue(since) && self.is_cancelled_by_itself(&store, &broker, order);
        let order = store.orders.values().find(overdue)?;
        Some(format!("order {} is unpaid at {now:?}, after its deadline {:?}", order.id, order.pay_by))
    }

    /// Whether a sweep finds it, or a timer that the broker has. The timer of a killed worker, or one that the broker did
    /// not get, is the sweep's business, and so is a deadline that somebody else had locked when the timer came.
    fn is_cancelled_by_itself(self, store: &StoreState, broker: &BrokerState, order: &Order) -> bool {
        let Some(at) = order.pay_by else { return false };
        let deadline = PaymentDeadline { at, first_order: order.id.base() };
        let has_timer = broker.has_armed(at, order.id.base()) && !store.deadlines.was_skipped(&deadline);
        self.has_sweeps || (self.has_timers && has_timer)
    }
}

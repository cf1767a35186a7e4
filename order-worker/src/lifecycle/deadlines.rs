//! Cancels the orders that were not paid in time.
//!
//! Three ways lead here, and each is enough: the broker's timer of a chunk ([`super::timers`]), the sweep of every worker,
//! and a look-up of an overdue order ([`super::Orders::find`]). The order's row decides between a payment and all of them.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use flashgate_domain::Clock;
use flashgate_order_store::{DEADLINE_PAGE_MAX, OrderStore, PaymentDeadline, StoreError};
use flashgate_service::throttle::LogThrottle;
use metrics::{counter, gauge};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{orders::note, publisher::EventSender};

/// Deadlines of one call of the store.
const DEADLINES_MAX: usize = 256;
const _: () = assert!(DEADLINE_PAGE_MAX == 256, "DEADLINES_MAX is the same number");

/// Cancels unpaid orders in the order store.
pub(super) struct Deadlines {
    store: Arc<dyn OrderStore>,
    clock: Arc<dyn Clock>,
    events: EventSender,
}

impl Deadlines {
    pub(super) fn new(store: Arc<dyn OrderStore>, clock: Arc<dyn Clock>, events: EventSender) -> Self {
        Self { store, clock, events }
    }

    /// Cancels the orders of `deadlines` that are due by now. `by` is the way that led here.
    pub(super) async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        by: &'static str,
    ) -> Result<(), StoreError> {
        for deadlines in deadlines.chunks(DEADLINES_MAX) {
            for event in self.store.expire(deadlines, self.clock.now()).await? {
                debug!(order_id = %event.order, by, "order not paid in time");
                counter!("flashgate_worker_expired_orders_total", "by" => by).increment(1);
                note(&event);
                self.events.send(event);
            }
        }
        Ok(())
    }

    /// Cancels every order that is due.
    async fn sweep(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let now = self.clock.now();
            let page = self.store.deadlines(after, now, DEADLINE_PAGE_MAX).await?;
            if after.is_none() {
                let overdue = page.first().map_or(Duration::ZERO, |first| now.saturating_since(first.at));
                gauge!("flashgate_worker_overdue_seconds").set(overdue.as_secs_f64());
            }
            self.expire(&page, "sweep").await?;
            after = page.last().copied();
            if page.len() < DEADLINES_MAX {
                return Ok(());
            }
        }
    }
}

/// Cancels at intervals what nothing else has cancelled.
pub struct DeadlineSweep {
    deadlines: Arc<Deadlines>,
    period: Duration,
    throttle: LogThrottle,
}

impl DeadlineSweep {
    pub(super) fn new(deadlines: Arc<Deadlines>, interval_ms: NonZeroU64) -> Self {
        let period = Duration::from_millis(interval_ms.get());
        Self { deadlines, period, throttle: LogThrottle::default() }
    }

    /// Sweeps at once and then at intervals, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(swept) = shutdown.run_until_cancelled(self.deadlines.sweep()).await else { return };
            if let Err(fault) = swept
                && let Some(suppressed) = self.throttle.admit()
            {
                warn!(error = %fault, suppressed, "cancelling unpaid orders failed; the next sweep repeats it");
            }
        }
    }
}

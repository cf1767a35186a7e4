//! Forgets the ids of callbacks after the time in which a provider repeats them.

use std::{sync::Arc, time::Duration};

use flashgate_domain::Clock;
use flashgate_order_store::{CALLBACK_PAGE_MAX, OrderStore, PaymentRepository, StoreError};
use flashgate_service::throttle::LogThrottle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Maximum interval between rounds.
const INTERVAL_MAX: Duration = Duration::from_hours(1);
/// Minimum interval between rounds, for tests with a short retention.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Forgets callbacks.
pub struct Retention {
    store: Arc<dyn PaymentRepository>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    throttle: LogThrottle,
}

impl Retention {
    /// Keeps the ids of callbacks for `retention`.
    pub(super) fn new(store: Arc<dyn OrderStore>, clock: Arc<dyn Clock>, retention: Duration) -> Self {
        Self { store, clock, retention, throttle: LogThrottle::default() }
    }

    /// Forgets at intervals, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = interval(self.retention.clamp(INTERVAL_MIN, INTERVAL_MAX));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(forgotten) = shutdown.run_until_cancelled(self.forget()).await else { return };
            match forgotten {
                Ok(0) => {}
                Ok(callbacks) => debug!(callbacks, "ids of old callbacks forgotten"),
                Err(fault) => {
                    if let Some(suppressed) = self.throttle.admit() {
                        warn!(error = %fault, suppressed, "forgetting old callbacks failed; the next round repeats it");
                    }
                }
            }
        }
    }

    /// Forgets all that are old enough; returns their number.
    async fn forget(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().saturating_sub(self.retention);
        let mut all = 0;
        loop {
            let forgotten = self.store.forget_callbacks(before, CALLBACK_PAGE_MAX).await?;
            all += forgotten;
            if forgotten < u64::from(CALLBACK_PAGE_MAX) {
                return Ok(all);
            }
        }
    }
}

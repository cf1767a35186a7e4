//! The ledger's time, as this gateway knows it.
//!
//! The ledger judges windows in its scripts. Decisions that a gateway makes before (a sale that is not open yet, the
//! marks of sold-out sales) need the same clock: a gateway whose own clock is three minutes behind would refuse
//! buyers for three minutes after the opening. So it measures the difference between its clock and the ledger's, and
//! returns the ledger's time to all its components.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Clock, Timestamp};
use flashgate_ledger::{LedgerError, Probing};
use flashgate_service::clocks::{self, Peer};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;

/// Interval between comparisons of the clocks.
const PERIOD: Duration = Duration::from_secs(2);

/// A clock that follows the ledger's.
pub struct LedgerClock {
    own: Arc<dyn Clock>,
    /// How far the own clock is ahead of the ledger's, in milliseconds.
    ahead_ms: AtomicI64,
}

impl Clock for LedgerClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(self.own.now().as_millis().saturating_add_signed(ahead.saturating_neg()))
    }
}

impl LedgerClock {
    /// Returns the time of `own` until the first comparison with the ledger's.
    pub fn new(own: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { own, ahead_ms: AtomicI64::new(0) })
    }

    /// Reads the ledger's time once, and records the difference.
    ///
    /// # Errors
    /// The ledger did not return its time; the difference stays unchanged.
    pub async fn compare(&self, ledger: &dyn Probing, readiness: &Readiness) -> Result<(), LedgerError> {
        let before = self.own.now();
        let there = ledger.time().await?;
        let ahead = clocks::ahead_ms(before, there, self.own.now());
        self.ahead_ms.store(ahead, Ordering::Relaxed);
        readiness.clocks().note(Peer::Ledger, ahead);
        Ok(())
    }

    /// Compares every two seconds, until `shutdown`.
    pub async fn watch(
        self: Arc<Self>,
        ledger: Arc<dyn Probing>,
        readiness: Arc<Readiness>,
        shutdown: CancellationToken,
    ) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            // Readiness reports a ledger that does not answer.
            let _silent = self.compare(&*ledger, &readiness).await;
        }
    }
}

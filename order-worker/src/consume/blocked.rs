//! Sales whose rows others lock: their batches wait, and those of other sales continue.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Intent, SaleId};
use flashgate_order_store::OrderRepository;
use metrics::gauge;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Abandoned, chunk::Taken, float};

/// Interval between checks whether the sales are free again: one statement for all of them.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The blocked sales, and the number of orders that wait for them.
pub(super) struct Blocked {
    store: Arc<dyn OrderRepository>,
    sales: Mutex<BTreeSet<SaleId>>,
    /// When the last check began: one check serves all waiting chunks.
    looked_at: Mutex<Option<Instant>>,
    orders: AtomicUsize,
}

/// Counts batches as waiting until dropped.
pub(super) struct Parked {
    blocked: Arc<Blocked>,
    orders: usize,
}

impl Blocked {
    pub(super) fn new(store: Arc<dyn OrderRepository>) -> Self {
        let blocked =
            Self { store, sales: Mutex::default(), looked_at: Mutex::default(), orders: AtomicUsize::new(0) };
        blocked.tell();
        blocked
    }

    /// Marks the sales as blocked.
    pub(super) fn add(&self, sales: &[SaleId]) {
        warn!(?sales, "rows of sales are locked; their batches wait");
        self.sales.lock().extend(sales);
        self.tell();
    }

    /// The number of waiting orders.
    pub(super) fn orders(&self) -> usize {
        self.orders.load(Ordering::Acquire)
    }

    /// Splits the batches into those that can be placed, and those with an order of a blocked sale.
    pub(super) fn divide(&self, batches: Vec<Taken>) -> (Vec<Taken>, Vec<Taken>) {
        let sales = self.sales.lock();
        batches.into_iter().partition(|taken| {
            sales.is_empty()
                || !taken.batch.intents().iter().map(Intent::sale).any(|sale| sales.contains(&sale))
        })
    }

    /// Counts `batches` as waiting until the result is dropped.
    pub(super) fn park(self: &Arc<Self>, batches: &[Taken]) -> Parked {
        let orders = batches.iter().map(|taken| taken.batch.intents().len()).sum();
        self.orders.fetch_add(orders, Ordering::AcqRel);
        self.tell();
        Parked { blocked: Arc::clone(self), orders }
    }

    /// Waits until a blocked sale is free, or for a check interval.
    pub(super) async fn look(&self, shutdown: &CancellationToken) -> Result<(), Abandoned> {
        shutdown.run_until_cancelled(sleep(LOOK_INTERVAL)).await.ok_or(Abandoned::ShuttingDown)?;
        if !self.is_due() {
            return Ok(());
        }
        let asked: Vec<SaleId> = self.sales.lock().iter().copied().collect();
        let locked = shutdown.run_until_cancelled(self.store.locked_sales(&asked)).await;
        match locked.ok_or(Abandoned::ShuttingDown)? {
            Ok(locked) => {
                let free: Vec<SaleId> = asked.iter().copied().filter(|sale| !locked.contains(sale)).collect();
                if !free.is_empty() {
                    info!(sales = ?free, "rows of sales are no longer locked");
                    self.sales.lock().retain(|sale| !free.contains(sale));
                }
                self.tell();
            }
            Err(fault) => warn!(error = %fault, "checking locked sales failed; retrying"),
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let mut looked_at = self.looked_at.lock();
        let is_due = looked_at.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL);
        if is_due {
            *looked_at = Some(Instant::now());
        }
        is_due
    }

    fn tell(&self) {
        gauge!("flashgate_worker_blocked_sales").set(float(self.sales.lock().len()));
        gauge!("flashgate_worker_parked_orders").set(float(self.orders()));
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.blocked.orders.fetch_sub(self.orders, Ordering::AcqRel);
        self.blocked.tell();
    }
}

//! Brings sales from the order store into the ledger, each exactly once, whichever gateway is first.
//!
//! 1. `prepare`: stores the sale in the ledger, not sellable, unless it exists.
//! 2. The order store registers the preheat. From here on, a missing sale was lost.
//! 3. `activate`: the sale becomes sellable. A missing sale stays missing, and is paused.
//!
//! A gateway can die between any two steps: another one does the rest, and each step is idempotent.
//!
//! Sales are independent. Reading them never waits for the ledger, so a closed sale ends here at the next reading
//! whatever else fails; and a failing sale is logged, counted and retried at each reading, while the others continue.

mod failing;
mod sale;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::{Sale, SaleId, SaleState, id::ShardCount};
use flashgate_ledger::{LedgerError, SaleLifecycle};
use flashgate_messaging::Subscription;
use flashgate_service::throttle::LogThrottle;
use futures::{StreamExt, stream};
use metrics::counter;
use thiserror::Error;
use tokio::{
    sync::Notify,
    task::{self, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    readiness::{Degraded, Readiness},
    sales::{
        catalogue::Catalogue,
        preheat::{failing::Failing, sale::Steps},
        registry::{Registry, RegistryError},
    },
};

/// Maximum sale events of one poll.
const EVENTS_MAX: usize = 64;
/// Timeout of one poll for sale events.
const EVENTS_WAIT: Duration = Duration::from_secs(10);
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How long the start waits for the sales. Sales that take longer count as not ready meanwhile.
const START_WAIT: Duration = Duration::from_secs(5);
/// Maximum concurrent look-ups of sales.
const LOOK_UPS_MAX: usize = 16;
/// The states that a gateway reads once: every sale that buyers may ask for.
const KNOWN: [SaleState; 3] = [SaleState::Preheating, SaleState::Preheated, SaleState::Closed];
/// The states that a gateway reads at each refresh: few sales, however many were closed over the years.
const LIVE: [SaleState; 2] = [SaleState::Preheating, SaleState::Preheated];

/// A sale could not be brought up to date.
#[derive(Debug, Error)]
pub enum PreheatError {
    /// The order worker failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl PreheatError {
    /// The stable name, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Registry(fault) => fault.code(),
            Self::Ledger(fault) => fault.code(),
        }
    }
}

/// The result of one reading of the sales.
struct Reading {
    /// The sales with pending work in the ledger.
    due: Vec<Sale>,
    /// The sales that the order worker did not return in a readable form.
    unread: Vec<(u64, RegistryError)>,
}

/// Keeps the catalogue and the ledger in step with the order store.
pub struct Preheat {
    registry: Arc<dyn Registry>,
    catalogue: Arc<Catalogue>,
    steps: Arc<Steps>,
    told: LogThrottle,
}

impl Preheat {
    /// Reads from `registry`, writes to `ledger`, which has `shards` shards, and to `catalogue`.
    pub fn new(
        ledger: Arc<dyn SaleLifecycle>,
        shards: ShardCount,
        registry: Arc<dyn Registry>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        let steps = Steps::new(ledger, shards, Arc::clone(&registry), Arc::clone(&catalogue));
        Self { registry, catalogue, steps: Arc::new(steps), told: LogThrottle::default() }
    }

    /// Reads every sale that buyers may ask for, and does the pending steps of each; waits at most some seconds for
    /// the ledger. The next reading does the rest.
    ///
    /// # Errors
    /// The sales could not be read.
    pub async fn start(&self) -> Result<(), RegistryError> {
        let Reading { due, unread } = self.read(&KNOWN).await?;
        for (sale, fault) in unread {
            warn!(sale_id = sale, code = fault.code(), error = %fault, "reading a sale failed");
        }
        if timeout(START_WAIT, self.attempt(due)).await.is_err() {
            warn!("some sales are not in the ledger yet; retrying");
        }
        Ok(())
    }

    /// Reads every live sale and does its pending steps; returns the sales that failed, with their errors.
    ///
    /// # Errors
    /// The sales could not be read.
    pub async fn refresh(&self) -> Result<Vec<(SaleId, PreheatError)>, RegistryError> {
        let due = self.read(&LIVE).await?.due;
        Ok(self.attempt(due).await)
    }

    /// Reads the sales at each of `events`, and every `period`, until `shutdown`.
    pub async fn run(
        self,
        events: Box<dyn Subscription>,
        period: Duration,
        readiness: Arc<Readiness>,
        shutdown: CancellationToken,
    ) {
        let news = Notify::new();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = hear(events, &news) => {}
            () = self.keep_up(period, &news, &readiness) => {}
        }
    }

    async fn keep_up(&self, period: Duration, news: &Notify, readiness: &Readiness) {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut updates = Updates::default();
        let mut failing = Failing::default();
        loop {
            tokio::select! {
                biased;
                Some((sale, result)) = updates.next() => {
                    failing.note(sale.get(), result.err());
                    readiness.set_degraded(Degraded::Sales, failing.any());
                    continue;
                }
                _ = ticks.tick() => {}
                () = news.notified() => ticks.reset(),
            }
            let read = self.read(&LIVE).await;
            readiness.set_degraded(Degraded::Worker, read.is_err());
            match read {
                Ok(Reading { due, unread }) => {
                    failing.keep(|sale| {
                        updates.are_running_for(sale)
                            || due.iter().any(|due| due.id.get() == sale)
                            || unread.iter().any(|(unread, _fault)| *unread == sale)
                    });
                    for (sale, fault) in unread {
                        failing.note(sale, Some(fault.into()));
                    }
                    readiness.set_degraded(Degraded::Sales, failing.any());
                    due.into_iter().for_each(|sale| updates.start(&self.steps, sale));
                }
                Err(fault) => {
                    counter!("flashgate_gateway_preheat_failures_total", "kind" => "list").increment(1);
                    if let Some(suppressed) = self.told.admit() {
                        warn!(code = fault.code(), error = %fault, suppressed, "reading the sales failed; retrying");
                    }
                }
            }
        }
    }

    /// Reads the sales in `states`, and the known live sales that were not listed: they were closed. New sales are in
    /// the catalogue when this returns.
    async fn read(&self, states: &[SaleState]) -> Result<Reading, RegistryError> {
        let listed = self.registry.sales(states).await?;
        let (mut sales, mut unread) = (listed.sales, listed.unreadable);
        let seen: HashSet<u64> =
            sales.iter().map(|sale| sale.id.get()).chain(unread.iter().map(|(sale, _fault)| *sale)).collect();
        // The listed sales count before the look-ups, which may take long.
        sales.iter().for_each(|sale| self.steps.take_in(sale));
        let known = self.catalogue.all().into_iter().map(|entry| (entry.sale.id, entry.sale.state));
        let missed = known.filter(|(sale, state)| LIVE.contains(state) && !seen.contains(&sale.get()));
        let looked = stream::iter(missed.map(|(sale, _state)| sale).collect::<Vec<_>>())
            .map(|sale| async move { (sale, self.registry.sale(sale).await) })
            .buffer_unordered(LOOK_UPS_MAX)
            .collect::<Vec<_>>();
        for (id, found) in looked.await {
            match found {
                Ok(Some(sale)) => {
                    self.steps.take_in(&sale);
                    sales.push(sale);
                }
                Ok(None) => debug!(sale_id = %id, "sale not found in the order store"),
                Err(fault) => unread.push((id.get(), fault)),
            }
        }
        // Closed sales come from the catalogue: the ledger may have lost a close of long ago.
        let live = sales.into_iter().filter(|sale| sale.state != SaleState::Closed);
        let mut due: Vec<Sale> = live.filter(|sale| self.steps.is_due(sale)).collect();
        let closed = self.catalogue.all().into_iter().filter(|entry| entry.sale.state == SaleState::Closed);
        due.extend(closed.map(|entry| entry.sale.clone()).filter(|sale| self.steps.is_due(sale)));
        Ok(Reading { due, unread })
    }

    async fn attempt(&self, due: Vec<Sale>) -> Vec<(SaleId, PreheatError)> {
        let attempts = stream::iter(due).map(|sale| async move {
            let id = sale.id;
            self.steps.bring_up_to_date(sale).await.err().map(|fault| (id, fault))
        });
        // Each shard limits its sales; here no sale may block a sale of another shard.
        let failed = attempts.buffer_unordered(usize::MAX).filter_map(async |failed| failed);
        failed.inspect(|(sale, fault)| failing::tell(sale.get(), fault, 0)).collect().await
    }
}

/// Notifies `news` at each poll with sale events, without end.
async fn hear(mut events: Box<dyn Subscription>, news: &Notify) {
    loop {
        match events.poll(EVENTS_MAX, EVENTS_WAIT).await {
            Ok(heard) if heard.is_empty() => continue,
            Ok(_heard) => news.notify_one(),
            Err(fault) => {
                debug!(code = fault.code(), error = %fault, "polling sale events failed; sales are refreshed by interval");
                sleep(RETRY_PAUSE).await;
                continue;
            }
        }
        if let Err(fault) = events.commit(&events.position()).await {
            debug!(code = fault.code(), error = %fault, "offset commit failed; sale events will be redelivered");
        }
    }
}

/// The sales that are being brought up to date, each in a task of its own.
#[derive(Default)]
struct Updates {
    tasks: JoinSet<Result<(), PreheatError>>,
    sales: HashMap<task::Id, SaleId>,
    running: HashSet<u64>,
}

impl Updates {
    /// Starts a task for the sale, unless it has one: the next reading finds the sale due again if work is left.
    fn start(&mut self, steps: &Arc<Steps>, sale: Sale) {
        let (id, steps) = (sale.id, Arc::clone(steps));
        if self.running.insert(id.get()) {
            let task = self.tasks.spawn(async move { steps.bring_up_to_date(sale).await });
            self.sales.insert(task.id(), id);
        }
    }

    fn are_running_for(&self, sale: u64) -> bool {
        self.running.contains(&sale)
    }

    /// The next sale whose task ended; `None` if no task runs.
    async fn next(&mut self) -> Option<(SaleId, Result<(), PreheatError>)> {
        loop {
            let joined = self.tasks.join_next_with_id().await?;
            let task = joined.as_ref().map_or_else(JoinError::id, |(task, _result)| *task);
            let Some(sale) = self.sales.remove(&task) else { continue };
            self.running.remove(&sale.get());
            match joined {
                Ok((_task, result)) => return Some((sale, result)),
                Err(panicked) => {
                    error!(sale_id = %sale, error = %panicked, "sale refresh panicked; retrying")
                }
            }
        }
    }
}

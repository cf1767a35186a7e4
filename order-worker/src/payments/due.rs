//! Work that is due at some time: claims it, and does it with a bounded concurrency.
//!
//! A claim makes the work due again after a lease that is longer than the work takes: work that a worker leaves behind,
//! whatever happens to that worker, is claimed again. So every piece of work may be done twice, and is idempotent.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{Clock, Timestamp};
use flashgate_order_store::{OrderStore, PAYMENT_PAGE_MAX, StoreError};
use flashgate_service::throttle::LogThrottle;
use futures::{StreamExt, stream::FuturesUnordered};
use metrics::Gauge;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{calls::Calls, recorder::Recorder};

/// Maximum work of one kind at the same time. A provider that answers in 100 ms serves 160 pieces a second; one that is
/// frozen holds the task for no longer than the timeout of a call.
const CONCURRENT_MAX: u32 = 16;
/// Interval between looks for due work.
const INTERVAL: Duration = Duration::from_secs(1);
/// Grace period for work in process at shutdown. What is not done by then is claimed again.
const GRACE: Duration = Duration::from_secs(2);

/// What the work depends on.
#[derive(Clone)]
pub(super) struct Dependencies {
    pub(super) store: Arc<dyn OrderStore>,
    pub(super) calls: Arc<Calls>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) clock: Arc<dyn Clock>,
    /// How long work is claimed for.
    pub(super) lease: Duration,
}

/// Work that this process has claimed.
pub(super) struct Claimed<T> {
    pub(super) item: T,
    /// When it is due again.
    pub(super) again_at: Timestamp,
}

/// The pages of an order store are longer than a claim.
const _: () = assert!(CONCURRENT_MAX < PAYMENT_PAGE_MAX, "a claim is one page");

/// Work of one kind.
#[async_trait]
pub(super) trait DueWork: Send + Sync + 'static {
    /// A piece of it.
    type Item: Send + 'static;

    /// What it is, for the log.
    const WHAT: &'static str;

    /// The gauge of the time by which the first piece is overdue.
    fn overdue() -> Gauge;

    /// What it depends on.
    fn by(&self) -> &Dependencies;

    /// Limits the lines of the log.
    fn throttle(&self) -> &LogThrottle;

    /// When the first piece is due, if it is until `now`.
    async fn first_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Claims at most `size` pieces that are due until `now`; each is due again at `again_at`.
    async fn claim(
        &self,
        now: Timestamp,
        again_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Self::Item>, StoreError>;

    /// Does a piece, and logs its failure.
    async fn work(&self, claimed: Claimed<Self::Item>);
}

/// Claims work and does it, until `shutdown`.
pub(super) async fn keep_up<W: DueWork>(work: W, shutdown: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = FuturesUnordered::new();
    let mut is_more_due = false;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _now = ticks.tick() => {}
            Some(()) = running.next() => {
                if !is_more_due {
                    continue;
                }
            }
        }
        let free = CONCURRENT_MAX.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
        if free == 0 {
            continue;
        }
        let claimed = claim(&work, free).await.unwrap_or_else(|fault| {
            if let Some(suppressed) = work.throttle().admit() {
                warn!(error = %fault, what = W::WHAT, suppressed, "claiming due work failed; retrying");
            }
            Vec::new()
        });
        is_more_due = u32::try_from(claimed.len()).is_ok_and(|claimed| claimed >= free);
        running.extend(claimed.into_iter().map(|claimed| work.work(claimed)));
    }
    let rest = async { while running.next().await.is_some() {} };
    // What does not end in time is dropped, and claimed again.
    let _ended = timeout(GRACE, rest).await;
}

/// Claims at most `size` pieces, and measures by how much the first is overdue.
async fn claim<W: DueWork>(work: &W, size: u32) -> Result<Vec<Claimed<W::Item>>, StoreError> {
    let now = work.by().clock.now();
    let first = work.first_due(now).await?;
    let overdue = first.map_or(0.0, |at| now.saturating_since(at).as_secs_f64());
    W::overdue().set(overdue);
    if first.is_none() {
        return Ok(Vec::new());
    }
    let again_at = now.saturating_add(work.by().lease);
    let items = work.claim(now, again_at, size).await?;
    Ok(items.into_iter().map(|item| Claimed { item, again_at }).collect())
}

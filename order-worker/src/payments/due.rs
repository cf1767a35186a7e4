//! Work that is due at some time: claims it, and does it with a bounded concurrency.
//!
//! A claim makes the work due again after a lease that is longer than the work takes: work that a worker leaves behind,
//! whatever happens to that worker, is claimed again. So every piece of work may be done twice, and is idempotent.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Clock, Timestamp};
use flashgate_order_store::{OrderStore, StoreError};
use flashgate_service::throttle::LogThrottle;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{calls::Calls, recorder::Recorder};

/// Maximum work of one kind at the same time. A provider that answers in 100 ms serves 160 pieces a second; one that is
/// frozen holds the task for no longer than the timeout of a call.
const CONCURRENT_MAX: usize = 16;
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
const _: () = assert!(CONCURRENT_MAX < 256, "PAYMENT_PAGE_MAX");

/// Claims work and does it, until `shutdown`. `claim` returns at most as many pieces as it is asked for.
pub(super) async fn keep_up<T, C, W>(
    claim: impl Fn(u32) -> C,
    work: impl Fn(T) -> W,
    shutdown: CancellationToken,
) where
    C: Future<Output = Vec<T>>,
    W: Future<Output = ()>,
{
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
        let free = CONCURRENT_MAX.saturating_sub(running.len());
        let claimed = match u32::try_from(free) {
            Ok(size) if size > 0 => claim(size).await,
            Ok(_) | Err(_) => continue,
        };
        is_more_due = claimed.len() >= free;
        running.extend(claimed.into_iter().map(&work));
    }
    let rest = async { while running.next().await.is_some() {} };
    // What does not end in time is dropped, and claimed again.
    let _ended = timeout(GRACE, rest).await;
}

/// The result of a claim; none after a failure, which is logged.
pub(super) fn claimed<T>(
    result: Result<Vec<Claimed<T>>, StoreError>,
    throttle: &LogThrottle,
    what: &'static str,
) -> Vec<Claimed<T>> {
    result.unwrap_or_else(|fault| {
        if let Some(suppressed) = throttle.admit() {
            warn!(error = %fault, what, suppressed, "claiming due work failed; retrying");
        }
        Vec::new()
    })
}

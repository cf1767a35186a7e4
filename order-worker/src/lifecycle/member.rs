//! A member of a consumer group whose messages ask for something that may be done twice: joins, polls, has each page done,
//! and commits.

use std::time::Duration;

use async_trait::async_trait;
use flashgate_messaging::{BusError, Delivery, Join, Subscription};
use flashgate_service::throttle::LogThrottle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Timeout of one poll.
const POLL_WAIT: Duration = Duration::from_millis(500);
/// The pause after a failure.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// What the messages ask for.
#[async_trait]
pub(super) trait Work: Sync {
    /// What the messages are, for the log.
    const WHAT: &'static str;
    /// Maximum messages of one poll.
    const PAGE_MAX: usize;

    /// Limits the lines of the log.
    fn throttle(&self) -> &LogThrottle;

    /// Does what these messages ask for, and returns whether it is done: the shutdown may come first.
    async fn work(&self, deliveries: Vec<Delivery>, shutdown: &CancellationToken) -> bool;
}

/// Works in a group, which `join` joins, until `shutdown`. Offsets are committed only after the work is done.
pub(super) async fn keep_working<W: Work>(work: &W, join: Join, shutdown: &CancellationToken) {
    loop {
        // A call that is dropped leaves the group by itself.
        let Some(joined) = shutdown.run_until_cancelled(join()).await else { return };
        match joined {
            Ok(mut messages) => {
                take(work, &mut *messages, shutdown).await;
                messages.leave().await;
                return;
            }
            Err(fault) => note(work, &fault, "joining the group failed; retrying"),
        }
        if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
            return;
        }
    }
}

async fn take<W: Work>(work: &W, messages: &mut dyn Subscription, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let deliveries = match messages.poll(W::PAGE_MAX, POLL_WAIT).await {
            Ok(deliveries) => deliveries,
            Err(fault) => {
                note(work, &fault, "polling failed; retrying");
                sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        if deliveries.is_empty() {
            continue;
        }
        if !work.work(deliveries, shutdown).await {
            return;
        }
        if let Err(fault) = messages.commit(&messages.position()).await {
            note(work, &fault, "committing offsets failed; the messages will be redelivered");
        }
    }
}

fn note<W: Work>(work: &W, fault: &BusError, what: &'static str) {
    if let Some(suppressed) = work.throttle().admit() {
        warn!(messages = W::WHAT, code = fault.code(), error = %fault, suppressed, "{what}");
    }
}

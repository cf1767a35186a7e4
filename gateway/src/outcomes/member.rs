//! A member of a group of gateways that applies the messages of a topic to the ledger: each goes to one gateway.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{BatchId, LedgerId};
use flashgate_messaging::{Delivery, Join, Subscription};
use flashgate_proto::body::BodyError;
use flashgate_service::{shutdown::waiting_for, throttle::LogThrottle};
use futures::{StreamExt, stream};
use metrics::counter;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{outcomes::lag::Counted, sales::belonging::Belonging};

/// Maximum messages of one poll.
const MESSAGES_MAX: usize = 32;
/// Timeout of one poll.
const POLL_WAIT: Duration = Duration::from_millis(500);
/// Maximum items that are applied concurrently.
const APPLYING_MAX: usize = 8;
/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Pause before the group is rejoined after messages of another ledger.
const STRANGERS_PAUSE: Duration = Duration::from_secs(5);

/// What a group does with its messages.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// A part of a message that is applied by itself.
    type Item: Send + Sync;

    /// The kind of its messages, in metrics and logs.
    const KIND: &'static str;

    /// The items in a message, and the ledger that they are for.
    fn decode(&self, delivery: Delivery) -> Result<(Option<LedgerId>, Vec<Self::Item>), BodyError>;

    /// Applies an item, `waited` after the first attempt; or gives it up, which it logs and counts.
    async fn attempt(&self, item: &Self::Item, waited: Duration) -> Result<(), NotDone>;
}

/// An item could not be applied, and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDone {
    /// The stable name of the cause, for logs.
    pub code: &'static str,
    /// The cause.
    pub error: String,
    /// The batch of the item.
    pub batch: BatchId,
}

/// A member of the group that does `W`.
pub struct Member<W> {
    work: W,
    belonging: Arc<Belonging>,
    throttle: LogThrottle,
}

/// Why a membership of the group ended.
enum Ended {
    /// The process is shutting down.
    Leaving,
    /// Messages of another ledger came, or this ledger and the order store do not belong together.
    Foreign,
}

/// A decoded message.
struct Decoded<I> {
    ledger: Option<LedgerId>,
    items: Vec<I>,
}

impl<W: Work> Member<W> {
    /// Does `work` for the ledger of `belonging`.
    pub fn new(work: W, belonging: Arc<Belonging>) -> Self {
        Self { work, belonging, throttle: LogThrottle::default() }
    }

    /// Applies the messages of the group until `shutdown`. A gateway that gets messages of another ledger applies none
    /// of them: it leaves the group, and rejoins later to see whether they have stopped.
    pub async fn run(self, join: Join, shutdown: CancellationToken) {
        loop {
            // Runs to its end, also at shutdown: then the gateway leaves the group in order.
            let ended = match join().await {
                Ok(messages) => {
                    let (mut messages, lag) = Counted::share(messages);
                    let ended = tokio::select! {
                        biased;
                        ended = self.take(&mut messages, &shutdown) => ended,
                        () = lag.watch(W::KIND) => Ended::Leaving,
                    };
                    let waiting = waiting_for("the broker to forget a member of a group");
                    messages.leave().await;
                    drop(waiting);
                    ended
                }
                Err(fault) => {
                    warn!(kind = W::KIND, code = fault.code(), error = %fault, "joining the group failed; retrying");
                    if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                        return;
                    }
                    continue;
                }
            };
            match ended {
                Ended::Leaving => return,
                Ended::Foreign => {
                    if shutdown.run_until_cancelled(sleep(STRANGERS_PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Offsets are committed only after everything before them is applied.
    async fn take(&self, messages: &mut Counted, shutdown: &CancellationToken) -> Ended {
        while !shutdown.is_cancelled() {
            if self.belonging.is_estranged() {
                return Ended::Foreign;
            }
            let deliveries = match messages.poll(MESSAGES_MAX, POLL_WAIT).await {
                Ok(deliveries) => deliveries,
                Err(fault) => {
                    warn!(kind = W::KIND, code = fault.code(), error = %fault, "polling failed; retrying");
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
            };
            if deliveries.is_empty() {
                continue;
            }
            let (ours, foreign): (Vec<_>, Vec<_>) = deliveries
                .into_iter()
                .filter_map(|delivery| self.decode(delivery))
                .partition(|decoded| self.belonging.is_ours(decoded.ledger));
            self.belonging.note_messages(foreign.is_empty());
            let items = ours.into_iter().flat_map(|decoded| decoded.items);
            let applying = stream::iter(items).map(|item| self.apply(item, shutdown));
            let all_applied =
                applying.buffer_unordered(APPLYING_MAX).all(|applied| async move { applied }).await;
            if !all_applied {
                // Shutdown while the ledger is down: without an offset commit, the next gateway gets the messages
                // again.
                return Ended::Leaving;
            }
            if let Some(Decoded { ledger, .. }) = foreign.first() {
                let (of, ours) =
                    (ledger.map(|id| id.to_string()), self.belonging.ledger().map(|id| id.to_string()));
                error!(kind = W::KIND, of, ledger = ours, "messages of another ledger; left to its gateways");
                counter!("flashgate_gateway_foreign_messages_total", "kind" => W::KIND).increment(1);
                return Ended::Foreign;
            }
            if let Err(fault) = messages.commit(&messages.position()).await {
                warn!(kind = W::KIND, code = fault.code(), error = %fault, "offset commit failed; messages will be redelivered");
            }
        }
        Ended::Leaving
    }

    /// An unreadable message is counted and skipped: it stays on the topic.
    fn decode(&self, delivery: Delivery) -> Option<Decoded<W::Item>> {
        let (key, offset) = (delivery.key.clone(), delivery.offset);
        match self.work.decode(delivery) {
            Ok((ledger, items)) => Some(Decoded { ledger, items }),
            Err(wrong) => {
                error!(kind = W::KIND, key, offset, error = %wrong, "cannot decode a message");
                counter!("flashgate_gateway_messages_unreadable_total", "kind" => W::KIND).increment(1);
                None
            }
        }
    }

    /// Retries until it is applied, or given up by its work; `false` if shutdown began first.
    async fn apply(&self, item: W::Item, shutdown: &CancellationToken) -> bool {
        let began_at = Instant::now();
        loop {
            let Err(NotDone { code, error, batch }) = self.work.attempt(&item, began_at.elapsed()).await
            else {
                return true;
            };
            if let Some(suppressed) = self.throttle.admit() {
                warn!(
                    kind = W::KIND,
                    batch_id = %batch, code, error, suppressed, "the ledger did not take a message; retrying"
                );
            }
            if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                return false;
            }
        }
    }
}

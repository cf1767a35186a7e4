//! The broker's timers of payment deadlines: a delayed message for each chunk of orders.
//!
//! A timer is a hint and never more: the order store decides what is due. So a lost timer costs time, until the next sweep;
//! a doubled or an early one costs a query; and one of another deployment does nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, Clock, Decision, OrderId, SaleId, Timestamp};
use flashgate_messaging::{Delivery, Join, Message, Publisher, Topic};
use flashgate_order_store::{OrderStore, PaymentDeadline, StoreError};
use flashgate_proto::timer::{TIMER_BATCHES_MAX, Timer, decode_timer, encode_timer};
use flashgate_service::throttle::LogThrottle;
use metrics::counter;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    deadlines::Deadlines,
    member::{RETRY_PAUSE, Work, keep_working},
};

/// Chunks whose timers wait in memory; the sweep cancels what does not fit.
const CHUNKS_WAITING_MAX: usize = 256;
/// Maximum delay of a message. Brokers refuse more than three days and proxies more than one: a later deadline is reached
/// in several hops.
const HOP_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Takes the chunks that this process has placed.
#[derive(Clone, Debug)]
pub struct TimerSender(mpsc::Sender<Chunk>);

/// The batches of a chunk with their sales, and when their orders were placed.
#[derive(Debug)]
struct Chunk {
    placed_at: Timestamp,
    batches: Vec<(OrderId, Vec<SaleId>)>,
}

impl TimerSender {
    /// Hands over what was placed at `placed_at`. Never waits: the sweep cancels what does not fit.
    ///
    /// A batch that was placed earlier has another deadline than `placed_at` tells, and a timer that finds nothing: only
    /// the sweep cancels its orders if the worker that placed it did not get as far as its timer.
    pub fn send(&self, placed_at: Timestamp, outcomes: &[BatchOutcome]) {
        let batches = outcomes.iter().map(|outcome| (outcome.batch.base(), sales(outcome)));
        let batches: Vec<_> = batches.filter(|(_base, sales)| !sales.is_empty()).collect();
        if !batches.is_empty() {
            let _left_to_the_sweep = self.0.try_send(Chunk { placed_at, batches });
        }
    }
}

/// The sales of the confirmed orders of a batch.
fn sales(outcome: &BatchOutcome) -> Vec<SaleId> {
    let confirmed = outcome.orders.iter().filter(|order| order.decision == Decision::Confirmed);
    let mut sales: Vec<SaleId> = confirmed.map(|order| order.intent.sale()).collect();
    sales.sort_unstable();
    sales.dedup();
    sales
}

/// Sends the timers of placed chunks.
pub struct Timers {
    store: Arc<dyn OrderStore>,
    outlet: Arc<Outlet>,
    waiting: mpsc::Receiver<Chunk>,
    /// The time to pay of each sale, which never changes; `None` if it has no payment deadline.
    terms: HashMap<SaleId, Option<Duration>>,
}

/// Publishes timers.
pub(super) struct Outlet {
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) topic: Topic,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) throttle: LogThrottle,
}

impl Timers {
    pub(super) fn new(store: Arc<dyn OrderStore>, outlet: Arc<Outlet>) -> (TimerSender, Self) {
        let (sender, waiting) = mpsc::channel(CHUNKS_WAITING_MAX);
        (TimerSender(sender), Self { store, outlet, waiting, terms: HashMap::new() })
    }

    /// Sends the timers of chunks until `done`, then those at hand, as long as the broker takes them.
    pub async fn run(mut self, done: CancellationToken) {
        while let Some(Some(chunk)) = done.run_until_cancelled(self.waiting.recv()).await {
            self.arm(chunk).await;
        }
        self.waiting.close();
        while let Some(chunk) = self.waiting.recv().await {
            if !self.arm(chunk).await {
                return;
            }
        }
    }

    /// Sends a timer for each time at which orders of the chunk are due. Returns whether all were sent.
    async fn arm(&mut self, chunk: Chunk) -> bool {
        let mut timers: BTreeMap<Timestamp, Vec<OrderId>> = BTreeMap::new();
        for (base, sales) in chunk.batches {
            for sale in sales {
                let pay_within = match self.pay_within(sale).await {
                    Ok(pay_within) => pay_within,
                    Err(fault) => {
                        if let Some(suppressed) = self.outlet.throttle.admit() {
                            warn!(sale_id = %sale, error = %fault, suppressed, "payment timers not armed; a sweep cancels unpaid orders");
                        }
                        return false;
                    }
                };
                let Some(pay_within) = pay_within else { continue };
                let batches = timers.entry(chunk.placed_at.saturating_add(pay_within)).or_default();
                if batches.last() != Some(&base) {
                    batches.push(base);
                }
            }
        }
        for (due_at, batches) in timers {
            for batches in batches.chunks(TIMER_BATCHES_MAX) {
                if !self.outlet.publish(Timer { due_at, batches: batches.to_vec() }).await {
                    return false;
                }
            }
        }
        true
    }

    async fn pay_within(&mut self, sale: SaleId) -> Result<Option<Duration>, StoreError> {
        if let Some(known) = self.terms.get(&sale) {
            return Ok(*known);
        }
        let pay_within = self.store.sale(sale).await?.and_then(|sale| sale.draft.pay_within());
        self.terms.insert(sale, pay_within);
        Ok(pay_within)
    }
}

impl Outlet {
    /// Publishes a timer, once: a sweep does what a lost one would do. Returns whether the broker has it.
    async fn publish(&self, timer: Timer) -> bool {
        let Some(key) = timer.batches.first().map(OrderId::to_string) else { return true };
        let delay = timer.due_at.saturating_since(self.clock.now()).clamp(Duration::from_millis(1), HOP_MAX);
        let message = Message::new(self.topic.clone(), key, encode_timer(&timer));
        let published = self.publisher.publish(Message { deliver_after: Some(delay), ..message }).await;
        if let Err(fault) = &published {
            counter!("flashgate_worker_publish_faults_total", "kind" => "timers", "code" => fault.code())
                .increment(1);
            if let Some(suppressed) = self.throttle.admit() {
                warn!(error = %fault, suppressed, "payment timer not armed; a sweep cancels unpaid orders");
            }
        }
        published.is_ok()
    }
}

/// Cancels the orders whose timers have run out.
pub struct TimerConsumer {
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) outlet: Arc<Outlet>,
}

impl TimerConsumer {
    /// Takes timers in a group, which `join` joins, until `shutdown`.
    pub async fn run(self, join: Join, shutdown: CancellationToken) {
        keep_working(&self, join, &shutdown).await;
    }

    /// The deadlines of the timers that have run out. The others are armed again: the clock of the broker may be ahead, or
    /// there is another hop to go.
    async fn due(&self, deliveries: Vec<Delivery>) -> Vec<PaymentDeadline> {
        let mut due = Vec::new();
        for Delivery { key, offset, body, .. } in deliveries {
            match decode_timer(body) {
                Ok(timer) if timer.due_at > self.outlet.clock.now() => {
                    self.outlet.publish(timer).await;
                }
                Ok(Timer { due_at: at, batches }) => {
                    due.extend(batches.into_iter().map(|first_order| PaymentDeadline { at, first_order }));
                }
                Err(wrong) => {
                    error!(key, offset, error = %wrong, "cannot decode a payment timer; a sweep cancels unpaid orders");
                }
            }
        }
        due
    }
}

#[async_trait]
impl Work for TimerConsumer {
    const WHAT: &'static str = "payment timers";
    const PAGE_MAX: usize = 32;

    fn throttle(&self) -> &LogThrottle {
        &self.outlet.throttle
    }

    async fn work(&self, deliveries: Vec<Delivery>, shutdown: &CancellationToken) -> bool {
        let due = self.due(deliveries).await;
        while let Err(fault) = self.deadlines.expire(&due, "timer").await {
            if let Some(suppressed) = self.outlet.throttle.admit() {
                warn!(error = %fault, suppressed, "cancelling unpaid orders failed; retrying");
            }
            if shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await.is_none() {
                return false;
            }
        }
        true
    }
}

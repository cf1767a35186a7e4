//! The queue of one shard: waiting intents, and intents that wait for the verdict on an earlier intent of their key.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use flashgate_domain::{Intent, KeyDigest, Quantity, Refusal, SaleId, TraceContext, Verdict};
use flashgate_ledger::IntentResult;
use metrics::{Histogram, histogram};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::config::BatcherConfig;

/// An intent without a verdict, and the ticket for its verdict.
#[derive(Debug)]
pub struct Pending {
    /// The intent.
    pub intent: Intent,
    /// The recipient of its verdict.
    pub ticket: Ticket,
}

/// The recipient of the verdict on an intent.
#[derive(Debug)]
pub struct Ticket {
    key: (SaleId, KeyDigest),
    quantity: Quantity,
    trace: Option<Box<TraceContext>>,
    queued_at: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Verdict>,
}

impl Pending {
    /// A pending `intent`, refused if no batch has taken it by `deadline`; and the receiver of its verdict.
    pub fn new(
        intent: Intent,
        trace: Option<Box<TraceContext>>,
        deadline: Instant,
    ) -> (Self, oneshot::Receiver<Verdict>) {
        let (reply, verdict) = oneshot::channel();
        // A digest covers buyer and key; a shard holds many sales, and the same key in another sale is another
        // purchase.
        let key = (intent.sale(), intent.key_digest());
        let (quantity, queued_at) = (intent.quantity(), Instant::now());
        (Self { intent, ticket: Ticket { key, quantity, trace, queued_at, deadline, reply } }, verdict)
    }
}

/// Intents that are processed together, each with its ticket at the same index.
#[derive(Debug, Default)]
pub struct Group {
    /// The intents.
    pub intents: Vec<Intent>,
    tickets: Vec<Ticket>,
}

impl Group {
    /// The latest deadline; `None` without intents.
    pub fn deadline(&self) -> Option<Instant> {
        self.tickets.iter().map(|ticket| ticket.deadline).max()
    }

    /// The trace context of the first intent that has one, for the message of the whole batch.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.tickets.iter().find_map(|ticket| ticket.trace.as_deref())
    }

    /// Puts back the intents after a batch returned them.
    pub fn with_intents(self, intents: Vec<Intent>) -> Self {
        debug_assert_eq!(intents.len(), self.tickets.len(), "a batch gives back what it took");
        Self { intents, ..self }
    }

    /// Keeps the intents that passed and returns the rest with their answers.
    pub fn keep_passing(&mut self, answers: &[IntentResult]) -> Vec<(Pending, IntentResult)> {
        let all = std::mem::take(self);
        let mut rest = Vec::new();
        for ((intent, ticket), answer) in all.intents.into_iter().zip(all.tickets).zip(answers) {
            if *answer == IntentResult::Pass {
                self.push(Pending { intent, ticket });
            } else {
                rest.push((Pending { intent, ticket }, *answer));
            }
        }
        rest
    }

    /// The tickets, for the verdicts on all intents.
    pub fn into_tickets(self) -> Vec<Ticket> {
        self.tickets
    }

    /// Whether the intents are of more than one sale.
    pub fn has_several_sales(&self) -> bool {
        self.intents.windows(2).any(|pair| matches!(pair, [one, next] if one.sale() != next.sale()))
    }

    /// One group for each sale, in the order of this group.
    pub fn by_sale(self) -> impl Iterator<Item = Self> {
        let mut groups: BTreeMap<SaleId, Self> = BTreeMap::new();
        for (intent, ticket) in self.intents.into_iter().zip(self.tickets) {
            groups.entry(intent.sale()).or_default().push(Pending { intent, ticket });
        }
        groups.into_values()
    }

    /// Appends an intent.
    pub fn push(&mut self, pending: Pending) {
        self.intents.push(pending.intent);
        self.tickets.push(pending.ticket);
    }
}

/// The bounded queue of one shard.
pub struct ShardQueue {
    queue: AsyncMutex<mpsc::Receiver<Pending>>,
    waiting: Mutex<Waiting>,
    intents_max: usize,
    waiters_max: usize,
    shutdown: CancellationToken,
    wait: Histogram,
    size: Histogram,
}

#[derive(Default)]
struct Waiting {
    /// The keys that lanes are processing, each with the intents that arrived with the same key since.
    in_hand: HashMap<(SaleId, KeyDigest), Vec<Pending>>,
    /// Intents that differ from a refused intent with the same key: they are processed next.
    released: Vec<Pending>,
    /// A lane died: the queue takes no more intents.
    is_abandoned: bool,
}

/// Held by a lane while it works. Dropped before the work [is done](OnDuty::is_done), it abandons the queue.
pub struct OnDuty(Option<Arc<ShardQueue>>);

impl OnDuty {
    /// The lane ends because the queue is closed and empty.
    pub fn is_done(mut self) {
        self.0 = None;
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.abandon();
        }
    }
}

impl ShardQueue {
    /// An empty queue, and its sender. After `shutdown`, it takes no more intents and hands out the queued ones.
    pub fn new(config: &BatcherConfig, shutdown: CancellationToken) -> (mpsc::Sender<Pending>, Self) {
        let (sender, queue) = mpsc::channel(config.queue_intents_max.get());
        let queue = Self {
            queue: AsyncMutex::new(queue),
            waiting: Mutex::default(),
            intents_max: config.intents_in_batch(),
            waiters_max: config.waiters_per_key_max,
            shutdown,
            wait: histogram!("flashgate_gateway_queue_wait_seconds"),
            size: histogram!("flashgate_gateway_group_intents"),
        };
        (sender, queue)
    }

    /// All waiting intents, up to the batch limit, as soon as there is at least one; `None` when the queue is closed
    /// and empty. No key is in two groups at once: its second intent waits for the verdict on the first.
    pub async fn next_group(&self) -> Option<Group> {
        loop {
            let mut taken = std::mem::take(&mut self.waiting.lock().released);
            if taken.is_empty() && !self.take(&mut taken).await {
                return None;
            }
            let group = self.admit(taken);
            if !group.intents.is_empty() {
                self.size.record(u32::try_from(group.intents.len()).unwrap_or(u32::MAX));
                return Some(group);
            }
        }
    }

    /// Marks a lane as working on this queue.
    pub fn on_duty(self: &Arc<Self>) -> OnDuty {
        OnDuty(Some(Arc::clone(self)))
    }

    /// A lane died while it processed a group, so the verdicts on the group are lost. Intents that wait for the same
    /// keys get `Unknown`, as the group does; new intents are refused. The process shuts down.
    fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_abandoned = true;
        let twins = std::mem::take(&mut waiting.in_hand).into_values().flatten();
        for pending in twins.chain(std::mem::take(&mut waiting.released)) {
            pending.ticket.send(Verdict::Unknown);
        }
    }

    async fn take(&self, taken: &mut Vec<Pending>) -> bool {
        let mut queue = self.queue.lock().await;
        tokio::select! {
            biased;
            count = queue.recv_many(taken, self.intents_max) => return count > 0,
            () = self.shutdown.cancelled() => queue.close(),
        }
        queue.recv_many(taken, self.intents_max).await > 0
    }

    fn admit(&self, taken: Vec<Pending>) -> Group {
        let now = Instant::now();
        let mut group = Group::default();
        let mut waiting = self.waiting.lock();
        for pending in taken {
            if pending.ticket.deadline <= now {
                pending.ticket.send(Verdict::Refused(Refusal::Overloaded));
                continue;
            }
            if waiting.is_abandoned {
                pending.ticket.send(Verdict::Refused(Refusal::Draining));
                continue;
            }
            match waiting.in_hand.entry(pending.ticket.key) {
                Entry::Vacant(first) => {
                    first.insert(Vec::new());
                    self.wait.record(now - pending.ticket.queued_at);
                    group.push(pending);
                }
                Entry::Occupied(mut twins) if twins.get().len() < self.waiters_max => {
                    twins.get_mut().push(pending)
                }
                Entry::Occupied(_) => pending.ticket.send(Verdict::Refused(Refusal::Overloaded)),
            }
        }
        group
    }

    /// Sends the verdict to an intent of a group and to the intents that wait for its key.
    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        let twins = self.waiting.lock().in_hand.remove(&ticket.key).unwrap_or_default();
        for twin in twins {
            match (&verdict, twin.ticket.quantity == ticket.quantity) {
                (Verdict::Accepted(order) | Verdict::Replayed(order), true) => {
                    twin.ticket.send(Verdict::Replayed(*order));
                }
                (Verdict::Accepted(_) | Verdict::Replayed(_), false) => {
                    twin.ticket.send(Verdict::Refused(Refusal::KeyReused));
                }
                (Verdict::Refused(_) | Verdict::Unknown, true) => twin.ticket.send(verdict.clone()),
                (Verdict::Refused(_) | Verdict::Unknown, false) => self.waiting.lock().released.push(twin),
            }
        }
        ticket.send(verdict);
    }
}

impl Ticket {
    /// The buyer may have disconnected; nothing else depends on the verdict.
    fn send(self, verdict: Verdict) {
        drop(self.reply.send(verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashgate_domain::{BuyerId, IdempotencyKey};
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(20);

    fn pending(key: &str) -> (Pending, oneshot::Receiver<Verdict>) {
        let (buyer, key) = (BuyerId::new("buyer").unwrap(), IdempotencyKey::new(key).unwrap());
        let intent = Intent::new(SaleId::new(7).unwrap(), buyer, key, Quantity::new(1).unwrap());
        Pending::new(intent, None, Instant::now() + Duration::from_secs(60))
    }

    /// One intent that a lane is processing, and one with the same key that waits for its verdict.
    #[tokio::test]
    async fn when_a_lane_dies_what_it_had_in_hand_and_what_waits_for_that_are_answered() {
        let (sender, queue) = ShardQueue::new(&BatcherConfig::default(), CancellationToken::new());
        let queue = Arc::new(queue);
        let ((first, verdict), (twin, verdict_of_twin)) = (pending("one"), pending("one"));
        let dying = queue.on_duty();
        sender.send(first).await.unwrap();
        let group = queue.next_group().await.unwrap();
        sender.send(twin).await.unwrap();
        let other_lane = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next_group().await }
        });
        while queue.waiting.lock().in_hand.values().all(Vec::is_empty) {
            tokio::task::yield_now().await;
        }

        drop((dying, group));
        let first = timeout(SOON, verdict).await.unwrap();
        assert!(first.is_err(), "nobody is left to tell it, which the batcher takes for an unknown outcome");
        assert_eq!(timeout(SOON, verdict_of_twin).await.unwrap(), Ok(Verdict::Unknown));
        let (later, verdict) = pending("two");
        sender.send(later).await.unwrap();
        let refused = Ok(Verdict::Refused(Refusal::Draining));
        assert_eq!(timeout(SOON, verdict).await.unwrap(), refused, "the other lane takes nothing any more");
        other_lane.abort();
    }

    #[tokio::test]
    async fn a_lane_that_is_done_abandons_nothing() {
        let (sender, queue) = ShardQueue::new(&BatcherConfig::default(), CancellationToken::new());
        let queue = Arc::new(queue);
        queue.on_duty().is_done();
        let (intent, _verdict) = pending("one");
        sender.send(intent).await.unwrap();
        assert_eq!(queue.next_group().await.unwrap().intents.len(), 1);
    }
}

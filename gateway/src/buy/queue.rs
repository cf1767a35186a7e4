//! The queue of one shard: intents that wait, and who waits for whom.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use flashgate_domain::{Intent, KeyDigest, Quantity, Refusal, SaleId, Verdict};
use flashgate_ledger::IntentResult;
use metrics::{Histogram, histogram};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::config::BatcherConfig;

/// An intent on its way, and where its verdict goes.
#[derive(Debug)]
pub struct Pending {
    /// What is asked for.
    pub intent: Intent,
    /// Where its verdict goes.
    pub ticket: Ticket,
}

/// Where the verdict on an intent goes.
#[derive(Debug)]
pub struct Ticket {
    key: (SaleId, KeyDigest),
    quantity: Quantity,
    queued_at: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Verdict>,
}

impl Pending {
    /// `intent`, to be refused unless a batch takes it in before `deadline`; and its verdict, once there is one.
    pub fn new(intent: Intent, deadline: Instant) -> (Self, oneshot::Receiver<Verdict>) {
        let (reply, verdict) = oneshot::channel();
        // A digest is of buyer and key: a shard holds many sales, and under each the key is another wish.
        let key = (intent.sale(), intent.key_digest());
        let (quantity, queued_at) = (intent.quantity(), Instant::now());
        (Self { intent, ticket: Ticket { key, quantity, queued_at, deadline, reply } }, verdict)
    }
}

/// Intents that go the same way, each with its ticket at the same index.
#[derive(Debug, Default)]
pub struct Group {
    /// The intents.
    pub intents: Vec<Intent>,
    tickets: Vec<Ticket>,
}

impl Group {
    /// The latest of the deadlines; `None` without intents.
    pub fn deadline(&self) -> Option<Instant> {
        self.tickets.iter().map(|ticket| ticket.deadline).max()
    }

    /// The same intents after a batch gave them back.
    pub fn with_intents(self, intents: Vec<Intent>) -> Self {
        debug_assert_eq!(intents.len(), self.tickets.len(), "a batch gives back what it took");
        Self { intents, ..self }
    }

    /// Keeps what passed and returns the rest with the answers to it.
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

    /// The tickets, when all intents get their verdicts.
    pub fn into_tickets(self) -> Vec<Ticket> {
        self.tickets
    }

    /// Whether its intents are of more than one sale.
    pub fn has_several_sales(&self) -> bool {
        self.intents.windows(2).any(|pair| matches!(pair, [one, next] if one.sale() != next.sale()))
    }

    /// A group of each sale, in its order.
    pub fn by_sale(self) -> impl Iterator<Item = Self> {
        let mut groups: BTreeMap<SaleId, Self> = BTreeMap::new();
        for (intent, ticket) in self.intents.into_iter().zip(self.tickets) {
            groups.entry(intent.sale()).or_default().push(Pending { intent, ticket });
        }
        groups.into_values()
    }

    /// Adds an intent.
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
    /// The keys that a lane has in hand, each with the intents that came under the same key meanwhile.
    in_hand: HashMap<(SaleId, KeyDigest), Vec<Pending>>,
    /// Intents whose twin was refused, and who ask for something else than it did: they get a turn of their own.
    released: Vec<Pending>,
    /// A lane died: nothing is taken in any more.
    is_abandoned: bool,
}

/// Held by a lane while it works. Dropped before the work [is done](OnDuty::is_done), it abandons the queue.
pub struct OnDuty(Option<Arc<ShardQueue>>);

impl OnDuty {
    /// The lane ends since nothing will come any more.
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
    /// An empty queue, and the way into it. After `leave`, it takes nothing and gives out what it has.
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

    /// Everything that waits, up to the limit of a batch, once something does; `None` when nothing will come any
    /// more. No key is in two groups at once: its second intent waits for the verdict on the first.
    pub async fn next_group(&self) -> Option<Group> {
        loop {
            let mut taken = std::mem::take(&mut self.waiting().released);
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

    /// A lane goes on duty at this queue.
    pub fn on_duty(self: &Arc<Self>) -> OnDuty {
        OnDuty(Some(Arc::clone(self)))
    }

    /// A lane died with a group in hand, whose verdicts nobody will tell. Intents that wait for those under the same key
    /// hear that the outcome is unknown, as their twins do; what comes is refused. The process leaves.
    fn abandon(&self) {
        let mut waiting = self.waiting();
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
        let mut waiting = self.waiting();
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

    /// Gives an intent of a group its verdict, and its twins theirs.
    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        let twins = self.waiting().in_hand.remove(&ticket.key).unwrap_or_default();
        for twin in twins {
            match (&verdict, twin.ticket.quantity == ticket.quantity) {
                (Verdict::Accepted(order) | Verdict::Replayed(order), true) => {
                    twin.ticket.send(Verdict::Replayed(*order));
                }
                (Verdict::Accepted(_) | Verdict::Replayed(_), false) => {
                    twin.ticket.send(Verdict::Refused(Refusal::KeyReused));
                }
                (Verdict::Refused(_) | Verdict::Unknown, true) => twin.ticket.send(verdict.clone()),
                (Verdict::Refused(_) | Verdict::Unknown, false) => self.waiting().released.push(twin),
            }
        }
        ticket.send(verdict);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

impl Ticket {
    /// The buyer may have hung up: then nobody is there to hear it, and nothing else depends on it.
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
        Pending::new(intent, Instant::now() + Duration::from_secs(60))
    }

    /// An intent in the hand of a lane, and its twin, which waits for the verdict on it.
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
        while queue.waiting().in_hand.values().all(Vec::is_empty) {
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

//! A process's way to receive: as a member of a group, or as a listener to everything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use flashgate_messaging::{BusError, Delivery, Position, QueueId, Subscription, Topic};
use rand::Rng;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use super::{BrokerState, QUEUES, groups::Group};
use crate::network::{Link, Lost};

/// The most that is read ahead from one queue.
const READ_AHEAD_MAX: usize = 4;

/// A subscription to one topic.
pub struct SimSubscription {
    link: Link<BrokerState>,
    topic: Topic,
    /// The group and this member of it; `None` for a listener.
    member: Option<(String, u64)>,
    positions: BTreeMap<usize, Reading>,
    /// Read ahead, with the queue and the holding.
    ready: VecDeque<(usize, u64, Delivery)>,
    arrivals: Arc<Notify>,
}

/// How far this subscription is in a queue that it holds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    holding: u64,
    /// The next one to read.
    next: usize,
    /// The one after the last that `poll` returned.
    returned: usize,
    committed: usize,
}

impl SimSubscription {
    /// Joins `group`, as the process with that life.
    pub fn join(link: Link<BrokerState>, group: &str, topic: Topic, life: u64) -> Self {
        let mut state = link.server().state();
        let BrokerState { groups, random, .. } = &mut *state;
        groups.entry((group.to_owned(), topic.clone())).or_default().join(life, random);
        let arrivals = Arc::clone(&state.arrivals);
        arrivals.notify_waiters();
        drop(state);
        let member = Some((group.to_owned(), life));
        Self { link, topic, member, positions: BTreeMap::new(), ready: VecDeque::new(), arrivals }
    }

    /// Hears everything from now on.
    pub fn listen(link: Link<BrokerState>, topic: Topic) -> Self {
        let state = link.server().state();
        let stored =
            |queue: usize| state.topics.get(&topic).and_then(|queues| queues.get(queue)).map_or(0, Vec::len);
        let position = |queue| {
            let next = stored(queue);
            (queue, Reading { holding: 0, next, returned: next, committed: next })
        };
        let positions = (0..QUEUES).map(position).collect();
        let arrivals = Arc::clone(&state.arrivals);
        drop(state);
        Self { link, topic, member: None, positions, ready: VecDeque::new(), arrivals }
    }

    /// Reads ahead some messages of each queue that it holds, the queues in any order.
    fn read_ahead(&mut self) {
        let mut state = self.link.server().state();
        let BrokerState { topics, groups, random, .. } = &mut *state;
        if let Some((group, life)) = &self.member
            && let Some(group) = groups.get(&(group.clone(), self.topic.clone()))
        {
            take_over(&mut self.positions, group, *life);
        }
        let Some(queues) = topics.get(&self.topic) else { return };
        let turn = random.random_range(0..QUEUES);
        for number in (0..QUEUES).map(|place| (place + turn) % QUEUES) {
            let (Some(position), Some(queue)) = (self.positions.get_mut(&number), queues.get(number)) else {
                continue;
            };
            let count = random.random_range(1..=READ_AHEAD_MAX);
            for delivery in queue.iter().skip(position.next).take(count) {
                self.ready.push_back((number, position.holding, delivery.clone()));
            }
            position.next = queue.len().min(position.next + count);
        }
    }

    fn hand_over(&mut self, max: usize) -> Vec<Delivery> {
        let mut handed = Vec::new();
        while handed.len() < max
            && let Some((queue, holding, delivery)) = self.ready.pop_front()
        {
            // A queue that went to somebody else is no longer read.
            let held = self.positions.get_mut(&queue).filter(|position| position.holding == holding);
            if let Some(position) = held {
                position.returned = usize::try_from(delivery.offset).unwrap_or(0) + 1;
                handed.push(delivery);
            }
        }
        handed
    }
}

/// Starts new holdings where the group is, and forgets queues that others hold.
fn take_over(positions: &mut BTreeMap<usize, Reading>, group: &Group, life: u64) {
    for (number, queue) in group.queues.iter().enumerate() {
        if queue.owner != Some(life) {
            positions.remove(&number);
        } else if positions.get(&number).is_none_or(|position| position.holding != queue.number) {
            let (holding, next) = (queue.number, queue.committed);
            positions.insert(number, Reading { holding, next, returned: next, committed: next });
        }
    }
}

/// Whoever drops it says so; who dies does not, and is missed some time later.
impl Drop for SimSubscription {
    fn drop(&mut self) {
        let Some((group, life)) = self.member.take().filter(|_member| self.link.is_alive()) else { return };
        let mut state = self.link.server().state();
        let BrokerState { groups, random, .. } = &mut *state;
        if let Some(group) = groups.get_mut(&(group, self.topic.clone())) {
            group.leave(life, random);
        }
        self.arrivals.notify_waiters();
    }
}

#[async_trait]
impl Subscription for SimSubscription {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        self.link.cross().await;
        let deadline = Instant::now() + wait;
        let arrivals = Arc::clone(&self.arrivals);
        loop {
            let handed = self.hand_over(max);
            if !handed.is_empty() {
                return Ok(handed);
            }
            let mut arrived = std::pin::pin!(arrivals.notified());
            arrived.as_mut().enable();
            if timeout_at(deadline, self.link.server().ready()).await.is_err() {
                return Err(BusError::Unavailable { reason: "stalled".to_owned() });
            }
            self.read_ahead();
            if !self.ready.is_empty() {
                let way = self.link.server().some_latency();
                sleep(way).await;
                self.link.cross().await;
            } else if timeout_at(deadline, arrived).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn position(&self) -> Vec<Position> {
        let position = |(number, reading): (&usize, &Reading)| {
            let queue = QueueId { broker: Arc::from("sim"), number: u32::try_from(*number).unwrap_or(0) };
            let offset = u64::try_from(reading.returned).unwrap_or(0);
            Position { queue, holding: reading.holding, offset }
        };
        self.positions.iter().map(position).collect()
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        let Some((group, _life)) = self.member.clone() else { return Ok(()) };
        let due: Vec<(usize, usize)> = position
            .iter()
            .filter_map(|position| {
                let queue = usize::try_from(position.queue.number).ok()?;
                let reading = self.positions.get(&queue).filter(|held| held.holding == position.holding)?;
                let offset = usize::try_from(position.offset).ok()?;
                (offset > reading.committed).then_some((queue, offset))
            })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let (key, offsets) = ((group, self.topic.clone()), due.clone());
        let commit = move |state: &mut BrokerState| {
            let Some(group) = state.groups.get_mut(&key) else { return };
            offsets.into_iter().for_each(|(queue, offset)| group.commit(queue, offset));
        };
        let about = format!("{} {due:?}", self.topic);
        match self.link.call("commit", about, commit).await {
            Ok(()) => {
                for (queue, offset) in due {
                    if let Some(position) = self.positions.get_mut(&queue) {
                        position.committed = position.committed.max(offset);
                    }
                }
                Ok(())
            }
            Err(Lost::NotSent) => Err(BusError::Unavailable { reason: "simulated".to_owned() }),
            Err(Lost::NoAnswer) => Err(BusError::Unanswered { reason: "simulated".to_owned() }),
        }
    }

    async fn lag(&self) -> Result<u64, BusError> {
        Ok(0)
    }
}

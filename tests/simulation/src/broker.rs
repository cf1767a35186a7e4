//! The broker of the simulation: queues, groups that divide them, half-messages and their check-backs.
//!
//! It is as rough as RocketMQ is allowed to be: a commit that comes twice delivers twice, one that comes after a
//! rollback delivers all the same, offsets of a member that lost its queue still count, and a verdict that comes
//! after the check-back is due is refused. Delayed messages come late, early, twice or never.

mod checker;
mod groups;
mod halves;
mod producer;
mod subscription;
mod timers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
pub use checker::keep_checking;
use flashgate_domain::Timestamp;
use flashgate_messaging::{CheckBackHandler, Delivery, Message, QueueId, Topic};
use groups::Group;
pub use halves::Half;
pub use producer::{SimProducer, SimPublisher};
use rand::{Rng, rngs::StdRng};
pub use subscription::SimSubscription;
use timers::Timers;
pub use timers::{LATE_MS_MAX, TimerRules};
use tokio::sync::Notify;

use crate::life::Life;

/// How many queues a topic has.
pub const QUEUES: usize = 3;

/// When the broker asks, and how often.
#[derive(Clone, Copy, Debug)]
pub struct CheckRules {
    /// The earliest moment of the first check-back of a half-message after it came.
    pub first_ms_min: u64,
    /// The latest.
    pub first_ms_max: u64,
    /// The longest time between two check-backs of a half-message.
    pub pause_ms_max: u64,
    /// How often a half-message is asked for before it is put aside.
    pub asks_max: u32,
    /// Whether an operator has it asked for again after that; else its batch is re-driven.
    pub takes_up_again: bool,
}

/// Somebody who can be asked for the fate of a half-message.
#[derive(Clone)]
pub struct Witness {
    /// Which process it is.
    pub life: Arc<Life>,
    /// Who answers there.
    pub handler: Arc<dyn CheckBackHandler>,
}

/// The server.
pub struct BrokerState {
    topics: BTreeMap<Topic, [Vec<Delivery>; QUEUES]>,
    groups: BTreeMap<(String, Topic), Group>,
    /// By their offset in the queue of half-messages.
    pub halves: BTreeMap<u64, Half>,
    witnesses: Vec<Witness>,
    rules: CheckRules,
    timers: Timers,
    random: StdRng,
    /// Wakes who waits for messages.
    arrivals: Arc<Notify>,
    /// Wakes the one who asks for the fate of half-messages.
    half_arrivals: Arc<Notify>,
    last_message: u64,
}

impl BrokerState {
    /// A broker without messages.
    pub fn new(rules: CheckRules, random: StdRng, timers: (TimerRules, StdRng)) -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            halves: BTreeMap::new(),
            witnesses: Vec::new(),
            rules,
            timers: Timers::new(timers.0, timers.1),
            random,
            arrivals: Arc::default(),
            half_arrivals: Arc::default(),
            last_message: 0,
        }
    }

    /// How many messages were ever stored in `topic`.
    pub fn stored(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |queues| queues.iter().map(Vec::len).sum())
    }

    /// Makes `message` visible, in any queue.
    fn append(&mut self, message: &Message, id: &str, born_at: Timestamp, now: Timestamp) {
        let number = self.random.random_range(0..QUEUES);
        let queues = self.topics.entry(message.topic.clone()).or_default();
        let Some(queue) = queues.get_mut(number) else { return };
        queue.push(Delivery {
            message_id: id.to_owned(),
            key: message.key.clone(),
            properties: message.properties.clone(),
            body: Bytes::clone(&message.body),
            queue: QueueId { broker: Arc::from("sim"), number: u32::try_from(number).unwrap_or(0) },
            offset: u64::try_from(queue.len()).unwrap_or(u64::MAX),
            born_at,
            stored_at: now,
        });
        self.arrivals.notify_waiters();
    }

    fn next_message_id(&mut self) -> String {
        self.last_message += 1;
        format!("M{:06}", self.last_message)
    }

    /// From now on, `witness` can be asked.
    pub fn register(&mut self, witness: Witness) {
        self.witnesses.push(witness);
    }

    /// The broker notices that a process is gone.
    pub fn forget(&mut self, life: u64) {
        self.witnesses.retain(|witness| witness.life.number != life);
        for group in self.groups.values_mut() {
            group.leave(life, &mut self.random);
        }
        self.arrivals.notify_waiters();
    }

    /// Divides the queues of every group anew: messages that are being worked on come again elsewhere.
    pub fn rebalance(&mut self) {
        for group in self.groups.values_mut() {
            group.divide(&mut self.random);
        }
        self.arrivals.notify_waiters();
    }

    /// A moment up to `longest`, at random.
    fn some_time(&mut self, shortest: u64, longest: u64) -> Duration {
        Duration::from_millis(self.random.random_range(shortest..=longest.max(shortest)))
    }

    /// What is left to do: half-messages without a verdict, and messages that a group has not acknowledged.
    pub fn unfinished(&self) -> Option<String> {
        let waits = |half: &Half| half.is_open() && (self.rules.takes_up_again || !half.put_aside);
        if let Some((_, half)) = self.halves.iter().find(|(_, half)| waits(half)) {
            return Some(format!("half-message {} has no verdict", half.message.key));
        }
        self.groups.iter().find_map(|((name, topic), group)| {
            let lag = group.unacknowledged(self.topics.get(topic));
            (lag > 0).then(|| format!("{lag} messages of {topic} are not acknowledged by {name}"))
        })
    }
}

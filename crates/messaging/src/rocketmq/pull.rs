//! Pulling one queue, without end, into the memory of a subscription.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::codes::{fault_of, flag, request, response};
use super::frame::Request;
use super::offsets::Place;
use super::session::Session;
use super::stored::Stored;
use crate::fault::BusFault;
use crate::message::{Delivery, QueueId};
use crate::names::{Group, Topic};

/// How often the broker looks at the pulls that it holds (`PullRequestHoldService`): the answer to one whose time
/// is up can come so much later.
const HOLD_CHECK_PERIOD: Duration = Duration::from_secs(5);

/// What every queue of one subscription shares.
pub(super) struct Source {
    pub(super) session: Arc<Session>,
    pub(super) group: Group,
    pub(super) topic: Topic,
    health: Mutex<Health>,
}

/// How the background tasks of a subscription fare.
#[derive(Default)]
struct Health {
    /// The latest fault, until a call succeeds or `poll` tells it.
    fault: Option<BusFault>,
    /// Whether the latest call failed, so that an outage is logged once and not at every try.
    failing: bool,
}

/// Messages of one pull, with the holding of the queue that they belong to.
pub(super) struct Chunk {
    pub(super) holding: u64,
    pub(super) deliveries: Vec<Delivery>,
}

/// Where pulling begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// Where the group's last commit left off.
    Committed,
    /// At the oldest message.
    Earliest,
    /// At this offset.
    At(u64),
}

impl Source {
    pub(super) fn new(session: Arc<Session>, group: Group, topic: Topic) -> Self {
        Self { session, group, topic, health: Mutex::default() }
    }

    pub(super) fn place<'a>(&'a self, queue: &'a QueueId) -> Place<'a> {
        Place { session: &self.session, topic: &self.topic, queue }
    }

    /// Keeps `result`'s fault for the next `poll` that comes back empty, or forgets the last one.
    pub(super) fn note<T>(&self, what: &'static str, result: &Result<T, BusFault>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let was_failing = std::mem::replace(&mut health.failing, result.is_err());
        health.fault = result.as_ref().err().cloned();
        match &health.fault {
            Some(fault) if !was_failing => tracing::warn!(topic = %self.topic, %fault, "{what} fails"),
            Some(fault) => tracing::debug!(topic = %self.topic, %fault, "{what} still fails"),
            None if was_failing => tracing::info!(topic = %self.topic, "{what} works again"),
            None => {}
        }
    }

    pub(super) fn take_fault(&self) -> Option<BusFault> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).fault.take()
    }

    async fn start(&self, queue: &QueueId, start: Start) -> Result<u64, BusFault> {
        match start {
            Start::Committed => self.place(queue).committed(&self.group).await,
            Start::Earliest => self.place(queue).earliest().await,
            Start::At(offset) => Ok(offset),
        }
    }

    /// One pull at `offset`; the broker may hold it until a message comes. Returns where the next one begins.
    async fn pull(&self, queue: &QueueId, offset: u64) -> Result<(Vec<Delivery>, u64), BusFault> {
        let config = &self.session.config;
        let request = Request::new(request::PULL_MESSAGE)
            .field("consumerGroup", &self.group)
            .field("topic", &self.topic)
            .field("queueId", queue.number)
            .field("bname", &queue.broker)
            .field("queueOffset", offset)
            .field("maxMsgNums", config.pull_messages_max)
            .field("sysFlag", flag::PULL_SUSPEND | flag::PULL_SUBSCRIPTION)
            .field("commitOffset", 0)
            .field("suspendTimeoutMillis", config.pull_suspend_ms)
            .field("subscription", "*")
            .field("subVersion", 0)
            .field("expressionType", "TAG");
        let route = self.session.route(&self.topic).await?;
        let deadline = Instant::now() + config.pull_suspend() + HOLD_CHECK_PERIOD + config.send_timeout();
        let answer = self.session.call(route.address(&queue.broker)?, &request, deadline).await?;
        match answer.code {
            response::SUCCESS => {
                let next = answer.number("nextBeginOffset")?;
                Ok((Stored::take_all(answer.body, &queue.broker)?, next))
            }
            response::PULL_NOT_FOUND | response::PULL_RETRY_IMMEDIATELY => {
                Ok((Vec::new(), answer.number("nextBeginOffset")?))
            }
            response::PULL_OFFSET_MOVED => {
                let next = answer.number("nextBeginOffset")?;
                tracing::error!(?queue, offset, next, "the broker no longer has this offset");
                metrics::counter!("flashgate_bus_offsets_moved_total").increment(1);
                Ok((Vec::new(), next))
            }
            _ => Err(fault_of(&answer)),
        }
    }
}

/// Pulls `queue` until the subscription is gone. A fault pauses it; it never skips a message.
pub(super) async fn pull_forever(
    source: Arc<Source>,
    queue: QueueId,
    holding: u64,
    start: Start,
    chunks: mpsc::Sender<Chunk>,
) {
    let mut next = None;
    loop {
        let pulled = match next {
            None => source.start(&queue, start).await.map(|offset| (Vec::new(), offset)),
            Some(offset) => source.pull(&queue, offset).await,
        };
        source.note("pulling", &pulled);
        match pulled {
            Ok((deliveries, offset)) => {
                next = Some(offset);
                if !deliveries.is_empty() && chunks.send(Chunk { holding, deliveries }).await.is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(source.session.config.retry_pause()).await,
        }
    }
}

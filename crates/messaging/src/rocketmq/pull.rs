//! Pulls one queue continuously into the memory of a subscription.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use rocketmq_model::common::sys_flag::pull_sys_flag::PullSysFlag;
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        header::{
            pull_message_request_header::PullMessageRequestHeader,
            pull_message_response_header::PullMessageResponseHeader,
        },
        remoting_command::RemotingCommand,
    },
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    codes::{self, at_broker, fault_of, header, remark, response, signed, signed_count},
    offsets::QueueOffsets,
    session::Session,
    stored::Stored,
};
use crate::{
    fault::BusError,
    message::{Delivery, QueueId},
    names::{Group, Topic},
};

/// The interval at which the broker checks the pulls that it holds (`PullRequestHoldService`): the answer to an expired
/// pull can be late by this much.
const HOLD_CHECK_PERIOD: Duration = Duration::from_secs(5);

/// The broker's remark when it resets a group's offset for an operator (`GetMessageStatus`).
const OFFSET_RESET: &str = "OFFSET_RESET";

/// The state that all queues of one subscription share.
pub(super) struct Source {
    pub(super) session: Arc<Session>,
    pub(super) group: Group,
    pub(super) topic: Topic,
    holding_next: AtomicU64,
    health: Mutex<Health>,
}

/// The health of a subscription's background tasks.
#[derive(Default)]
struct Health {
    /// Current faults by queue; `None` is the assignment of queues.
    failing: BTreeMap<Option<QueueId>, BusError>,
    /// Whether a call has failed since `poll` last returned a fault.
    is_news: bool,
}

/// The messages of one pull, with the holding of their queue.
pub(super) struct Chunk {
    pub(super) holding: u64,
    pub(super) deliveries: Vec<Delivery>,
    /// Set if the group's offset was reset instead: later messages belong to this holding.
    pub(super) goes_on_as: Option<u64>,
}

/// The offset of the first pull.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// At the group's committed offset.
    Committed,
    /// At the oldest message.
    Earliest,
    /// At the end, as soon as the broker returns it.
    Latest,
    /// At this offset.
    At(u64),
}

/// The result of one pull.
#[derive(Debug)]
enum Pulled {
    /// These messages, possibly none, and the offset of the next pull.
    Messages(Vec<Delivery>, u64),
    /// An operator reset the group's offset.
    Reset(u64),
    /// The broker does not have the offset and continues at this one.
    Lost(u64),
}

impl Source {
    pub(super) fn new(session: Arc<Session>, group: Group, topic: Topic) -> Self {
        Self { session, group, topic, holding_next: AtomicU64::new(1), health: Mutex::default() }
    }

    pub(super) fn place<'a>(&'a self, queue: &'a QueueId) -> QueueOffsets<'a> {
        QueueOffsets { session: &self.session, topic: &self.topic, queue }
    }

    /// A number that is unique to one holding of a queue.
    pub(super) fn new_holding(&self) -> u64 {
        self.holding_next.fetch_add(1, Ordering::Relaxed)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock()
    }

    /// Stores the fault of `result` for the next empty `poll`, or clears the previous one. `queue` is the pulled queue;
    /// `None` stands for the assignment of queues.
    pub(super) fn note<T>(&self, queue: Option<&QueueId>, result: &Result<T, BusError>) {
        let what = if queue.is_some() { "pulling" } else { "the assignment of queues" };
        let queue = queue.cloned();
        let name = queue.as_ref().map(ToString::to_string);
        let mut health = self.health();
        match result {
            Ok(_) if health.failing.remove(&queue).is_some() => {
                tracing::info!(topic = %self.topic, queue = name, "{what} recovered");
            }
            Ok(_) => return,
            Err(fault) => {
                health.is_news = true;
                if health.failing.insert(queue, fault.clone()).is_none() {
                    tracing::warn!(topic = %self.topic, queue = name, error = %fault, "{what} failed; retrying");
                } else {
                    tracing::debug!(topic = %self.topic, queue = name, error = %fault, "{what} still fails; retrying");
                }
            }
        }
        self.report(&health);
    }

    /// Clears the faults of queues that are not in `held`.
    pub(super) fn forget_all_but(&self, held: impl Fn(&QueueId) -> bool) {
        let mut health = self.health();
        health.failing.retain(|queue, _| queue.as_ref().is_none_or(&held));
        self.report(&health);
    }

    fn report(&self, health: &Health) {
        let failing = u32::try_from(health.failing.len()).unwrap_or(u32::MAX);
        metrics::gauge!("flashgate_bus_queues_failing", "topic" => self.topic.to_string()).set(failing);
    }

    /// The fault that keeps messages from arriving, if it is new: all `held` queues fail, or there is none and the
    /// assignment fails. A fault of only some queues is logged and counted, not returned.
    pub(super) fn take_fault(&self, held: usize) -> Option<BusError> {
        let mut health = self.health();
        let failing = health.failing.keys().filter(|queue| queue.is_some()).count();
        if !health.is_news || failing < held {
            return None;
        }
        health.is_news = false;
        health.failing.values().next().cloned()
    }

    async fn start(&self, queue: &QueueId, start: Start) -> Result<u64, BusError> {
        match start {
            Start::Committed => self.place(queue).committed(&self.group).await,
            Start::Earliest => self.place(queue).earliest().await,
            Start::Latest => self.place(queue).latest().await,
            Start::At(offset) => Ok(offset),
        }
    }

    /// One pull at `offset`; the broker may hold it until a message arrives.
    async fn pull(&self, queue: &QueueId, offset: u64) -> Result<Pulled, BusError> {
        let config = &self.session.config;
        let suspend = Some(config.pull_suspend());
        let max = config.pull_messages_max.get();
        let request = pull_request(self.group.as_str(), &self.topic, queue, offset, max, suspend);
        let route = self.session.route(&self.topic).await?;
        let address = route.address(&queue.broker)?;
        let deadline = Instant::now() + config.pull_suspend() + HOLD_CHECK_PERIOD + config.send_timeout();
        let mut answer = self.session.call(address, request, deadline).await?;
        match answer.code() {
            response::SUCCESS => {
                let next = next_offset(&answer)?;
                let body = answer.take_body().unwrap_or_default();
                Ok(Pulled::Messages(Stored::take_all(body, &queue.broker)?, next))
            }
            response::PULL_NOT_FOUND => Ok(Pulled::Messages(Vec::new(), next_offset(&answer)?)),
            response::PULL_RETRY_IMMEDIATELY => {
                let next = next_offset(&answer)?;
                if next <= offset {
                    // The answer of a replica that may not be read: an immediate retry would get the same answer.
                    self.session.distrust(address);
                    return Err(BusError::unavailable(format!("{address} redirects pulls to its master")));
                }
                Ok(Pulled::Messages(Vec::new(), next))
            }
            response::PULL_OFFSET_MOVED => {
                let header: PullMessageResponseHeader = header(&answer)?;
                let next = codes::offset(header.next_begin_offset)?;
                // Apache's broker sends this remark; a broker that does not would not reset an existing offset.
                let there_is = codes::offset(header.min_offset)?..=codes::offset(header.max_offset)?;
                let is_reset = remark(&answer) == OFFSET_RESET || there_is.contains(&offset);
                Ok(if is_reset { Pulled::Reset(next) } else { Pulled::Lost(next) })
            }
            _ => Err(fault_of(&answer)),
        }
    }
}

/// A pull of `queue` from `offset` on. The broker may hold it for `suspend` if it finds nothing.
pub(super) fn pull_request(
    group: &str,
    topic: &Topic,
    queue: &QueueId,
    offset: u64,
    max: u32,
    suspend: Option<Duration>,
) -> RemotingCommand {
    let header = PullMessageRequestHeader {
        consumer_group: group.into(),
        topic: topic.as_str().into(),
        queue_id: signed_count(queue.number),
        queue_offset: signed(offset),
        max_msg_nums: signed_count(max),
        sys_flag: PullSysFlag::build_sys_flag(false, suspend.is_some(), true, false).cast_signed(),
        suspend_timeout_millis: suspend.map_or(0, millis),
        subscription: Some("*".into()),
        expression_type: Some("TAG".into()),
        topic_request: Some(at_broker(&queue.broker)),
        ..PullMessageRequestHeader::default()
    };
    RemotingCommand::create_request_command(RequestCode::PullMessage, header)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The offset of the pull after `answer`.
pub(super) fn next_offset(answer: &RemotingCommand) -> Result<u64, BusError> {
    let header: PullMessageResponseHeader = header(answer)?;
    codes::offset(header.next_begin_offset)
}

/// Pulls `queue` until the subscription ends. A fault pauses it; it never skips a message by itself.
pub(super) async fn pull_forever(
    source: Arc<Source>,
    queue: QueueId,
    mut holding: u64,
    start: Start,
    chunks: mpsc::Sender<Chunk>,
) {
    let mut next = None;
    // Whether an operator set the offset, possibly to one that is no longer stored.
    let mut was_reset = false;
    loop {
        let pulled = match next {
            None => source.start(&queue, start).await.map(|offset| Pulled::Messages(Vec::new(), offset)),
            Some(offset) => source.pull(&queue, offset).await,
        };
        source.note(Some(&queue), &pulled);
        let (deliveries, offset, is_reset) = match pulled {
            Ok(Pulled::Messages(deliveries, offset)) => (deliveries, offset, false),
            Ok(Pulled::Lost(offset)) if !was_reset => {
                tracing::error!(topic = %source.topic, %queue, offset = next, next = offset, "broker no longer has this offset; messages lost, continuing at `next`");
                metrics::counter!("flashgate_bus_offsets_expired_total").increment(1);
                (Vec::new(), offset, false)
            }
            Ok(Pulled::Reset(offset) | Pulled::Lost(offset)) => {
                tracing::info!(topic = %source.topic, %queue, offset = next, next = offset, "group offset reset by an operator");
                metrics::counter!("flashgate_bus_offset_resets_total").increment(1);
                (Vec::new(), offset, true)
            }
            Err(_) => {
                tokio::time::sleep(source.session.config.retry_interval()).await;
                continue;
            }
        };
        (next, was_reset) = (Some(offset), is_reset);
        let goes_on_as = is_reset.then(|| source.new_holding());
        if deliveries.is_empty() && goes_on_as.is_none() {
            continue;
        }
        if chunks.send(Chunk { holding, deliveries, goes_on_as }).await.is_err() {
            return;
        }
        holding = goes_on_as.unwrap_or(holding);
    }
}

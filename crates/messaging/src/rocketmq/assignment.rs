//! The queues that a subscription holds, and its position in each.

use std::{collections::BTreeMap, sync::Arc};

use flashgate_domain::causes;
use flashgate_supervision::Task;
use futures::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        RemotingDeserializable,
        body::get_consumer_list_by_group_response_body::GetConsumerListByGroupResponseBody,
        header::get_consumer_listby_group_request_header::GetConsumerListByGroupRequestHeader,
        remoting_command::RemotingCommand,
    },
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::{
    codes::{expect_success, request},
    inbound::Inbound,
    pull::{Chunk, Source, Start, pull_forever},
};
use crate::{
    fault::BusError,
    message::{Delivery, Position, QueueId},
};

/// Receives the broker's notification that a group gained or lost a member.
#[derive(Default)]
pub(super) struct GroupChanges(pub(super) Notify);

impl Inbound for GroupChanges {
    fn take(&self, _address: &str, request: &RemotingCommand) -> bool {
        let changed = request.code() == request::NOTIFY_CONSUMER_IDS_CHANGED;
        if changed {
            self.0.notify_one();
        }
        changed
    }
}

/// How the messages of a topic are distributed, in RocketMQ's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageModel {
    /// The members of the group share the queues.
    Clustering,
    /// This subscription reads all queues from now on.
    Broadcasting,
}

/// A queue of the subscription.
struct Held {
    /// Distinguishes this holding from earlier ones of the same queue.
    holding: u64,
    /// The offset after the last message that `poll` returned, and the last committed one.
    returned: Option<u64>,
    committed: Option<u64>,
    /// An offset whose commit failed; [`keep_committing`] retries it in the background.
    owed: Option<u64>,
    _puller: Task,
}

/// The queues that a subscription holds now.
pub(super) struct Assignment {
    source: Arc<Source>,
    share: MessageModel,
    chunks: mpsc::Sender<Chunk>,
    held: Mutex<Holdings>,
    /// Notified when the commit of a queue becomes overdue.
    owes: Notify,
}

#[derive(Default)]
struct Holdings {
    queues: BTreeMap<QueueId, Held>,
}

impl Holdings {
    /// Whether a commit to `broker` is overdue, so that no call should wait for that broker.
    fn owes(&self, broker: &str) -> bool {
        self.queues.iter().any(|(queue, held)| *queue.broker == *broker && held.owed.is_some())
    }

    fn every_broker_owes(&self) -> bool {
        self.queues.keys().all(|queue| self.owes(&queue.broker))
    }
}

impl Assignment {
    pub(super) fn new(source: Arc<Source>, share: MessageModel, chunks: mpsc::Sender<Chunk>) -> Self {
        Self { source, share, chunks, held: Mutex::default(), owes: Notify::new() }
    }

    fn held(&self) -> MutexGuard<'_, Holdings> {
        self.held.lock()
    }

    /// Takes the queues that belong to this subscription and releases the others. At the first call, a broadcasting
    /// subscription starts at the end of each queue (of a queue whose broker does not answer, at the end that it has
    /// once the broker answers); queues that appear later are read from their beginning.
    ///
    /// # Errors
    /// The fault of reading the queues or the members; the assignment is then unchanged.
    pub(super) async fn refresh(&self, first: bool) -> Result<(), BusError> {
        let queues = self.source.session.route(&self.source.topic).await?.readable.clone();
        let due = match self.share {
            MessageModel::Clustering => {
                let members = self.members().await?;
                let mine = share_of(&queues, &members, &self.source.session.client_id);
                mine.iter().map(|queue| (queue.clone(), Start::Committed)).collect()
            }
            MessageModel::Broadcasting => {
                if first {
                    self.ends(queues).await?
                } else {
                    queues.into_iter().map(|queue| (queue, Start::Earliest)).collect()
                }
            }
        };
        self.hold(due);
        Ok(())
    }

    /// The ends of `queues`, each read separately.
    ///
    /// # Errors
    /// The fault of the first queue, if no broker answers.
    async fn ends(&self, queues: Vec<QueueId>) -> Result<Vec<(QueueId, Start)>, BusError> {
        let ends = join_all(queues.iter().map(|queue| self.source.place(queue).latest())).await;
        if let Some(Err(fault)) = ends.first()
            && ends.iter().all(Result::is_err)
        {
            return Err(fault.clone());
        }
        let start = |(queue, end): (QueueId, Result<u64, BusError>)| match end {
            Ok(end) => (queue, Start::At(end)),
            Err(fault) => {
                tracing::warn!(topic = %self.source.topic, %queue, error = %fault, "reading the end of a queue failed; retrying");
                (queue, Start::Latest)
            }
        };
        Ok(queues.into_iter().zip(ends).map(start).collect())
    }

    fn hold(&self, due: Vec<(QueueId, Start)>) {
        let mut held = self.held();
        held.queues.retain(|queue, _| due.iter().any(|(due, _)| due == queue));
        for (queue, start) in due {
            if held.queues.contains_key(&queue) {
                continue;
            }
            let holding = self.source.new_holding();
            let puller =
                pull_forever(Arc::clone(&self.source), queue.clone(), holding, start, self.chunks.clone());
            let puller = self.source.session.supervisor.spawn_job("bus_puller", puller);
            let fresh = Held { holding, returned: None, committed: None, owed: None, _puller: puller };
            held.queues.insert(queue, fresh);
        }
        self.source.forget_all_but(|queue| held.queues.contains_key(queue));
    }

    /// The number of held queues.
    pub(super) fn count(&self) -> usize {
        self.held().queues.len()
    }

    /// Handles an operator's reset of the group's offset in the queue of `holding`, which continues as `next`: messages
    /// returned before, and those still to be returned, are not committed any more.
    pub(super) fn note_reset(&self, holding: u64, next: u64) {
        let mut held = self.held();
        if let Some(held) = held.queues.values_mut().find(|held| held.holding == holding) {
            (held.holding, held.returned, held.committed, held.owed) = (next, None, None, None);
        }
    }

    async fn members(&self) -> Result<Vec<String>, BusError> {
        let Source { session, group, topic, .. } = self.source.as_ref();
        let route = session.route(topic).await?;
        let header = GetConsumerListByGroupRequestHeader { consumer_group: group.as_str().into(), rpc: None };
        let request = RemotingCommand::create_request_command(RequestCode::GetConsumerListByGroup, header);
        let mut fault = BusError::unavailable(format!("topic {topic} has no broker"));
        // Each broker lists every member. A broker that does not answer is asked last.
        let mut brokers: Vec<_> = route.brokers().collect();
        brokers.sort_by_key(|broker| session.peers.is_mute(broker));
        let deadline = session.deadline();
        for (turn, broker) in brokers.iter().enumerate() {
            let is_last = turn + 1 == brokers.len();
            let until = if is_last { deadline } else { session.try_deadline().min(deadline) };
            match session.call(broker, request.clone(), until).await.and_then(expect_success) {
                Ok(mut answer) => {
                    let body = answer.take_body().unwrap_or_default();
                    let members = GetConsumerListByGroupResponseBody::decode(&body).map_err(|error| {
                        BusError::invalid_response(format!("members of {group}: {}", causes(&error)))
                    })?;
                    return Ok(members.consumer_id_list.iter().map(ToString::to_string).collect());
                }
                Err(failed) => fault = failed,
            }
        }
        Err(fault)
    }

    /// Records that `poll` is about to return `delivery`; false if its queue is no longer held.
    pub(super) fn note_returned(&self, holding: u64, delivery: &Delivery) -> bool {
        let mut held = self.held();
        match held.queues.get_mut(&delivery.queue).filter(|held| held.holding == holding) {
            Some(held) => {
                held.returned = Some(delivery.offset + 1);
                true
            }
            None => false,
        }
    }

    /// The position of `poll` in the held queues.
    pub(super) fn position(&self) -> Vec<Position> {
        let position = |(queue, held): (&QueueId, &Held)| {
            Some(Position { queue: queue.clone(), holding: held.holding, offset: held.returned? })
        };
        self.held().queues.iter().filter_map(position).collect()
    }

    /// The part of `position` that is still held, not committed yet, and worth waiting for. An overdue commit, and a
    /// commit to a broker that does not answer (`is_mute`), is left to [`keep_committing`], unless this applies to
    /// every broker.
    pub(super) fn due<'a>(
        &self,
        position: &'a [Position],
        is_mute: impl Fn(&QueueId) -> bool,
    ) -> Vec<&'a Position> {
        let mut held = self.held();
        let is_due = |due: &&Position| {
            let held = held.queues.get(&due.queue).filter(|held| held.holding == due.holding);
            held.is_some_and(|held| held.committed.is_none_or(|committed| committed < due.offset))
        };
        let due: Vec<&Position> = position.iter().filter(is_due).collect();
        let put_off = |queue: &QueueId| held.owes(&queue.broker) || is_mute(queue);
        if held.queues.keys().all(put_off) {
            return due;
        }
        let (later, now): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| put_off(&due.queue));
        for later in later {
            owe(&mut held, later);
        }
        drop(held);
        self.owes.notify_one();
        now
    }

    /// Records that the broker accepted the commit.
    pub(super) fn note_committed(&self, done: &Position) {
        let mut held = self.held();
        if let Some(held) = held.queues.get_mut(&done.queue).filter(|held| held.holding == done.holding) {
            held.committed = Some(done.offset);
            held.owed = held.owed.filter(|owed| *owed > done.offset);
        }
    }

    /// Records that the commit failed, and returns whether commits are now overdue at every broker.
    pub(super) fn note_owed(&self, failed: &Position) -> bool {
        let mut held = self.held();
        owe(&mut held, failed);
        self.owes.notify_one();
        held.every_broker_owes()
    }

    /// The overdue commits.
    fn owed(&self) -> Vec<Position> {
        let position = |(queue, held): (&QueueId, &Held)| {
            Some(Position { queue: queue.clone(), holding: held.holding, offset: held.owed? })
        };
        self.held().queues.iter().filter_map(position).collect()
    }

    /// The held queues, each with the position of `poll` in it, if it returned anything yet.
    pub(super) fn progress(&self) -> Vec<(QueueId, Option<u64>)> {
        self.held().queues.iter().map(|(queue, held)| (queue.clone(), held.returned)).collect()
    }
}

fn owe(held: &mut Holdings, position: &Position) {
    if let Some(held) = held.queues.get_mut(&position.queue).filter(|held| held.holding == position.holding) {
        held.owed = held.owed.max(Some(position.offset));
    }
}

/// Retries overdue commits until the subscription ends, each queue separately.
pub(super) async fn keep_committing(assignment: Arc<Assignment>) {
    let source = &assignment.source;
    loop {
        let owed = assignment.owed();
        if owed.is_empty() {
            assignment.owes.notified().await;
            continue;
        }
        join_all(owed.iter().map(async |owed| {
            match source.place(&owed.queue).commit(&source.group, owed.offset).await {
                Ok(()) => {
                    assignment.note_committed(owed);
                    tracing::info!(topic = %source.topic, queue = %owed.queue, "overdue offset committed");
                }
                Err(fault) => {
                    tracing::debug!(topic = %source.topic, queue = %owed.queue, error = %fault, "offset commit failed; retrying");
                }
            }
        }))
        .await;
        tokio::time::sleep(source.session.config.retry_interval()).await;
    }
}

/// Refreshes `assignment` until the subscription ends: at every interval, and at once when the group changes.
pub(super) async fn keep_assigned(assignment: Arc<Assignment>, changes: Arc<GroupChanges>) {
    let config = Arc::clone(&assignment.source.session.config);
    loop {
        // Both ends of the wait mean that a refresh is due.
        let _ = timeout(config.rebalance_interval(), changes.0.notified()).await;
        let refreshed = assignment.refresh(false).await;
        assignment.source.note(None, &refreshed);
        if refreshed.is_err() {
            tokio::time::sleep(config.retry_interval()).await;
        }
    }
}

/// The queues of `me` when `members` share `queues`: consecutive runs whose lengths differ by at most one, the
/// longer ones first (RocketMQ's `AllocateMessageQueueAveragely`, so that other clients may be members too).
fn share_of<'a>(queues: &'a [QueueId], members: &[String], me: &str) -> &'a [QueueId] {
    let mut members: Vec<&str> = members.iter().map(String::as_str).collect();
    members.sort_unstable();
    members.dedup();
    let Some(position) = members.iter().position(|member| *member == me) else { return &[] };
    let (length, longer) = (queues.len() / members.len(), queues.len() % members.len());
    let start = position * length + position.min(longer);
    let end = start + length + usize::from(position < longer);
    queues.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::share_of;
    use crate::message::QueueId;

    #[test]
    fn every_queue_has_exactly_one_holder() {
        for queue_count in 0..10_u32 {
            for member_count in 1..6 {
                let queues: Vec<_> =
                    (0..queue_count).map(|number| QueueId { broker: "a".into(), number }).collect();
                let members: Vec<_> = (0..member_count).map(|member| format!("member {member}")).collect();
                let shares = members.iter().flat_map(|me| share_of(&queues, &members, me)).cloned();
                assert_eq!(shares.collect::<Vec<_>>(), queues);
            }
        }
        assert!(share_of(&[], &["other".to_owned()], "me").is_empty());
    }
}

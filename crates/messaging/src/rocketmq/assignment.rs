//! Which queues a subscription holds, and how far it is in each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::codes::{expect_success, request};
use super::connection::Inbound;
use super::frame::{Frame, Request};
use super::pull::{Chunk, Source, Start, pull_forever};
use super::task::AbortOnDrop;
use crate::fault::BusFault;
use crate::message::{Delivery, Position, QueueId};

/// Hears from the broker that a group got or lost a member.
#[derive(Default)]
pub(super) struct GroupChanges(pub(super) Notify);

impl Inbound for GroupChanges {
    fn take(&self, _address: &str, request: &Frame) -> bool {
        let changed = request.code == request::NOTIFY_CONSUMER_IDS_CHANGED;
        if changed {
            self.0.notify_one();
        }
        changed
    }
}

/// How a subscription comes by its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// The members of the group divide them.
    Group,
    /// This subscription reads all of them, from now on, for itself.
    Everything,
}

/// A queue that is held.
struct Held {
    /// Tells this holding from an earlier one of the same queue.
    holding: u64,
    /// The offset after the last message that `poll` returned, and the last one that was committed.
    returned: Option<u64>,
    committed: Option<u64>,
    _puller: AbortOnDrop,
}

/// The queues that a subscription holds at the moment.
pub(super) struct Assignment {
    source: Arc<Source>,
    share: Share,
    chunks: mpsc::Sender<Chunk>,
    held: Mutex<Holdings>,
}

#[derive(Default)]
struct Holdings {
    last: u64,
    queues: BTreeMap<QueueId, Held>,
}

impl Assignment {
    pub(super) fn new(source: Arc<Source>, share: Share, chunks: mpsc::Sender<Chunk>) -> Self {
        Self { source, share, chunks, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Holdings> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the queues that are due to this subscription and gives up the others. The first time, a
    /// subscription to everything starts at the end of each queue; queues that appear later, at their beginning.
    ///
    /// # Errors
    /// The fault that hides the queues or the members; everything stays as it is then.
    pub(super) async fn refresh(&self, first: bool) -> Result<(), BusFault> {
        let queues = self.source.session.route(&self.source.topic).await?.readable.clone();
        let due = match self.share {
            Share::Group => {
                let members = self.members().await?;
                let mine = share_of(&queues, &members, &self.source.session.client_id);
                mine.iter().map(|queue| (queue.clone(), Start::Committed)).collect()
            }
            Share::Everything => {
                let mut due = Vec::with_capacity(queues.len());
                for queue in queues {
                    let start = match first {
                        true => Start::At(self.source.place(&queue).latest().await?),
                        false => Start::Earliest,
                    };
                    due.push((queue, start));
                }
                due
            }
        };
        self.hold(due);
        Ok(())
    }

    fn hold(&self, due: Vec<(QueueId, Start)>) {
        let mut held = self.held();
        held.queues.retain(|queue, _| due.iter().any(|(due, _)| due == queue));
        for (queue, start) in due {
            if held.queues.contains_key(&queue) {
                continue;
            }
            held.last += 1;
            let holding = held.last;
            let puller =
                pull_forever(Arc::clone(&self.source), queue.clone(), holding, start, self.chunks.clone());
            let puller = AbortOnDrop::spawn(puller);
            held.queues.insert(queue, Held { holding, returned: None, committed: None, _puller: puller });
        }
    }

    async fn members(&self) -> Result<Vec<String>, BusFault> {
        #[derive(Deserialize)]
        struct Members {
            #[serde(rename = "consumerIdList")]
            ids: Vec<String>,
        }
        let Source { session, group, topic, .. } = self.source.as_ref();
        let route = session.route(topic).await?;
        let request = Request::new(request::GET_CONSUMER_LIST_BY_GROUP).field("consumerGroup", group);
        let mut fault = BusFault::unavailable(format!("topic {topic} has no broker"));
        for broker in route.brokers() {
            match session.call(broker, &request, session.deadline()).await.and_then(expect_success) {
                Ok(answer) => {
                    let members: Members = serde_json::from_slice(&answer.body)
                        .map_err(|error| BusFault::garbled(format!("members of {group}: {error}")))?;
                    return Ok(members.ids);
                }
                Err(failed) => fault = failed,
            }
        }
        Err(fault)
    }

    /// Notes that `poll` is about to return `delivery`; false if its queue is no longer held.
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

    /// How far `poll` is in the queues that are held.
    pub(super) fn position(&self) -> Vec<Position> {
        let position = |(queue, held): (&QueueId, &Held)| {
            Some(Position { queue: queue.clone(), holding: held.holding, offset: held.returned? })
        };
        self.held().queues.iter().filter_map(position).collect()
    }

    /// What of `position` is still held, and not committed yet.
    pub(super) fn uncommitted<'a>(&self, position: &'a [Position]) -> Vec<&'a Position> {
        let held = self.held();
        let is_due = |due: &&Position| {
            let held = held.queues.get(&due.queue).filter(|held| held.holding == due.holding);
            held.is_some_and(|held| held.committed.is_none_or(|committed| committed < due.offset))
        };
        position.iter().filter(is_due).collect()
    }

    /// Notes that the broker took the commit.
    pub(super) fn note_committed(&self, done: &Position) {
        let mut held = self.held();
        if let Some(held) = held.queues.get_mut(&done.queue).filter(|held| held.holding == done.holding) {
            held.committed = Some(done.offset);
        }
    }

    /// The queues that are held, and how far `poll` is in each, if it returned anything yet.
    pub(super) fn progress(&self) -> Vec<(QueueId, Option<u64>)> {
        self.held().queues.iter().map(|(queue, held)| (queue.clone(), held.returned)).collect()
    }
}

/// Refreshes `assignment` for ever: at every interval, and at once when the group changes.
pub(super) async fn keep_assigned(assignment: Arc<Assignment>, changes: Arc<GroupChanges>) {
    let config = Arc::clone(&assignment.source.session.config);
    loop {
        // Both ends of the wait mean the same: time for a look.
        let _ = timeout(config.rebalance_interval(), changes.0.notified()).await;
        let refreshed = assignment.refresh(false).await;
        if refreshed.is_err() {
            assignment.source.note("the assignment of queues", &refreshed);
            tokio::time::sleep(config.retry_pause()).await;
        }
    }
}

/// The share of `me` when `members` divide `queues`: consecutive runs whose lengths differ by one at most, the
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

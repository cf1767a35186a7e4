//! Subscriptions to a topic.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use flashgate_supervision::Task;
use futures::future::join_all;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    RocketMq,
    assignment::{Assignment, GroupChanges, MessageModel, keep_assigned, keep_committing},
    presence::{Role, join, leave},
    pull::{Chunk, Source},
    session::Session,
};
use crate::{
    bus::Subscription,
    fault::BusError,
    message::{Delivery, Position, QueueId},
    names::{Group, Topic},
};

/// A subscription to one topic: either a member of a group whose members share the queues, starting at the group's
/// committed offsets (at the oldest message if the group is new), or a subscription without a group that receives
/// everything from now on.
///
/// Dropping it is like a crash: uncommitted messages go to the other members once the broker misses its heartbeats.
pub struct RocketMqSubscription {
    source: Arc<Source>,
    assignment: Arc<Assignment>,
    chunks: mpsc::Receiver<Chunk>,
    /// Pulled messages beyond the maximum of the last poll, with their holding.
    ready: VecDeque<(u64, Delivery)>,
    role: Option<Role>,
    announcing: Option<Task>,
    tasks: Vec<Task>,
}

impl RocketMqSubscription {
    pub(super) async fn start(
        mq: &RocketMq,
        group: Group,
        topic: Topic,
        share: MessageModel,
    ) -> Result<Self, BusError> {
        let changes = Arc::new(GroupChanges::default());
        let (sender, chunks) = mpsc::channel(mq.config.prefetched_chunks_max.get());
        let session = Session::new(mq, Arc::<GroupChanges>::clone(&changes));
        let mut tasks = Vec::new();
        let role = match share {
            MessageModel::Clustering => Some(Role::Consumer { group: group.clone(), topic: topic.clone() }),
            // The broker keeps no state for a broadcasting subscription, so it need not register.
            MessageModel::Broadcasting => None,
        };
        let mut announcing = match &role {
            Some(role) => Some(join(&session, role).await?),
            None => None,
        };
        let source = Arc::new(Source::new(Arc::clone(&session), group, topic));
        let assignment = Arc::new(Assignment::new(Arc::clone(&source), share, sender));
        if let Err(fault) = assignment.refresh(true).await {
            if let Some(role) = &role {
                leave(&session, role, announcing.take()).await;
            }
            return Err(fault);
        }
        tasks.push(mq.supervisor.spawn("bus_assignment", keep_assigned(Arc::clone(&assignment), changes)));
        tasks.push(mq.supervisor.spawn("bus_offsets", keep_committing(Arc::clone(&assignment))));
        Ok(Self { source, assignment, chunks, ready: VecDeque::new(), role, announcing, tasks })
    }

    /// [Leaves](Subscription::leave) the group and closes the connections.
    pub async fn shutdown(mut self) {
        self.leave().await;
    }

    /// The brokers of `queues` that do not answer now.
    async fn mute_queues(&self, queues: impl Iterator<Item = &QueueId>) -> BTreeSet<Arc<str>> {
        let mut mute = BTreeSet::new();
        for queue in queues {
            if !mute.contains(&queue.broker) && self.source.place(queue).is_mute().await {
                mute.insert(Arc::clone(&queue.broker));
            }
        }
        mute
    }

    fn make_ready(&mut self, chunk: Chunk) {
        if let Some(next) = chunk.goes_on_as {
            self.assignment.note_reset(chunk.holding, next);
        }
        self.ready.extend(chunk.deliveries.into_iter().map(|delivery| (chunk.holding, delivery)));
    }

    /// Moves up to `max` ready messages into `batch`, without those whose queue is no longer held.
    fn hand_over(&mut self, batch: &mut Vec<Delivery>, max: usize) {
        while batch.len() < max
            && let Some((holding, delivery)) = self.ready.pop_front()
        {
            if self.assignment.note_returned(holding, &delivery) {
                batch.push(delivery);
            }
        }
    }
}

#[async_trait]
impl Subscription for RocketMqSubscription {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let deadline = Instant::now() + wait;
        let mut batch = Vec::new();
        loop {
            self.hand_over(&mut batch, max);
            if batch.len() >= max {
                return Ok(batch);
            }
            if let Ok(chunk) = self.chunks.try_recv() {
                self.make_ready(chunk);
            } else if !batch.is_empty() {
                return Ok(batch);
            } else if let Ok(Some(chunk)) = timeout_at(deadline, self.chunks.recv()).await {
                self.make_ready(chunk);
            } else {
                return self.source.take_fault(self.assignment.count()).map_or(Ok(batch), Err);
            }
        }
    }

    fn position(&self) -> Vec<Position> {
        self.assignment.position()
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        if self.role.is_none() {
            return Ok(());
        }
        let (source, assignment) = (&self.source, &self.assignment);
        let mute = self.mute_queues(position.iter().map(|position| &position.queue)).await;
        let due = assignment.due(position, |queue| mute.contains(&queue.broker));
        let commits = due.into_iter().map(async |due| {
            match source.place(&due.queue).commit(&source.group, due.offset).await {
                Ok(()) => {
                    assignment.note_committed(due);
                    Ok(())
                }
                Err(fault) => {
                    tracing::warn!(topic = %source.topic, queue = %due.queue, error = %fault, "offset commit failed; retrying");
                    if assignment.note_owed(due) { Err(fault) } else { Ok(()) }
                }
            }
        });
        let committed = join_all(commits).await;
        committed.into_iter().collect()
    }

    async fn lag(&self) -> Result<u64, BusError> {
        let progress = self.assignment.progress();
        let mute = self.mute_queues(progress.iter().map(|(queue, _)| queue)).await;
        let all_are_mute = progress.iter().all(|(queue, _)| mute.contains(&queue.broker));
        let asked = progress.iter().filter(|(queue, _)| all_are_mute || !mute.contains(&queue.broker));
        let lags = asked.map(async |(queue, returned)| {
            let place = self.source.place(queue);
            let at = match (returned, &self.role) {
                (Some(returned), _) => *returned,
                (None, Some(_)) => place.committed(&self.source.group).await?,
                // A broadcasting subscription starts at the end: nothing returned means nothing came.
                (None, None) => return Ok(0),
            };
            Ok::<_, BusError>(place.latest().await?.saturating_sub(at))
        });
        let lags = join_all(lags).await;
        let all_failed = !lags.is_empty() && lags.iter().all(Result::is_err);
        if let (true, Some(Err(fault))) = (all_failed, lags.first()) {
            return Err(fault.clone());
        }
        Ok(lags.into_iter().filter_map(Result::ok).sum())
    }

    async fn leave(&mut self) {
        // A member that is about to leave must not pull any more.
        self.tasks.clear();
        if let Some(role) = self.role.take() {
            leave(&self.source.session, &role, self.announcing.take()).await;
        }
        self.source.session.close();
    }
}

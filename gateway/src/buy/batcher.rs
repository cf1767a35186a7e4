//! Groups intents by shard: intents that arrive while the lanes of a shard are busy form the next batches.
//!
//! Natural batching: there is no timer, and a lone intent is sent at once. Each shard has a bounded queue and a
//! few lanes; a free lane takes all waiting intents, up to the batch limit. One or two lanes are best: more lanes
//! make batches smaller and nothing faster.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Intent, Refusal, Shard, TraceContext, Verdict, id::ShardCount};
use flashgate_supervision::{Supervisor, Task};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    buy::{
        lane::Lane,
        queue::{Pending, ShardQueue},
    },
    config::BatcherConfig,
};

/// Submits intents to the queues.
pub struct Batcher {
    shards: ShardCount,
    queues: Vec<mpsc::Sender<Pending>>,
    deadline: Duration,
    shutdown: CancellationToken,
}

impl Batcher {
    /// Starts the lanes of every shard. The lanes end after the shutdown of `supervisor`, when the queues are empty.
    pub fn start(
        shards: ShardCount,
        config: &BatcherConfig,
        mut lane: impl FnMut(Shard, Arc<ShardQueue>) -> Lane,
        supervisor: &Supervisor,
    ) -> (Self, Vec<Task>) {
        let shutdown = supervisor.shutdown();
        let mut lanes = Vec::new();
        let mut queues = Vec::with_capacity(usize::from(shards.get()));
        for shard in shards.all() {
            let (sender, queue) = ShardQueue::new(config, shutdown.clone());
            let lane = Arc::new(lane(shard, Arc::new(queue)));
            for _ in 0..config.lanes_per_shard.get() {
                lanes.push(supervisor.spawn("lane", Arc::clone(&lane).work()));
            }
            queues.push(sender);
        }
        (Self { shards, queues, deadline: config.intent_deadline(), shutdown: shutdown.clone() }, lanes)
    }

    /// The verdict on `intent`, from its batch.
    pub async fn submit(&self, intent: Intent, trace: Option<Box<TraceContext>>) -> Verdict {
        if self.shutdown.is_cancelled() {
            return Verdict::Refused(Refusal::Draining);
        }
        let shard = intent.sale().shard(self.shards);
        let Some(queue) = self.queues.get(usize::from(shard.get())) else {
            return Verdict::Refused(Refusal::Overloaded);
        };
        let (pending, verdict) = Pending::new(intent, trace, Instant::now() + self.deadline);
        match queue.try_send(pending) {
            // A lane that dies with the intent leaves the outcome unknown.
            Ok(()) => verdict.await.unwrap_or(Verdict::Unknown),
            Err(TrySendError::Full(_)) => Verdict::Refused(Refusal::Overloaded),
            Err(TrySendError::Closed(_)) => Verdict::Refused(Refusal::Draining),
        }
    }
}

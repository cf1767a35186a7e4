//! Gets a chunk decided: retries while the store is down, and finds the rejected batch.

use std::{mem, sync::Arc};

use flashgate_domain::{Backoff, Batch, BatchOutcome, Clock, Timestamp};
use flashgate_order_store::{OrderRepository, Placed, StoreError};
use metrics::counter;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Abandoned, Dependencies,
    blocked::Blocked,
    chunk::{DeadMessage, Taken},
    pause,
};
use crate::{health::Health, lifecycle::TimerSender};

/// The result of a chunk.
#[derive(Debug, Default)]
pub(super) struct Placement {
    pub(super) outcomes: Vec<BatchOutcome>,
    pub(super) dead: Vec<DeadMessage>,
    /// Batches with an order of a sale that turned out to be blocked.
    pub(super) blocked: Vec<Taken>,
}

pub(super) struct Placer {
    store: Arc<dyn OrderRepository>,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
    timers: TimerSender,
    blocked: Arc<Blocked>,
    /// Limits how many chunks that wait for the same sale retry at once when it is free.
    turns: Semaphore,
    backoff: Backoff,
}

impl Placer {
    pub(super) fn new(
        dependencies: &Dependencies,
        blocked: Arc<Blocked>,
        turns: usize,
        backoff: Backoff,
    ) -> Self {
        let (store, clock, health) = (
            Arc::clone(&dependencies.store),
            Arc::clone(&dependencies.clock),
            Arc::clone(&dependencies.health),
        );
        let turns = Semaphore::new(turns.min(Semaphore::MAX_PERMITS));
        let timers = dependencies.timers.clone();
        Self { store, clock, health, timers, blocked, turns, backoff }
    }

    /// Decides batches, and carries `dead` along. If the store rejects the values of a group without naming the
    /// batch, the group is bisected until the rejected batch is found. Batches of blocked sales are left undecided.
    pub(super) async fn place(
        &self,
        batches: Vec<Taken>,
        dead: Vec<DeadMessage>,
        shutdown: &CancellationToken,
    ) -> Result<Placement, Abandoned> {
        let mut placement = Placement { dead, ..Placement::default() };
        let mut undecided = vec![batches];
        while let Some(mut part) = undecided.pop() {
            if part.is_empty() {
                continue;
            }
            match self.apply_with_retry(&part, shutdown).await? {
                Ok((placed_at, placed)) => {
                    self.health.progress();
                    let before = placement.outcomes.len();
                    placement.take(part, placed);
                    self.timers.send(placed_at, placement.outcomes.get(before..).unwrap_or_default());
                }
                Err(StoreError::Blocked { sales }) => {
                    self.blocked.add(&sales);
                    let (free, blocked) = self.blocked.divide(part);
                    placement.blocked.extend(blocked);
                    undecided.push(free);
                }
                Err(refused) if part.len() == 1 => {
                    placement.dead_letter(mem::take(&mut part), refused.code(), &refused.to_string());
                }
                Err(refused) => {
                    warn!(error = %refused, batches = part.len(), "bisecting chunk to find the rejected batch");
                    let rest = part.split_off(part.len() / 2);
                    // A stack: the earlier half goes on top.
                    undecided.extend([rest, part]);
                }
            }
        }
        Ok(placement)
    }

    /// Retries until the store accepts, with the time of the call, or rejects the batches. Nothing is lost meanwhile: the broker keeps what is
    /// not acknowledged.
    async fn apply_with_retry(
        &self,
        part: &[Taken],
        shutdown: &CancellationToken,
    ) -> Result<Result<(Timestamp, Vec<Placed>), StoreError>, Abandoned> {
        let batches: Vec<Batch> = part.iter().map(|taken| taken.batch.clone()).collect();
        let mut retry = 0;
        loop {
            let (now, applied) = {
                let _turn = self.turns.acquire().await;
                let now = self.clock.now();
                (now, self.store.apply(&batches, now).await)
            };
            match applied {
                Err(fault @ StoreError::Blocked { .. }) => return Ok(Err(fault)),
                Err(fault) if fault.retry_safe() => {
                    if matches!(fault, StoreError::Unavailable(_)) {
                        self.health.store(false);
                    }
                    counter!("flashgate_worker_apply_retries_total", "reason" => fault.code()).increment(1);
                    warn!(error = %fault, retry, "applying a chunk failed; retrying");
                    pause(&self.backoff, retry, shutdown).await?;
                    retry += 1;
                }
                opinion => {
                    self.health.store(true);
                    return Ok(opinion.map(|placed| (now, placed)));
                }
            }
        }
    }
}

impl Placement {
    /// One of `placed` for each of `part`, as the store promises.
    fn take(&mut self, part: Vec<Taken>, placed: Vec<Placed>) {
        debug_assert_eq!(part.len(), placed.len(), "one for each batch");
        for (taken, placed) in part.into_iter().zip(placed) {
            match placed {
                Placed::Decided(outcome) => self.outcomes.push(outcome),
                Placed::Rejected(why) => self.dead_letter(vec![taken], why.code(), &why.to_string()),
            }
        }
    }

    fn dead_letter(&mut self, batches: Vec<Taken>, reason: &'static str, detail: &str) {
        for Taken { batch, delivery, ledger: _ } in batches {
            error!(batch_id = %batch.id(), reason, detail, "batch rejected; moving it to the dead letters");
            self.dead.push(DeadMessage { delivery, reason, detail: detail.to_owned() });
        }
    }
}

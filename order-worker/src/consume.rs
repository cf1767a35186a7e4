//! The life of a chunk: take, decide, announce, and only then acknowledge.
//!
//! Every step can be repeated without harm: a batch is decided once ([`OrderStore::apply`]), its outcome is the
//! same each time it is published, and whoever reads outcomes or dead letters drops doubles. So a crash
//! anywhere, or leaving in the middle, costs nothing but the repetition. For the same reason several chunks may be
//! at work at once; they are acknowledged in the order in which they came.

mod announce;
mod chunk;
mod pace;
mod place;

use std::{sync::Arc, time::Duration};

use announce::Announcer;
pub use announce::Topics;
use chunk::{Chunk, Gathering};
use flashgate_domain::Clock;
use flashgate_messaging::{BusFault, Position, Publisher, Subscription};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use metrics::{gauge, histogram};
use pace::Pace;
use place::Placer;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::{backoff::Backoff, config::ConsumeConfig, health::Health, store::OrderStore};

/// What the consumer works with.
#[derive(Clone)]
pub struct Parts {
    /// Where orders are placed.
    pub store: Arc<dyn OrderStore>,
    /// Sends outcomes and dead letters.
    pub publisher: Arc<dyn Publisher>,
    /// Where they go.
    pub topics: Topics,
    /// Stamps rows.
    pub clock: Arc<dyn Clock>,
    /// Learns whether store and broker answer.
    pub health: Arc<Health>,
}

/// Takes batches from a subscription for as long as it is let.
pub struct Consumer<S> {
    subscription: S,
    placer: Arc<Placer>,
    announcer: Arc<Announcer>,
    health: Arc<Health>,
    config: ConsumeConfig,
    backoff: Backoff,
    lag_asked_at: Option<Instant>,
    gathering: Gathering,
    pace: Pace,
    /// The chunks that are decided and announced, the earliest first.
    at_work: FuturesOrdered<BoxFuture<'static, Result<Done, Abandoned>>>,
    /// Whether several batches came while the last chunk was at work: then the next one is worth a short wait.
    is_busy: bool,
}

/// Why a chunk was left before its offsets were acknowledged. It comes again.
#[derive(Debug, Error)]
pub enum Abandoned {
    /// The worker was told to leave while the store or the broker was away.
    #[error("told to leave while waiting")]
    Leaving,
    /// This end of the broker's connection was shut down.
    #[error("the connection to the broker was shut down")]
    BusClosed,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Batches decided, in this step or before.
    pub batches: usize,
    /// Orders of those.
    pub orders: usize,
    /// Messages that went to the dead letters.
    pub dead_letters: usize,
}

/// A chunk that is decided and announced, and to be acknowledged.
struct Done {
    step: Step,
    position: Vec<Position>,
    began_at: Instant,
}

impl<S: Subscription> Consumer<S> {
    /// `seed` draws the pauses before retries.
    pub fn new(subscription: S, parts: Parts, config: ConsumeConfig, seed: u64) -> Self {
        let backoff = |salt| Backoff::new(config.retry_pause_min(), config.retry_pause_max(), seed ^ salt);
        let placer = Placer::new(parts.store, parts.clock, Arc::clone(&parts.health), backoff(1));
        let health = Arc::clone(&parts.health);
        let announcer = Announcer::new(
            parts.publisher,
            parts.topics,
            config.outcomes_bytes_max.get(),
            Arc::clone(&parts.health),
            backoff(2),
        );
        let backoff = backoff(3);
        let pace = Pace::new(config.orders_per_second_max);
        Self {
            subscription,
            placer: Arc::new(placer),
            announcer: Arc::new(announcer),
            health,
            config,
            backoff,
            lag_asked_at: None,
            gathering: Gathering::default(),
            pace,
            at_work: FuturesOrdered::new(),
            is_busy: false,
        }
    }

    /// Takes chunk after chunk until `leave` is cancelled, finishing those at hand. Returns the subscription,
    /// whose owner can leave its group in order.
    pub async fn run(mut self, leave: CancellationToken) -> S {
        if let Err(abandoned) = self.work(&leave).await {
            warn!(%abandoned, "a chunk was not finished; it comes again");
        }
        self.subscription
    }

    async fn work(&mut self, leave: &CancellationToken) -> Result<(), Abandoned> {
        while !leave.is_cancelled() {
            self.step(leave).await?;
            self.report_lag().await;
        }
        while let Some(done) = self.at_work.next().await {
            self.acknowledge(done?, leave).await?;
        }
        Ok(())
    }

    /// Takes chunks, if there are any within the time of a poll, and finishes the earliest one that is at work.
    ///
    /// # Errors
    /// [`Abandoned`], with nothing of that chunk and of those after it acknowledged.
    pub async fn step(&mut self, leave: &CancellationToken) -> Result<Step, Abandoned> {
        loop {
            let has_room = self.at_work.len() < self.config.chunks_in_flight.get();
            let (wait, linger) = (self.pace.wait(), self.linger());
            let gathered = tokio::select! {
                biased;
                Some(done) = self.at_work.next() => return self.acknowledge(done?, leave).await,
                gathered = self.gathering.chunk(&mut self.subscription, &self.config, wait, linger), if has_room => gathered,
            };
            match gathered {
                Ok(chunk) if !chunk.is_empty() => self.begin(chunk, leave),
                Err(BusFault::Closed) => return Err(Abandoned::BusClosed),
                _nothing if !self.at_work.is_empty() => {}
                // Says nothing about the broker, which may be silent: [`Consumer::report_lag`] asks it.
                Ok(_empty) => return Ok(Step::default()),
                Err(fault) => {
                    self.health.bus(false);
                    warn!(%fault, code = fault.code(), "no batches can be taken");
                    pause(&self.backoff, 0, leave).await?;
                    return Ok(Step::default());
                }
            }
        }
    }

    fn linger(&self) -> Duration {
        if self.is_busy { self.config.chunk_linger() } else { Duration::ZERO }
    }

    /// Has a chunk decided and announced from now on.
    fn begin(&mut self, chunk: Chunk, leave: &CancellationToken) {
        self.is_busy = chunk.batches.len() > 1;
        self.pace.spend(chunk.orders());
        self.health.bus(true);
        #[cfg(feature = "failpoints")]
        flashgate_service::failpoint::hit("after_poll");
        debug!(batch_ids = ?chunk.batch_ids(), undecodable = chunk.dead.len(), "taken");
        histogram!("flashgate_worker_chunk_batches").record(float(chunk.batches.len()));
        histogram!("flashgate_worker_chunk_orders").record(float(chunk.orders()));

        let span = info_span!("chunk", batches = chunk.batches.len(), orders = chunk.orders());
        let (began_at, position) = (Instant::now(), self.subscription.position());
        let work =
            decide_and_announce(Arc::clone(&self.placer), Arc::clone(&self.announcer), chunk, leave.clone());
        let done = async move { Ok(Done { step: work.await?, position, began_at }) };
        self.at_work.push_back(done.instrument(span).boxed());
    }

    async fn acknowledge(&mut self, done: Done, leave: &CancellationToken) -> Result<Step, Abandoned> {
        #[cfg(feature = "failpoints")]
        flashgate_service::failpoint::hit("before_offset_commit");
        let mut retry = 0;
        while let Err(fault) = self.subscription.commit(&done.position).await {
            self.health.bus(false);
            warn!(%fault, code = fault.code(), retry, "offsets could not be acknowledged");
            if fault == BusFault::Closed {
                return Err(Abandoned::BusClosed);
            }
            pause(&self.backoff, retry, leave).await?;
            retry += 1;
        }
        self.health.bus(true);
        histogram!("flashgate_worker_chunk_seconds").record(done.began_at.elapsed().as_secs_f64());
        Ok(done.step)
    }

    async fn report_lag(&mut self) {
        let is_due = self.lag_asked_at.is_none_or(|at| at.elapsed() >= self.config.lag_interval());
        if !is_due {
            return;
        }
        self.lag_asked_at = Some(Instant::now());
        match self.subscription.lag().await {
            Ok(messages) => {
                self.health.bus(true);
                // A gauge is a float; what it loses above 2^53 messages nobody will miss.
                let messages = u32::try_from(messages).unwrap_or(u32::MAX);
                gauge!("flashgate_worker_consumer_lag_messages").set(f64::from(messages));
            }
            Err(fault) => {
                self.health.bus(false);
                debug!(%fault, "the lag is not known");
            }
        }
    }
}

async fn decide_and_announce(
    placer: Arc<Placer>,
    announcer: Arc<Announcer>,
    chunk: Chunk,
    leave: CancellationToken,
) -> Result<Step, Abandoned> {
    let placement = placer.place(chunk, &leave).await?;
    let step = Step {
        batches: placement.outcomes.len(),
        orders: placement.outcomes.iter().map(|batch| batch.orders.len()).sum(),
        dead_letters: placement.dead.len(),
    };
    announcer.dead_letters(placement.dead, &leave).await?;
    announcer.outcomes(&placement.outcomes, &leave).await?;
    #[cfg(feature = "failpoints")]
    flashgate_service::failpoint::hit("after_outcomes");
    Ok(step)
}

/// Waits before retry number `retry`, unless the worker is to leave.
pub(crate) async fn pause(backoff: &Backoff, retry: u32, leave: &CancellationToken) -> Result<(), Abandoned> {
    let pause: Duration = backoff.pause(retry);
    tokio::select! {
        biased;
        () = leave.cancelled() => Err(Abandoned::Leaving),
        () = sleep(pause) => Ok(()),
    }
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

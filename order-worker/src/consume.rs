//! The life of a chunk: take, decide, publish, and only then acknowledge.
//!
//! Every step is idempotent: a batch is decided once
//! ([`OrderRepository::apply`](flashgate_order_store::OrderRepository::apply)), its outcome is the same each time it is
//! published, and readers of outcomes or dead letters drop duplicates. So a crash or a shutdown at any point costs only
//! the repetition. For the same reason several chunks may be processed concurrently; they are acknowledged in the order
//! in which they were taken.

mod at_work;
mod belonging;
mod blocked;
mod chunk;
mod place;
mod rate_limiter;
mod result_publisher;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use at_work::AtWork;
use belonging::Belonging;
use blocked::Blocked;
use chunk::{Chunk, ChunkBuilder};
use flashgate_domain::{Backoff, Clock};
use flashgate_messaging::{BusError, Position, Publisher, Subscription};
use flashgate_order_store::OrderStore;
use flashgate_supervision::failpoint;
use metrics::{gauge, histogram};
use place::Placer;
use rate_limiter::RateLimiter;
use result_publisher::ResultPublisher;
pub use result_publisher::Topics;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::{
    config::ConsumeConfig,
    health::{Health, Unfinished},
    lifecycle::TimerSender,
};

/// The dependencies of the consumer.
#[derive(Clone)]
pub struct Dependencies {
    /// Where orders are placed.
    pub store: Arc<dyn OrderStore>,
    /// Sends outcomes and dead letters.
    pub publisher: Arc<dyn Publisher>,
    /// The topics for both.
    pub topics: Topics,
    /// The time for stored rows.
    pub clock: Arc<dyn Clock>,
    /// Gets the state of store and broker.
    pub health: Arc<Health>,
    /// Takes what was placed.
    pub timers: TimerSender,
}

/// Takes batches from a subscription until shutdown.
pub struct Consumer<S> {
    subscription: S,
    placer: Arc<Placer>,
    result_publisher: Arc<ResultPublisher>,
    belonging: Arc<Belonging>,
    health: Arc<Health>,
    config: ConsumeConfig,
    backoff: Backoff,
    lag_asked_at: Option<Instant>,
    chunk_builder: ChunkBuilder,
    rate_limiter: RateLimiter,
    at_work: AtWork,
    /// Batches that wait for sales with locked rows.
    blocked: Arc<Blocked>,
    /// How many chunks are being decided and published, without those that only wait for locked sales.
    busy: Arc<AtomicUsize>,
    /// Whether several batches arrived during the last chunk: then a short wait for more pays off.
    is_busy: bool,
}

/// Why a chunk was abandoned before its offsets were acknowledged. The chunk is redelivered.
#[derive(Debug, Error)]
pub enum Abandoned {
    /// Shutdown began while the store or the broker was down.
    #[error("shut down while waiting")]
    ShuttingDown,
    /// The chunks in process took too long after shutdown began.
    #[error("shutdown timeout")]
    TooLate,
    /// A batch is of another ledger than the order store's.
    #[error("a batch belongs to another deployment")]
    ForeignBatch,
    /// The client's connection to the broker was shut down.
    #[error("the connection to the broker was shut down")]
    BusClosed,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Batches decided, in this step or before.
    pub batches: usize,
    /// Orders of those batches.
    pub orders: usize,
    /// Messages that were published as dead letters.
    pub dead_letters: usize,
}

/// A chunk that is decided and published, and not acknowledged yet.
struct Done {
    step: Step,
    position: Vec<Position>,
    began_at: Instant,
}

impl<S: Subscription> Consumer<S> {
    /// `seed` determines the pauses before retries.
    pub fn new(subscription: S, dependencies: Dependencies, config: ConsumeConfig, seed: u64) -> Self {
        let backoff = |salt| config.retry_backoff(seed ^ salt);
        let blocked = Arc::new(Blocked::new(dependencies.store.clone()));
        let turns = config.chunks_in_flight.get();
        let placer = Placer::new(&dependencies, Arc::clone(&blocked), turns, backoff(1));
        let health = Arc::clone(&dependencies.health);
        let belonging = Belonging::new(dependencies.store.clone(), Arc::clone(&health), backoff(4));
        let result_publisher = ResultPublisher {
            publisher: dependencies.publisher,
            topics: dependencies.topics,
            outcomes_bytes_max: config.outcomes_bytes_max.get(),
            health: Arc::clone(&dependencies.health),
            backoff: backoff(2),
        };
        let backoff = backoff(3);
        let rate_limiter = RateLimiter::new(config.orders_per_second_max);
        Self {
            subscription,
            placer: Arc::new(placer),
            result_publisher: Arc::new(result_publisher),
            belonging: Arc::new(belonging),
            health,
            config,
            backoff,
            lag_asked_at: None,
            chunk_builder: ChunkBuilder::default(),
            rate_limiter,
            at_work: AtWork::default(),
            blocked,
            busy: Arc::default(),
            is_busy: false,
        }
    }

    /// Takes chunk after chunk until `shutdown` is cancelled, then finishes the chunks in process, limited by
    /// `drain_timeout_ms`. Returns the subscription, so that its owner can leave the group in order.
    pub async fn run(mut self, shutdown: CancellationToken) -> S {
        let limit = self.config.drain_timeout();
        let too_late = async {
            shutdown.cancelled().await;
            sleep(limit).await;
        };
        let ended = tokio::select! {
            biased;
            ended = self.work(&shutdown) => ended,
            () = too_late => Err(Abandoned::TooLate),
        };
        if let Err(abandoned) = ended {
            warn!(error = %abandoned, "chunks abandoned; will be redelivered");
        }
        self.subscription
    }

    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), Abandoned> {
        while !shutdown.is_cancelled() {
            self.step(shutdown).await?;
            shutdown.run_until_cancelled(self.report_lag()).await;
        }
        while let Some(done) = self.at_work.next().await {
            self.acknowledge(done?, shutdown).await?;
        }
        Ok(())
    }

    /// Takes the chunks that arrive within the poll timeout, and finishes the earliest chunk in process.
    ///
    /// # Errors
    /// [`Abandoned`]: nothing of that chunk or of later ones is acknowledged.
    pub async fn step(&mut self, shutdown: &CancellationToken) -> Result<Step, Abandoned> {
        loop {
            let has_room = self.has_room();
            let (wait, linger) = (self.rate_limiter.wait(), self.linger());
            let poll_wait = self.config.poll_wait();
            let gathered = tokio::select! {
                biased;
                Some(done) = self.at_work.next() => return self.acknowledge(done?, shutdown).await,
                () = shutdown.cancelled() => return Ok(Step::default()),
                () = sleep(poll_wait), if !has_room => Ok(Chunk::default()),
                gathered = self.chunk_builder.chunk(&mut self.subscription, &self.config, wait, linger), if has_room => gathered,
            };
            match gathered {
                Ok(chunk) if !chunk.is_empty() => self.begin(chunk, shutdown),
                Err(BusError::Closed) => return Err(Abandoned::BusClosed),
                _nothing if self.busy.load(Ordering::Acquire) > 0 => {}
                // An empty poll does not show that the broker answers: [`Consumer::report_lag`] asks it.
                Ok(_empty) => return Ok(Step::default()),
                Err(fault) => {
                    self.health.bus(false);
                    warn!(error = %fault, code = fault.code(), "polling batches failed; retrying");
                    pause(&self.backoff, 0, shutdown).await?;
                    return Ok(Step::default());
                }
            }
        }
    }

    /// Whether another chunk may be taken.
    fn has_room(&self) -> bool {
        self.busy.load(Ordering::Acquire) < self.config.chunks_in_flight.get()
            && self.blocked.orders() < self.config.parked_orders_max.get()
    }

    fn linger(&self) -> Duration {
        if self.is_busy { Duration::from_millis(self.config.chunk_linger_ms) } else { Duration::ZERO }
    }

    /// Starts to decide and publish a chunk.
    fn begin(&mut self, chunk: Chunk, shutdown: &CancellationToken) {
        self.is_busy = chunk.batches.len() > 1;
        self.rate_limiter.spend(chunk.orders());
        self.health.bus(true);
        failpoint::hit("after_poll");
        debug!(batch_ids = ?chunk.batch_ids(), undecodable = chunk.dead.len(), "taken");
        histogram!("flashgate_worker_chunk_batches").record(float(chunk.batches.len()));
        histogram!("flashgate_worker_chunk_orders").record(float(chunk.orders()));

        let span = info_span!("chunk", batches = chunk.batches.len(), orders = chunk.orders());
        let (began_at, position) = (Instant::now(), self.subscription.position());
        let work = Work {
            placer: Arc::clone(&self.placer),
            result_publisher: Arc::clone(&self.result_publisher),
            belonging: Arc::clone(&self.belonging),
            blocked: Arc::clone(&self.blocked),
            busy: Busy::of(&self.busy),
            shutdown: shutdown.clone(),
            unfinished: Arc::clone(&self.health).chunk_begins(),
        };
        let done = async move { Ok(Done { step: work.through(chunk).await?, position, began_at }) };
        self.at_work.push(done.instrument(span));
    }

    async fn acknowledge(&mut self, done: Done, shutdown: &CancellationToken) -> Result<Step, Abandoned> {
        failpoint::hit("before_offset_commit");
        let mut retry = 0;
        while let Err(fault) = self.subscription.commit(&done.position).await {
            self.health.bus(false);
            warn!(error = %fault, code = fault.code(), retry, "offset commit failed; retrying");
            if fault == BusError::Closed {
                return Err(Abandoned::BusClosed);
            }
            pause(&self.backoff, retry, shutdown).await?;
            retry += 1;
        }
        self.health.bus(true);
        histogram!("flashgate_worker_chunk_seconds").record(done.began_at.elapsed().as_secs_f64());
        Ok(done.step)
    }

    async fn report_lag(&mut self) {
        let interval = Duration::from_millis(self.config.lag_interval_ms.get());
        let is_due = self.lag_asked_at.is_none_or(|at| at.elapsed() >= interval);
        if !is_due {
            return;
        }
        self.lag_asked_at = Some(Instant::now());
        match self.subscription.lag().await {
            Ok(messages) => {
                self.health.bus(true);
                // The gauge saturates at `u32::MAX` messages.
                let messages = u32::try_from(messages).unwrap_or(u32::MAX);
                gauge!("flashgate_worker_consumer_lag_messages").set(f64::from(messages));
            }
            Err(fault) => {
                self.health.bus(false);
                debug!(error = %fault, "reading the consumer lag failed");
            }
        }
    }
}

impl Done {
    /// Adds a chunk that was taken later.
    fn extend(&mut self, later: Self) {
        self.step.batches += later.step.batches;
        self.step.orders += later.step.orders;
        self.step.dead_letters += later.step.dead_letters;
        self.position = later.position;
    }
}

/// Counts a chunk as busy until dropped.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The parts that process one chunk.
struct Work {
    placer: Arc<Placer>,
    result_publisher: Arc<ResultPublisher>,
    belonging: Arc<Belonging>,
    blocked: Arc<Blocked>,
    busy: Busy,
    shutdown: CancellationToken,
    unfinished: Unfinished,
}

impl Work {
    /// Decides and publishes the chunk; the batches of blocked sales as soon as their rows are free, without blocking
    /// the next chunk meanwhile.
    async fn through(self, chunk: Chunk) -> Result<Step, Abandoned> {
        let Self { placer, result_publisher, belonging, blocked, busy, shutdown, unfinished: _unfinished } =
            self;
        let ledger = belonging.ledger_of(&chunk, &shutdown).await?;
        let traces = chunk.traces();
        let (mut step, mut busy) = (Step::default(), Some(busy));
        let Chunk { batches: mut rest, mut dead } = chunk;
        loop {
            let (free, held) = blocked.divide(rest);
            let placement = placer.place(free, dead, &shutdown).await?;
            step.batches += placement.outcomes.len();
            step.orders += placement.outcomes.iter().map(|batch| batch.orders.len()).sum::<usize>();
            step.dead_letters += placement.dead.len();
            result_publisher.dead_letters(placement.dead, &shutdown).await?;
            result_publisher.outcomes(&placement.outcomes, ledger, &traces, &shutdown).await?;
            failpoint::hit("after_outcomes");
            (rest, dead) = (held, Vec::new());
            rest.extend(placement.blocked);
            if rest.is_empty() {
                return Ok(step);
            }
            let _parked = blocked.park(&rest);
            drop(busy.take());
            rest = until_some_is_free(&blocked, rest, &shutdown).await?;
        }
    }
}

/// Waits until at least one of the batches can be placed.
async fn until_some_is_free(
    blocked: &Blocked,
    mut batches: Vec<chunk::Taken>,
    shutdown: &CancellationToken,
) -> Result<Vec<chunk::Taken>, Abandoned> {
    loop {
        blocked.look(shutdown).await?;
        let (mut free, held) = blocked.divide(batches);
        let is_over = !free.is_empty();
        free.extend(held);
        batches = free;
        if is_over {
            return Ok(batches);
        }
    }
}

/// Waits before retry number `retry`; ends early at shutdown.
pub(crate) async fn pause(
    backoff: &Backoff,
    retry: u32,
    shutdown: &CancellationToken,
) -> Result<(), Abandoned> {
    let slept = shutdown.run_until_cancelled(sleep(backoff.pause(retry))).await;
    slept.ok_or(Abandoned::ShuttingDown)
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

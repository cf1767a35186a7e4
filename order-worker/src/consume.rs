//! The life of a chunk: take, decide, announce, and only then acknowledge.
//!
//! Every step can be repeated without harm: a batch is decided once ([`OrderStore::apply`]), its outcome is the
//! same each time it is published, and whoever reads outcomes or dead letters drops doubles. So a crash
//! anywhere, or leaving in the middle, costs nothing but the repetition. For the same reason several chunks may be
//! at work at once; they are acknowledged in the order in which they came.

mod announce;
mod at_work;
mod belonging;
mod blocked;
mod chunk;
mod pace;
mod place;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use announce::Announcer;
pub use announce::Topics;
use at_work::AtWork;
use belonging::Belonging;
use blocked::Blocked;
use chunk::{Chunk, Gathering};
use flashgate_domain::{Backoff, Clock};
use flashgate_messaging::{BusFault, Position, Publisher, Subscription};
use flashgate_order_store::OrderStore;
use metrics::{gauge, histogram};
use pace::Pace;
use place::Placer;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::{
    config::ConsumeConfig,
    health::{Health, Unfinished},
};

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
    belonging: Arc<Belonging>,
    health: Arc<Health>,
    config: ConsumeConfig,
    backoff: Backoff,
    lag_asked_at: Option<Instant>,
    gathering: Gathering,
    pace: Pace,
    at_work: AtWork,
    /// What waits for sales that others hold.
    blocked: Arc<Blocked>,
    /// How many chunks are decided and announced, those aside of which all that is left waits.
    busy: Arc<AtomicUsize>,
    /// Whether several batches came while the last chunk was at work: then the next one is worth a short wait.
    is_busy: bool,
}

/// Why a chunk was left before its offsets were acknowledged. It comes again.
#[derive(Debug, Error)]
pub enum Abandoned {
    /// The worker was told to leave while the store or the broker was away.
    #[error("told to leave while waiting")]
    Leaving,
    /// What was at hand took too long after the worker was told to leave.
    #[error("told to leave, and not done in time")]
    TooLate,
    /// A batch is of another ledger than the order store's.
    #[error("a batch belongs to another deployment")]
    AmongStrangers,
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
        let blocked = Arc::new(Blocked::new(parts.store.clone()));
        let turns = config.chunks_in_flight.get();
        let placer = Placer::new(&parts, Arc::clone(&blocked), turns, backoff(1));
        let health = Arc::clone(&parts.health);
        let belonging = Belonging::new(parts.store.clone(), Arc::clone(&health), backoff(4));
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
            belonging: Arc::new(belonging),
            health,
            config,
            backoff,
            lag_asked_at: None,
            gathering: Gathering::default(),
            pace,
            at_work: AtWork::default(),
            blocked,
            busy: Arc::default(),
            is_busy: false,
        }
    }

    /// Takes chunk after chunk until `leave` is cancelled, finishing those at hand, for as long as `drain_timeout_ms`
    /// allows. Returns the subscription, whose owner can leave its group in order.
    pub async fn run(mut self, leave: CancellationToken) -> S {
        let limit = self.config.drain_timeout();
        let too_late = async {
            leave.cancelled().await;
            sleep(limit).await;
        };
        let ended = tokio::select! {
            biased;
            ended = self.work(&leave) => ended,
            () = too_late => Err(Abandoned::TooLate),
        };
        if let Err(abandoned) = ended {
            warn!(%abandoned, "chunks were not finished; they come again");
        }
        self.subscription
    }

    async fn work(&mut self, leave: &CancellationToken) -> Result<(), Abandoned> {
        while !leave.is_cancelled() {
            self.step(leave).await?;
            leave.run_until_cancelled(self.report_lag()).await;
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
            let has_room = self.has_room();
            let (wait, linger) = (self.pace.wait(), self.linger());
            let poll_wait = self.config.poll_wait();
            let gathered = tokio::select! {
                biased;
                Some(done) = self.at_work.next() => return self.acknowledge(done?, leave).await,
                () = leave.cancelled() => return Ok(Step::default()),
                () = sleep(poll_wait), if !has_room => Ok(Chunk::default()),
                gathered = self.gathering.chunk(&mut self.subscription, &self.config, wait, linger), if has_room => gathered,
            };
            match gathered {
                Ok(chunk) if !chunk.is_empty() => self.begin(chunk, leave),
                Err(BusFault::Closed) => return Err(Abandoned::BusClosed),
                _nothing if self.busy.load(Ordering::Acquire) > 0 => {}
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

    /// Whether another chunk may be taken.
    fn has_room(&self) -> bool {
        self.busy.load(Ordering::Acquire) < self.config.chunks_in_flight.get()
            && self.blocked.orders() < self.config.parked_orders_max.get()
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
        flashgate_supervision::failpoint::hit("after_poll");
        debug!(batch_ids = ?chunk.batch_ids(), undecodable = chunk.dead.len(), "taken");
        histogram!("flashgate_worker_chunk_batches").record(float(chunk.batches.len()));
        histogram!("flashgate_worker_chunk_orders").record(float(chunk.orders()));

        let span = info_span!("chunk", batches = chunk.batches.len(), orders = chunk.orders());
        let (began_at, position) = (Instant::now(), self.subscription.position());
        let work = Work {
            placer: Arc::clone(&self.placer),
            announcer: Arc::clone(&self.announcer),
            belonging: Arc::clone(&self.belonging),
            blocked: Arc::clone(&self.blocked),
            busy: Busy::of(&self.busy),
            leave: leave.clone(),
            unfinished: Arc::clone(&self.health).chunk_begins(),
        };
        let done = async move { Ok(Done { step: work.through(chunk).await?, position, began_at }) };
        self.at_work.push(done.instrument(span));
    }

    async fn acknowledge(&mut self, done: Done, leave: &CancellationToken) -> Result<Step, Abandoned> {
        #[cfg(feature = "failpoints")]
        flashgate_supervision::failpoint::hit("before_offset_commit");
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

impl Done {
    /// Adds a chunk that came after it.
    fn extend(&mut self, later: Self) {
        self.step.batches += later.step.batches;
        self.step.orders += later.step.orders;
        self.step.dead_letters += later.step.dead_letters;
        self.position = later.position;
    }
}

/// Counts as busy until it is dropped.
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

/// What works on one chunk.
struct Work {
    placer: Arc<Placer>,
    announcer: Arc<Announcer>,
    belonging: Arc<Belonging>,
    blocked: Arc<Blocked>,
    busy: Busy,
    leave: CancellationToken,
    unfinished: Unfinished,
}

impl Work {
    /// Decides and announces the chunk; the batches of blocked sales as soon as those are free, without keeping another
    /// chunk from being taken meanwhile.
    async fn through(self, chunk: Chunk) -> Result<Step, Abandoned> {
        let Self { placer, announcer, belonging, blocked, busy, leave, unfinished: _unfinished } = self;
        let ledger = belonging.ledger_of(&chunk, &leave).await?;
        let (mut step, mut busy) = (Step::default(), Some(busy));
        let Chunk { batches: mut rest, mut dead } = chunk;
        loop {
            let (free, held) = blocked.divide(rest);
            let placement = placer.place(free, dead, &leave).await?;
            step.batches += placement.outcomes.len();
            step.orders += placement.outcomes.iter().map(|batch| batch.orders.len()).sum::<usize>();
            step.dead_letters += placement.dead.len();
            announcer.dead_letters(placement.dead, &leave).await?;
            announcer.outcomes(&placement.outcomes, ledger, &leave).await?;
            #[cfg(feature = "failpoints")]
            flashgate_supervision::failpoint::hit("after_outcomes");
            (rest, dead) = (held, Vec::new());
            rest.extend(placement.blocked);
            if rest.is_empty() {
                return Ok(step);
            }
            let _parked = blocked.park(&rest);
            drop(busy.take());
            rest = until_some_is_free(&blocked, rest, &leave).await?;
        }
    }
}

/// Waits until at least one of the batches can be placed.
async fn until_some_is_free(
    blocked: &Blocked,
    mut batches: Vec<chunk::Taken>,
    leave: &CancellationToken,
) -> Result<Vec<chunk::Taken>, Abandoned> {
    loop {
        blocked.look(leave).await?;
        let (mut free, held) = blocked.divide(batches);
        let is_over = !free.is_empty();
        free.extend(held);
        batches = free;
        if is_over {
            return Ok(batches);
        }
    }
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

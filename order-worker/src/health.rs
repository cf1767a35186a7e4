//! Whether the worker can work: the source of readiness and gRPC health.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use flashgate_domain::Clock;
use flashgate_order_store::DeploymentRepository;
use flashgate_service::clocks::{self, Clocks, Peer};
use metrics::gauge;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Interval between probes of the store.
const PERIOD: Duration = Duration::from_secs(1);

/// Maximum time that chunks may be in process without a decided batch; beyond it the worker is not ready. Longer than
/// an abandoned session can hold a row.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The state of the worker's dependencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The order store took the last write, its schema is that of this version, and the batches taken from the broker
    /// are being decided.
    pub store_up: bool,
    /// The broker answered the last call.
    pub bus_up: bool,
    /// A batch of another ledger arrived: this worker, or another client, uses the wrong topics.
    pub foreign_batches: bool,
    /// The clock of this process differs too much from the order store's or the broker's.
    pub clocks_apart: bool,
    /// The last call to the payment provider failed. Batches are decided all the same, so the worker is ready.
    pub provider_failing: bool,
    /// Shutdown has begun.
    pub shutting_down: bool,
}

impl Condition {
    /// Whether batches are being decided.
    pub const fn is_ready(self) -> bool {
        self.store_up && self.bus_up && !self.foreign_batches && !self.clocks_apart && !self.shutting_down
    }

    /// The names of the dependencies that fail, and without which the worker is ready all the same.
    pub const fn degraded(self) -> &'static [&'static str] {
        if self.provider_failing { &[PROVIDER] } else { &[] }
    }
}

/// The name of the payment provider.
const PROVIDER: &str = "payment_provider";

/// Holds the condition: workers report changes, probes read it.
#[derive(Debug)]
pub struct Health {
    condition: watch::Sender<Condition>,
    work: Mutex<Work>,
    clocks: Clocks,
    shutdown: CancellationToken,
    shutdown_since: OnceLock<Instant>,
}

impl Default for Health {
    /// Accepts any clock difference.
    fn default() -> Self {
        Self::new(Duration::MAX, CancellationToken::new())
    }
}

/// The chunks in process.
#[derive(Debug, Default)]
struct Work {
    chunks: usize,
    /// When one of their batches was last decided, or the first chunk began.
    progress_at: Option<Instant>,
}

/// Counts a chunk as in process until dropped.
#[derive(Debug)]
pub(crate) struct Unfinished(Arc<Health>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut work = self.0.work.lock();
        work.chunks = work.chunks.saturating_sub(1);
    }
}

impl Health {
    /// Not ready while the clock differs from the order store's or the broker's by more than `clock_difference_max`,
    /// nor after `shutdown`.
    pub fn new(clock_difference_max: Duration, shutdown: CancellationToken) -> Self {
        Self {
            condition: watch::Sender::new(Condition::default()),
            work: Mutex::default(),
            clocks: Clocks::new(clock_difference_max),
            shutdown,
            shutdown_since: OnceLock::new(),
        }
    }

    /// The current condition.
    pub fn condition(&self) -> Condition {
        let condition = *self.condition.borrow();
        Condition { shutting_down: condition.shutting_down || self.shutdown.is_cancelled(), ..condition }
    }

    /// The condition and its changes.
    pub fn watch(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Records whether the order store answered.
    pub fn store(&self, up: bool) {
        export("order_store", up);
        self.change(|condition| condition.store_up = up);
    }

    /// Probes the store every second, without end: without orders, no other call would find it down. Also checks that
    /// chunks make progress, since a store that answers may still block them. Compares its clock with `clock`.
    pub async fn watch_store(self: Arc<Self>, store: Arc<dyn DeploymentRepository>, clock: Arc<dyn Clock>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let before = clock.now();
            let there = store.ping().await;
            if let Ok(there) = there {
                self.note_clock(Peer::Store, clocks::ahead_ms(before, there, clock.now()));
            }
            let (answers, is_stalled) = (there.is_ok(), self.is_stalled());
            // While the broker is down, chunks wait to be published.
            let is_stalled = is_stalled && self.condition().bus_up;
            if answers && is_stalled {
                error!("no chunk is decided: rows of the order store are locked");
            }
            self.store(answers && !is_stalled);
            // Exported again without a change: a gauge that is not set for some minutes is no longer exported.
            export("broker", self.condition().bus_up);
        }
    }

    /// Counts a chunk as in process until the result is dropped.
    pub(crate) fn chunk_begins(self: Arc<Self>) -> Unfinished {
        {
            let mut work = self.work.lock();
            work.chunks += 1;
            if work.chunks == 1 {
                work.progress_at = Some(Instant::now());
            }
        }
        Unfinished(self)
    }

    /// Records that a batch of a chunk was decided.
    pub(crate) fn progress(&self) {
        self.work.lock().progress_at = Some(Instant::now());
    }

    /// Whether chunks are in process, and none of their batches was decided for too long.
    fn is_stalled(&self) -> bool {
        let work = self.work.lock();
        work.chunks > 0 && work.progress_at.is_some_and(|at| at.elapsed() > STALLED_AFTER)
    }

    /// Records whether the broker answered.
    pub fn bus(&self, up: bool) {
        export("broker", up);
        self.change(|condition| condition.bus_up = up);
    }

    /// Records whether the payment provider answered the last call.
    pub(crate) fn provider(&self, up: bool) {
        self.change(|condition| condition.provider_failing = !up);
        self.export_provider();
    }

    /// Exports again whether the payment provider answered: a gauge that is not set for some minutes is no longer
    /// exported.
    pub(crate) fn export_provider(&self) {
        export(PROVIDER, !self.condition().provider_failing);
    }

    /// Records that the clock of this process is `ahead_ms` ahead of that of `peer`.
    pub(crate) fn note_clock(&self, peer: Peer, ahead_ms: i64) {
        self.clocks.note(peer, ahead_ms);
        let are_apart = self.clocks.are_apart();
        self.change(|condition| condition.clocks_apart = are_apart);
    }

    /// Records whether the last chunk had a batch of another ledger.
    pub(crate) fn foreign_batches(&self, are_there: bool) {
        self.change(|condition| condition.foreign_batches = are_there);
    }

    /// Records that shutdown has begun.
    pub fn shut_down(&self) {
        let _first = self.shutdown_since.get_or_init(Instant::now);
        self.change(|condition| condition.shutting_down = true);
    }

    /// When shutdown began, if it has.
    pub(crate) fn shutdown_since(&self) -> Option<Instant> {
        self.shutdown_since.get().copied()
    }

    fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_if_modified(|condition| {
            let before = *condition;
            change(condition);
            *condition != before
        });
    }
}

fn export(part: &'static str, up: bool) {
    gauge!("flashgate_worker_dependency_up", "part" => part).set(f64::from(u8::from(up)));
}

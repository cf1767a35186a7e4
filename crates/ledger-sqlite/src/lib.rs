//! The ledger on SQLite: one file, one process, no server. For the embedded mode.
//!
//! The file is the source of truth, and it is written like a log: a deduction appends one row with all of its intents,
//! and rewrites the row of each of its sales. What buyers hold and which keys have an order is kept in memory alone,
//! since it follows from that log; it is rebuilt when the file is opened. Tables for it would cost a page of the disk
//! for every digest, 4 KiB for 28 bytes, because digests are scattered.
//!
//! So a read needs neither the disk nor the writer thread: a screening reads the *index*, which changes when a
//! transaction is committed. In return the ledger takes 80 to 110 bytes of memory for every order of the sales that are
//! not over, and about a second per million orders when it is opened (`examples/sqlite_cost.rs`).
//!
//! | module | subject |
//! |---|---|
//! | `selling`, `returning`, `lifecycle`, `watching`, `observing`, `repairing`, `identifying`, `probing` | the traits |
//! | `open`, `load` | opening the file and why it may fail; building the index |
//! | `writer`, `calls` | the thread, group commit, and what a failure proves |
//! | `round` | one transaction; `sales`, `deduct`, `settle`, `returns`, `rebuild`, `sweep` are its calls |
//! | `judge` | judging intents |
//! | `messages` | the bodies of the messages of open batches |
//! | `index`, `draft` | committed and uncommitted data |
//! | `sale`, `digests` | the numbers of a sale; a map of digests |
//! | `store` | the statements (`sql/`) |

mod calls;
mod deduct;
mod digests;
mod draft;
#[cfg(test)]
mod faults;
mod identifying;
mod index;
mod judge;
mod lifecycle;
mod load;
mod messages;
mod observing;
mod open;
mod probing;
mod rebuild;
mod repairing;
mod returning;
mod returns;
mod round;
mod sale;
mod sales;
mod selling;
mod settle;
mod store;
mod sweep;
mod watching;
mod writer;

use std::{
    path::Path,
    sync::{Arc, OnceLock, RwLock, RwLockReadGuard},
    thread,
    time::Duration,
};

use flashgate_domain::{BatchOutcome, Clock, LedgerId, Timestamp, id::ShardCount};
use flashgate_ledger::{LedgerError, LedgerEvent, Retention, intents::Intents};
use metrics::counter;
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::timeout,
};

pub use self::open::{SqliteOpenError, Unusable};
use self::{
    calls::{Call, ReplySender},
    index::LedgerIndex,
    messages::Messages,
    round::{CallError, Round},
    settle::Decided,
    store::Store,
    writer::{ROUND_CALLS_MAX, Writer},
};

/// Maximum calls that wait for the thread: four rounds.
const CALLS_WAITING_MAX: usize = 4 * ROUND_CALLS_MAX;
/// Timeout of a call. A disk that takes longer for one sync is broken.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Maximum events that a slow listener can be behind before it loses some.
const EVENTS_WAITING_MAX: usize = 4_096;

/// The ledger in one file, which no other process can open meanwhile.
pub struct SqliteLedger {
    shards: ShardCount,
    clock: Arc<dyn Clock>,
    /// A lock of std: a panic of the writer between two changes poisons it, and readers then get an error.
    index: Arc<RwLock<LedgerIndex>>,
    calls: mpsc::Sender<Call>,
    events: broadcast::Sender<LedgerEvent>,
    messages: Messages,
    /// The ledger that the calls are meant for, once it is known.
    expected_ledger: OnceLock<LedgerId>,
}

impl SqliteLedger {
    /// Opens the file, or creates it, and checks it. Blocks while it reads the whole file.
    ///
    /// Windows are judged by `clock`. The number of shards is fixed when the file is created; one is enough.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        shards: ShardCount,
        retention: Retention,
    ) -> Result<Self, SqliteOpenError> {
        let (store, index) = open::open(path, shards)?;
        let index = Arc::new(RwLock::new(index));
        let (calls, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        let (events, _listener) = broadcast::channel(EVENTS_WAITING_MAX);
        let writer = Writer {
            path: path.to_owned(),
            shards,
            retention,
            clock: Arc::clone(&clock),
            store: Some(store),
            index: Arc::clone(&index),
            events: events.clone(),
            next_sweep: Timestamp::default(),
        };
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.serve(waiting));
        match thread {
            Ok(_detached) => {
                let (messages, expected_ledger) = (Messages::default(), OnceLock::new());
                Ok(Self { shards, clock, index, calls, events, messages, expected_ledger })
            }
            Err(error) => {
                Err(SqliteOpenError { path: path.to_owned(), reason: Unusable::Io(error.to_string()) })
            }
        }
    }

    /// Answers the waiting calls, refuses all others, and closes the file: another process can open it then. Without
    /// it nothing is lost, but the next opening takes a little longer.
    pub async fn shutdown(&self) -> Result<(), LedgerError> {
        self.ask("shutdown", Call::Leave).await
    }

    /// Limits the file to that many pages of 4 KiB from now on, or to its present size if it is larger already. Calls
    /// that need more space are refused, as on a full disk.
    pub async fn limit_pages(&self, pages_max: u32) -> Result<(), LedgerError> {
        self.read("limit_pages", move |store| {
            let limited = store.limit_pages(pages_max);
            limited.map_err(|error| LedgerError::Refused(error.to_string()))
        })
        .await
    }

    /// Sends a call to the thread and waits for its answer.
    async fn ask<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(ReplySender<T>) -> Call,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            // Nothing is sent before the queue has space.
            let place = timeout(ANSWER_WAIT_MAX, self.calls.reserve()).await;
            match place {
                Ok(Ok(place)) => place.send(call(reply)),
                Ok(Err(closed)) => return Err(LedgerError::Unreachable(closed.to_string())),
                Err(elapsed) => return Err(LedgerError::Unreachable(elapsed.to_string())),
            }
            let silence = |dropped: oneshot::error::RecvError| LedgerError::NoAnswer(dropped.to_string());
            timeout(ANSWER_WAIT_MAX, answer).await?.unwrap_or_else(|dropped| Err(silence(dropped)))
        };
        asked.await.inspect_err(|fault| {
            counter!("flashgate_ledger_faults_total", "call" => name, "fault" => fault.code()).increment(1);
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Round<'_>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask(name, |reply| Call::write(reply, work)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask(name, |reply| Call::read(reply, work)).await
    }

    /// An outcome in the thread's format.
    fn decided(&self, outcome: &BatchOutcome) -> Result<Decided, LedgerError> {
        let intents = Intents::of_outcome(self.shards, outcome)?;
        let decisions = outcome.orders.iter().map(|order| order.decision).collect();
        Ok(Decided { id: outcome.batch, intents, decisions })
    }

    /// Fails if this is not the expected ledger. No other process has the file, so its identity does not change.
    fn is_meant(&self) -> Result<(), LedgerError> {
        let found = self.index()?.identity.map(|identity| identity.ledger);
        if found == self.expected_ledger.get().copied() {
            Ok(())
        } else {
            Err(LedgerError::OtherLedger { found })
        }
    }

    /// The committed data.
    fn index(&self) -> Result<RwLockReadGuard<'_, LedgerIndex>, LedgerError> {
        if self.calls.is_closed() {
            return Err(LedgerError::Unreachable("the ledger is closed".to_owned()));
        }
        self.index.read().map_err(|poisoned| LedgerError::Unreachable(poisoned.to_string()))
    }
}

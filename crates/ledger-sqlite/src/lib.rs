//! The ledger on SQLite: one file, one process, no server. For the embedded mode.
//!
//! The file is the truth, and it is written like a log: a deduction appends one row with all of its intents, and
//! rewrites the row of each of its sales. What buyers hold and which keys have an order is kept in memory alone,
//! since it follows from that log; it is read back when the file is opened. Tables for them would cost a page of
//! the disk for every digest, 4 KiB for 28 bytes, because digests fall anywhere.
//!
//! So reading needs neither the disk nor the thread that writes: a screening looks at the *books*, which move
//! when a transaction is committed. In return the ledger takes 80 to 110 bytes of memory for every order of the
//! sales that are not over, and about a second for a million orders when it is opened (`examples/sqlite_cost.rs`).
//!
//! | module | subject |
//! |---|---|
//! | `open`, `load` | why a file cannot be used; the books from the file |
//! | `writer`, `calls` | the thread, group commit, and what a failure proves |
//! | `round` | one transaction; `sales`, `deduct`, `settle`, `rebuild`, `sweep` are what can be in it |
//! | `judge` | the judgement on intents |
//! | `messages` | the bodies of the messages of open batches |
//! | `books`, `draft` | what is committed, and what is not yet |
//! | `sale`, `digests`, `entry` | the numbers of a sale; a map of digests; the layout of a row |
//! | `store` | the statements (`sql/`) |

mod books;
mod calls;
mod deduct;
mod digests;
mod draft;
mod entry;
#[cfg(test)]
mod faults;
mod judge;
mod load;
mod messages;
mod open;
mod rebuild;
mod round;
mod sale;
mod sales;
mod settle;
mod store;
mod sweep;
mod writer;

use std::{
    path::Path,
    sync::{Arc, OnceLock, RwLock, RwLockReadGuard},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Clock, Intent, LedgerId, Node, OrderId, OrderState, Sale,
    SaleId, Shard, Timestamp, audit::LedgerStep, id::ShardCount,
};
use flashgate_ledger::{
    Activated, Compensated, Deduction, Fate, Ledger, LedgerFault, LedgerIdentity, LedgerOrder, LogEntry,
    LogStatus, Note, Prepared, Rebuilding, Rebuilt, Restored, Retention, Screening, Settled, Snapshot,
    Standing,
};
use futures::stream::{self, BoxStream, StreamExt};
use metrics::counter;
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::yield_now,
    time::timeout,
};

pub use self::open::{SqliteOpenError, Unusable};
use self::{
    books::Books,
    calls::{Call, Reply},
    digests::Digest,
    entry::{Entry, state_of},
    judge::Judged,
    messages::Messages,
    round::{CallFault, Round},
    settle::Decided,
    store::{Logged, Store},
    writer::{ROUND_CALLS_MAX, Writer},
};

/// How many calls can wait for the thread: what it takes in four rounds.
const CALLS_WAITING_MAX: usize = 4 * ROUND_CALLS_MAX;
/// How long a call waits for its answer. A disk that takes longer for one sync is broken.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How many notes a slow listener can be behind before it loses some.
const NOTES_WAITING_MAX: usize = 4_096;
/// Keys that are copied while nothing can be written: a tenth of a millisecond.
const KEYS_PAGE: usize = 8_192;

/// The ledger in one file, which it keeps to itself.
pub struct SqliteLedger {
    shards: ShardCount,
    clock: Arc<dyn Clock>,
    books: Arc<RwLock<Books>>,
    calls: mpsc::Sender<Call>,
    notes: broadcast::Sender<Note>,
    messages: Messages,
    /// The ledger that the calls are meant for, once it is known.
    meant: OnceLock<LedgerId>,
}

impl SqliteLedger {
    /// Opens the file, or makes it, and checks it. Blocks for as long as reading the whole file takes.
    ///
    /// Windows are judged by `clock`. The number of shards is fixed when the file is made; one is enough.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        shards: ShardCount,
        retention: Retention,
    ) -> Result<Self, SqliteOpenError> {
        let (store, books) = open::open(path, shards)?;
        let books = Arc::new(RwLock::new(books));
        let (calls, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        let (notes, _listener) = broadcast::channel(NOTES_WAITING_MAX);
        let writer = Writer {
            path: path.to_owned(),
            shards,
            retention,
            clock: Arc::clone(&clock),
            store: Some(store),
            books: Arc::clone(&books),
            notes: notes.clone(),
            next_sweep: Timestamp::default(),
        };
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.serve(waiting));
        match thread {
            Ok(_detached) => {
                let (messages, meant) = (Messages::default(), OnceLock::new());
                Ok(Self { shards, clock, books, calls, notes, messages, meant })
            }
            Err(error) => {
                Err(SqliteOpenError { path: path.to_owned(), reason: Unusable::Io(error.to_string()) })
            }
        }
    }

    /// Answers the calls that wait, refuses all others, and closes the file: another can open it then. Without
    /// it nothing is lost, and the next opening takes a little longer.
    pub async fn shutdown(&self) -> Result<(), LedgerFault> {
        self.ask("shutdown", Call::Leave).await
    }

    /// Bounds the file to that many pages of 4 KiB from now on, or to what it has if it is larger already. Calls
    /// that need more room are refused, as if the disk were full.
    pub async fn limit_pages(&self, pages_max: u32) -> Result<(), LedgerFault> {
        self.read("limit_pages", move |store| {
            let limited = store.limit_pages(pages_max);
            limited.map_err(|error| LedgerFault::Refused(error.to_string()))
        })
        .await
    }

    /// Sends a call to the thread and waits for its answer.
    async fn ask<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(Reply<T>) -> Call,
    ) -> Result<T, LedgerFault> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            // Nothing is sent before there is room.
            let place = timeout(ANSWER_WAIT_MAX, self.calls.reserve()).await;
            match place {
                Ok(Ok(place)) => place.send(call(reply)),
                Ok(Err(closed)) => return Err(LedgerFault::Unreachable(closed.to_string())),
                Err(elapsed) => return Err(LedgerFault::Unreachable(elapsed.to_string())),
            }
            let silence = |dropped: oneshot::error::RecvError| LedgerFault::NoAnswer(dropped.to_string());
            timeout(ANSWER_WAIT_MAX, answer).await?.unwrap_or_else(|dropped| Err(silence(dropped)))
        };
        asked.await.inspect_err(|fault| {
            counter!("flashgate_ledger_faults_total", "call" => name, "fault" => fault.code()).increment(1);
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Round<'_>) -> Result<T, CallFault> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        self.ask(name, |reply| Call::write(reply, work)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Store) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        self.ask(name, |reply| Call::read(reply, work)).await
    }

    /// An outcome as the thread takes it.
    fn decided(&self, outcome: &BatchOutcome) -> Result<Decided, LedgerFault> {
        let id = outcome.batch;
        let complete = outcome.orders.iter().enumerate().all(|(at, order)| id.order(at) == Some(order.order));
        if !complete {
            return Err(LedgerFault::Refused(format!("the outcome of batch {id} is not of its orders")));
        }
        let intents = outcome.orders.iter().map(|order| &order.intent);
        let entry = Entry::new(self.shards, id.shard(), intents)?;
        let decisions = outcome.orders.iter().map(|order| order.decision).collect();
        Ok(Decided { id, entry, decisions })
    }

    /// The next keys of a sale, behind `last`; `None` if there are no more, or no sale.
    fn keys_after(&self, sale: SaleId, last: Option<Digest>) -> Result<Option<Vec<Digest>>, LedgerFault> {
        let books = self.books()?;
        let page =
            books.sales.get(&sale).map(|book| book.keys.after(last).take(KEYS_PAGE).copied().collect());
        Ok(page.filter(|page: &Vec<Digest>| !page.is_empty()))
    }

    /// Fails if this is another ledger than the calls are meant for. Nobody else has the file, so it stays the same.
    fn is_meant(&self) -> Result<(), LedgerFault> {
        let found = self.books()?.identity.map(|identity| identity.ledger);
        if found == self.meant.get().copied() { Ok(()) } else { Err(LedgerFault::OtherLedger { found }) }
    }

    /// What is committed.
    fn books(&self) -> Result<RwLockReadGuard<'_, Books>, LedgerFault> {
        if self.calls.is_closed() {
            return Err(LedgerFault::Unreachable("the ledger is closed".to_owned()));
        }
        self.books.read().map_err(|poisoned| LedgerFault::Unreachable(poisoned.to_string()))
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn identity(&self, _shard: Shard) -> Result<Option<LedgerIdentity>, LedgerFault> {
        Ok(self.books()?.identity)
    }

    async fn establish(
        &self,
        _shard: Shard,
        identity: LedgerIdentity,
    ) -> Result<LedgerIdentity, LedgerFault> {
        self.write("establish", move |round| round.establish(identity)).await
    }

    fn mean(&self, ledger: LedgerId) {
        let _the_first_one_holds = self.meant.set(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerFault> {
        self.write("next_node", |round| round.next_node()).await
    }

    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerFault> {
        let sale = sale.clone();
        self.write("prepare", move |round| round.prepare(&sale)).await
    }

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerFault> {
        self.write("activate", move |round| round.activate(sale, generation)).await
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerFault> {
        self.write("pause", move |round| round.pause(sale)).await
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerFault> {
        self.write("close", move |round| round.close(sale)).await
    }

    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerFault> {
        self.is_meant()?;
        let entry = Entry::new(self.shards, shard, intents.iter())?;
        let now = self.clock.now();
        let books = self.books()?;
        let judged = Judged::new(&entry, now, |sale| books.bench(sale));
        Ok(judged.into_screening(books.open_orders(shard)))
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerFault> {
        self.is_meant()?;
        let id = batch.id();
        let entry = Entry::new(self.shards, id.shard(), batch.intents().iter())?;
        // Before it is deducted: what is deducted and not answered must have its body, too.
        self.messages.keep(id, body);
        let deducted = self.write("deduct", move |round| round.deduct(id, &entry)).await;
        if let Ok(Deduction::Fenced | Deduction::Refused(_) | Deduction::IdTaken) = deducted {
            self.messages.drop(id);
        }
        deducted
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerFault> {
        self.is_meant()?;
        self.write("check_back", move |round| round.check_back(batch)).await
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerFault> {
        self.is_meant()?;
        let id = outcome.batch;
        let decided = self.decided(outcome)?;
        let settled = self.write("settle", move |round| round.settle(&decided)).await?;
        self.messages.drop(id);
        Ok(settled)
    }

    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerFault> {
        let sale = sale.clone();
        self.write("begin_rebuild", move |round| round.begin_rebuild(&sale)).await
    }

    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerFault> {
        self.is_meant()?;
        let decided = self.decided(outcome)?;
        self.write("restore", move |round| round.restore(sale, generation, &decided)).await
    }

    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerFault> {
        self.write("end_rebuild", move |round| round.end_rebuild(sale, generation, available)).await
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerFault> {
        let step = *step;
        self.write("compensate", move |round| round.compensate(sale, &step)).await
    }

    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerFault> {
        self.read("order", move |store| {
            let found =
                store.orders(order.base()).map_err(|error| LedgerFault::Refused(error.to_string()))?;
            let Some((sales, intents, states)) = found else { return Ok(None) };
            let found = Entry::unpack(&sales, &intents).ok_or("the intents of its batch".to_owned());
            let found = found.and_then(|entry| order_of(&entry, states.as_deref(), order.index()));
            found.map_err(|reply| LedgerFault::UnknownReply { call: "order", reply })
        })
        .await
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerFault> {
        self.read("entry", move |store| {
            let found = store.log_entry(batch).map_err(|error| LedgerFault::Refused(error.to_string()))?;
            let entry = found.map(|logged| entry_of(&logged)).transpose();
            entry.map_err(|reply| LedgerFault::UnknownReply { call: "entry", reply })
        })
        .await
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerFault> {
        let open = self.entry(batch).await?.is_some_and(|entry| entry.status == LogStatus::Deducted);
        Ok(if open { self.messages.find(batch) } else { None })
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerFault> {
        let now = self.clock.now();
        Ok(self.books()?.snapshot(sale, now))
    }

    async fn standing(&self, sale: SaleId) -> Result<Option<Standing>, LedgerFault> {
        Ok(self.books()?.standing(sale))
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerFault> {
        let (mut found, mut last) = (Vec::new(), None);
        // Some at a time, so that nobody waits for a sale with a million keys.
        while let Some(page) = self.keys_after(sale, last)? {
            found.extend(page.iter().filter_map(|digest| digest.first_chunk::<8>()));
            last = page.last().copied();
            yield_now().await;
        }
        Ok(found)
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerFault> {
        let books = self.books()?;
        let held =
            |buyer: &BuyerDigest| books.sales.get(&sale).map_or(0, |book| u64::from(book.held(*buyer)));
        Ok(buyers.iter().map(held).collect())
    }

    /// The thread frees them by itself.
    async fn sweep(&self) -> Result<u64, LedgerFault> {
        Ok(0)
    }

    async fn notes(&self) -> Result<BoxStream<'static, Note>, LedgerFault> {
        let notes = stream::unfold(self.notes.subscribe(), |mut listener| async move {
            loop {
                match listener.recv().await {
                    Ok(note) => return Some((note, listener)),
                    Err(broadcast::error::RecvError::Lagged(_lost)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(notes.boxed())
    }

    async fn time(&self) -> Result<Timestamp, LedgerFault> {
        Ok(self.clock.now())
    }

    async fn ping(&self) -> Result<(), LedgerFault> {
        self.read("ping", |store| {
            let answered = store.ledger().map_err(|error| LedgerFault::Refused(error.to_string()))?;
            answered.map(drop).ok_or_else(|| LedgerFault::Refused("the file is empty".to_owned()))
        })
        .await
    }
}

/// The entry of a batch; what is wrong with its row if it cannot be read.
fn entry_of(logged: &Logged) -> Result<LogEntry, String> {
    let Logged::Deducted((sales, intents, states)) = logged else {
        return Ok(LogEntry { status: LogStatus::Fenced, orders: Vec::new() });
    };
    let entry = Entry::unpack(sales, intents).ok_or("the intents of its batch")?;
    let orders = (0..entry.asked.len()).map(|place| order_of(&entry, states.as_deref(), place));
    let orders = orders.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let status = if states.is_some() { LogStatus::Acknowledged } else { LogStatus::Deducted };
    Ok(LogEntry { status, orders })
}

/// One order of a batch; what is wrong with its row if it cannot be read.
fn order_of(entry: &Entry, states: Option<&[u8]>, place: usize) -> Result<Option<LedgerOrder>, String> {
    let Some(asked) = entry.asked.get(place) else { return Ok(None) };
    let sale = entry.sale_of(asked).ok_or("no sale")?;
    let letter = states.map(|states| states.get(place).copied().unwrap_or_default());
    let state = letter.map_or(Some(OrderState::Pending), state_of).ok_or("no state")?;
    Ok(Some(LedgerOrder { sale, buyer: asked.buyer, quantity: asked.quantity, state }))
}

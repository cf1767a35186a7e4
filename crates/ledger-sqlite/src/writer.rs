//! The thread that owns the connection. It takes all waiting calls and runs them in one transaction, so that one sync
//! of the disk commits them all; calls that arrive during the sync wait for the next round. Calls are answered after
//! the commit, and the index changes then, too.
//!
//! | what fails | what is certain | what the callers get |
//! |---|---|---|
//! | a statement | no commit was requested | refused |
//! | the commit, since the disk is full | the log ends before its commit mark | refused |
//! | the commit, otherwise | nothing: the mark may be on the disk | no answer; the file is reopened |
//! | reopening | nothing was sent | unreachable |

use std::{
    collections::VecDeque,
    mem,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use flashgate_domain::{Clock, Timestamp, id::ShardCount};
use flashgate_ledger::{LedgerError, LedgerEvent, Retention};
use metrics::{counter, histogram};
use rusqlite::ErrorCode;
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};
use tracing::{error, warn};

use super::{
    calls::{Call, Read, ReplySender, Responder, Write},
    draft::Draft,
    index::LedgerIndex,
    open::open,
    round::Round,
    store::Store,
};

/// Maximum calls per transaction: some milliseconds of work beside one sync.
pub(super) const ROUND_CALLS_MAX: usize = 256;
/// Interval of the sweep.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);

/// The state of the thread.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) shards: ShardCount,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
    /// `None`: the outcome of the last commit is unknown; the file must be reopened.
    pub(super) store: Option<Store>,
    pub(super) index: Arc<RwLock<LedgerIndex>>,
    pub(super) events: broadcast::Sender<LedgerEvent>,
    pub(super) next_sweep: Timestamp,
}

/// A failed transaction.
struct RoundError {
    error: rusqlite::Error,
    /// Whether it is certain that no part of it will ever be visible.
    nothing_done: bool,
}

impl RoundError {
    fn fault(&self) -> LedgerError {
        let said = self.error.to_string();
        if self.nothing_done { LedgerError::Refused(said) } else { LedgerError::NoAnswer(said) }
    }
}

impl Writer {
    /// Serves calls until the last one, or until every sender is dropped; then closes the file.
    pub(super) fn serve(mut self, mut calls: mpsc::Receiver<Call>) {
        let (mut waiting, mut leaving) = (Vec::with_capacity(ROUND_CALLS_MAX), Vec::new());
        while calls.blocking_recv_many(&mut waiting, ROUND_CALLS_MAX) > 0 {
            let (mut reads, mut writes) = (Vec::new(), VecDeque::new());
            for call in waiting.drain(..) {
                match call {
                    Call::Read(read) => reads.push(read),
                    Call::Write(write) => writes.push_back(write),
                    Call::Leave(reply) => leaving.push(reply),
                }
            }
            if !leaving.is_empty() {
                calls.close();
            }
            self.answer(reads, writes);
            self.sweep_if_due();
        }
        self.leave(leaving);
    }

    fn leave(mut self, leaving: Vec<ReplySender<()>>) {
        let closed = match self.store.take() {
            Some(store) => store.close().map_err(|error| LedgerError::NoAnswer(error.to_string())),
            None => Ok(()),
        };
        if let Err(fault) = &closed {
            warn!(error = %fault, "closing the ledger failed; the next start will recover it");
        }
        let failed = closed.err().map(|fault| fault.to_string());
        for reply in leaving {
            let answer = failed.clone().map_or(Ok(()), |said| Err(LedgerError::NoAnswer(said)));
            let _nobody_waits = reply.send(answer);
        }
    }

    fn answer(&mut self, reads: Vec<Box<dyn Read>>, writes: VecDeque<Box<dyn Write>>) {
        let Some(store) = self.store.take().or_else(|| self.reopen()) else {
            let fault = || LedgerError::Unreachable("cannot reopen the file".to_owned());
            reads.into_iter().for_each(|read| read.fail(fault()));
            writes.into_iter().for_each(|write| write.fail(fault()));
            return;
        };
        reads.into_iter().for_each(|read| read.run(&store));
        if writes.is_empty() {
            self.store = Some(store);
        } else {
            self.transact(store, writes);
        }
    }

    /// Runs all calls in one transaction, and answers them when it has ended.
    fn transact(&mut self, store: Store, mut writes: VecDeque<Box<dyn Write>>) {
        let calls = writes.len();
        let mut answers: Vec<Responder> = Vec::with_capacity(calls);
        let ended = self.transaction(store, |round| {
            while let Some(write) = writes.pop_front() {
                let (answer, error) = write.run(round);
                answers.push(answer);
                error.map_or(Ok(()), Err)?;
            }
            Ok(())
        });
        histogram!("flashgate_ledger_commit_calls").record(u32::try_from(calls).unwrap_or(u32::MAX));
        for answer in answers {
            answer(ended.as_ref().copied().map_err(RoundError::fault));
        }
        // The calls after the failed one.
        if let Err(failure) = ended {
            writes.into_iter().for_each(|write| write.fail(failure.fault()));
        }
    }

    /// Runs `work` in a transaction. Keeps the connection if it is usable for the next one.
    fn transaction(
        &mut self,
        store: Store,
        work: impl FnOnce(&mut Round<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), RoundError> {
        let now = self.clock.now();
        let filled = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            fill(Round::new(&store, &index, now, self.retention), work)
        };
        let draft = match filled {
            Ok(draft) => draft,
            Err(error) => {
                // A connection that cannot even roll back is closed, which rolls back.
                self.store = store.roll_back().then_some(store);
                return Err(RoundError { error, nothing_done: true });
            }
        };
        let started = Instant::now();
        if let Err(error) = store.commit() {
            let certain = commits_nothing(&error) && store.roll_back();
            self.store = certain.then_some(store);
            return Err(RoundError { error, nothing_done: certain });
        }
        histogram!("flashgate_ledger_commit_seconds").record(started.elapsed());
        self.store = Some(store);
        self.publish(draft);
        Ok(())
    }

    fn publish(&self, mut draft: Draft) {
        let events = mem::take(&mut draft.events);
        let gone = self.index.write().unwrap_or_else(PoisonError::into_inner).apply(draft);
        drop(gone);
        for event in events {
            let _nobody_listens = self.events.send(event);
        }
    }

    fn reopen(&self) -> Option<Store> {
        counter!("flashgate_ledger_reopened_total").increment(1);
        match open(&self.path, self.shards) {
            Ok((store, index)) => {
                warn!("ledger reopened after a commit of unknown outcome");
                *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
                Some(store)
            }
            Err(error) => {
                error!(%error, "reopening the ledger failed; retrying at the next call");
                None
            }
        }
    }

    /// Sweeps in a transaction of its own: a full disk must not keep it from freeing space.
    fn sweep_if_due(&mut self) {
        let now = self.clock.now();
        if now < self.next_sweep {
            return;
        }
        let Some(store) = self.store.take() else { return };
        let mut more = false;
        let swept = self.transaction(store, |round| {
            more = round.sweep()?;
            Ok(())
        });
        if let Err(failure) = &swept {
            warn!(error = %failure.error, "removing expired ledger rows failed; retrying at the next sweep");
        }
        let goes_on = more && swept.is_ok();
        self.next_sweep = if goes_on { now } else { now.saturating_add(SWEEP_PERIOD) };
    }
}

fn fill(
    mut round: Round<'_>,
    work: impl FnOnce(&mut Round<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<Draft> {
    round.store.begin()?;
    work(&mut round)?;
    round.finish()
}

/// Whether a commit that failed with this error has left no commit mark on the disk: the disk was full, or the commit
/// was not begun. After any other failure, above all of a sync, the mark may be on the disk.
fn commits_nothing(error: &rusqlite::Error) -> bool {
    let certain = [ErrorCode::DiskFull, ErrorCode::DatabaseBusy, ErrorCode::ReadOnly];
    error.sqlite_error_code().is_some_and(|code| certain.contains(&code))
}

//! Calls to the ledger's thread, and their answers.

use flashgate_ledger::LedgerError;
use tokio::sync::oneshot;

use super::{
    round::{CallError, Round},
    store::Store,
};

/// Sends the answer of a call. The caller may be gone.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, LedgerError>>;

/// Sends the answer of a call once its transaction is committed or has failed.
pub(super) type Responder = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// One call.
pub(super) enum Call {
    /// Runs in a transaction.
    Write(Box<dyn Write>),
    /// Reads committed data.
    Read(Box<dyn Read>),
    /// The last call: the file is closed after it.
    Leave(ReplySender<()>),
}

/// A call that may change something.
pub(super) trait Write: Send {
    /// Runs it. If it returns an error, the transaction must not be committed.
    fn run(self: Box<Self>, round: &mut Round<'_>) -> (Responder, Option<rusqlite::Error>);
    /// Answers with `fault` without running it.
    fn fail(self: Box<Self>, fault: LedgerError);
}

/// A call that changes nothing.
pub(super) trait Read: Send {
    /// Runs it and answers.
    fn run(self: Box<Self>, store: &Store);
    /// Answers with `fault` without running it.
    fn fail(self: Box<Self>, fault: LedgerError);
}

impl Call {
    /// A call that may change something: its work, and the sender of its answer.
    pub(super) fn write<T: Send + 'static>(
        reply: ReplySender<T>,
        work: impl FnOnce(&mut Round<'_>) -> Result<T, CallError> + Send + 'static,
    ) -> Self {
        Self::Write(Box::new(Work { reply, work }))
    }

    /// A call that changes nothing.
    pub(super) fn read<T: Send + 'static>(
        reply: ReplySender<T>,
        work: impl FnOnce(&Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> Self {
        Self::Read(Box::new(Work { reply, work }))
    }
}

struct Work<T, F> {
    reply: ReplySender<T>,
    work: F,
}

impl<T, F> Work<T, F> {
    fn send(reply: ReplySender<T>, answer: Result<T, LedgerError>) {
        let _nobody_waits = reply.send(answer);
    }
}

impl<T, F> Write for Work<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Round<'_>) -> Result<T, CallError> + Send,
{
    fn run(self: Box<Self>, round: &mut Round<'_>) -> (Responder, Option<rusqlite::Error>) {
        let Self { reply, work } = *self;
        let (value, error) = match work(round) {
            Ok(value) => (Ok(value), None),
            Err(CallError::Refused(fault)) => (Err(fault), None),
            Err(CallError::Store(error)) => (Err(LedgerError::Refused(error.to_string())), Some(error)),
        };
        let answer = move |committed: Result<(), LedgerError>| Self::send(reply, committed.and(value));
        (Box::new(answer), error)
    }

    fn fail(self: Box<Self>, fault: LedgerError) {
        Self::send(self.reply, Err(fault));
    }
}

impl<T, F> Read for Work<T, F>
where
    T: Send,
    F: FnOnce(&Store) -> Result<T, LedgerError> + Send,
{
    fn run(self: Box<Self>, store: &Store) {
        let Self { reply, work } = *self;
        Self::send(reply, work(store));
    }

    fn fail(self: Box<Self>, fault: LedgerError) {
        Self::send(self.reply, Err(fault));
    }
}

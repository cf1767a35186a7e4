//! The thread that owns the connection. SQLite blocks, so it runs outside of the async runtime, one call after another.

use std::{path::PathBuf, thread, time::Duration};

use flashgate_order_store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    fault::QueryError,
    open::{self, OpenError},
    settings::{self, SqliteSettings},
};

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// The order store on SQLite: the handle of the thread.
///
/// Dropping it closes the file too, but later and without reporting errors; [`SqliteStore::shutdown`] waits.
#[derive(Debug)]
pub struct SqliteStore {
    /// `None` after the shutdown.
    calls: Mutex<Option<mpsc::Sender<Call>>>,
    call_timeout: Duration,
    /// Cancelled when the file is closed.
    ended: CancellationToken,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it, and migrates it to the schema of this version. Its folder must exist.
    /// Reads the whole file once, to check whether it is damaged.
    ///
    /// # Errors
    /// What an operator must mend. A file that was there is as it was.
    pub async fn open(path: impl Into<PathBuf>, settings: SqliteSettings) -> Result<Self, OpenError> {
        let path = path.into();
        let (calls, waiting) = mpsc::channel(settings.calls_queued_max.get());
        let (answer, opened) = oneshot::channel();
        let (call_timeout, ended) = (settings.call_timeout, CancellationToken::new());
        let failed = |path, why: &dyn ToString| OpenError::Io { path, reason: why.to_string() };
        let (ours, mark) = (path.clone(), ended.clone());
        let body = move || {
            let _mark_of_the_end = mark.drop_guard();
            let connection = match open::open(&ours, &settings) {
                Ok(connection) => connection,
                Err(fault) => return drop(answer.send(Err(fault))),
            };
            if answer.send(Ok(())).is_ok() {
                work(connection, waiting);
            }
        };
        let spawned = thread::Builder::new().name("order-store".to_owned()).spawn(body);
        if let Err(error) = spawned {
            return Err(failed(path, &error));
        }
        opened.await.map_err(|gone| failed(path, &gone))??;
        Ok(Self { calls: Mutex::new(Some(calls)), call_timeout, ended })
    }

    /// Runs `work` on the thread. After a timeout it may still happen, if it had begun.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            // The caller does not wait any more: do not begin.
            if !answer.is_closed() {
                let _nobody_waits = answer.send(work(connection));
            }
        });
        let calls = self.calls.lock().clone();
        let asked = async {
            calls?.send(call).await.ok()?;
            answered.await.ok()
        };
        match timeout(self.call_timeout, asked).await {
            Ok(Some(answer)) => Ok(answer?),
            Ok(None) => Err(StoreError::Unavailable("the store is shut down".to_owned())),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.to_string())),
        }
    }

    /// Changes the maximum size of the file (`file_bytes_max`), without closing it. A file that is already larger
    /// keeps its size and does not grow.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn limit_file(&self, bytes_max: Option<u64>) -> Result<(), StoreError> {
        self.call(move |connection| Ok(settings::limit_file(connection, bytes_max)?)).await
    }

    /// Finishes the waiting calls and closes the file. Later calls are refused as unavailable.
    pub async fn shutdown(&self) {
        drop(self.calls.lock().take());
        self.ended.cancelled().await;
    }
}

fn work(mut connection: Connection, mut calls: mpsc::Receiver<Call>) {
    while let Some(call) = calls.blocking_recv() {
        call(&mut connection);
    }
    // Writes the write-ahead log to the file. If that fails, the next start reads the log.
    if let Err((_connection, error)) = connection.close() {
        warn!(%error, "closing the order store failed; the next start will recover it");
    }
}

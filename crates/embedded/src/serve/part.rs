//! A component of the deployment that runs until it is stopped.

use std::future::Future;

use flashgate_output::exit::CliError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running component.
#[derive(Debug)]
pub(crate) struct Part<T> {
    running: JoinHandle<Result<T, CliError>>,
    ended: CancellationToken,
    leave: CancellationToken,
}

impl<T: Send + 'static> Part<T> {
    /// Runs `work`, which ends soon after `leave` is cancelled.
    pub(crate) fn spawn(
        leave: CancellationToken,
        work: impl Future<Output = Result<T, CliError>> + Send + 'static,
    ) -> Self {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let running = tokio::spawn(async move {
            let _guard = guard;
            work.await
        });
        Self { running, ended, leave }
    }

    /// Returns when it has ended, on request or not.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether its shutdown was requested.
    pub(crate) fn is_told_to_leave(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Requests its shutdown, and waits for its end.
    ///
    /// # Errors
    /// Its error, if it failed.
    pub(crate) async fn stop(self, name: &str) -> Result<T, CliError> {
        self.leave.cancel();
        self.running.await.map_err(|died| CliError::Other(format!("the {name} died: {died}")))?
    }
}

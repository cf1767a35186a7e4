//! Supervision of background tasks.
//!
//! A panic of a task ends that task alone: the process continues without its settler, or with a lane that nothing
//! serves, and reports that it is healthy. So every background task of a process is spawned by its [`Supervisor`]. A
//! task that panics, or ends before the shutdown, is logged with its name and cause, counted in
//! `flashgate_task_failures_total`, and cancels the token that shuts the process down. The process then shuts down in
//! order, with [`EXIT_CODE`], and its own supervisor restarts it.
//!
//! A panic in the handling of one request is different: it fails that request, and the listener continues.
//!
//! This crate is our own since it connects tokio's tasks to this project's shutdown, readiness and metrics; catching
//! the panic and aborting the task are done by `futures` and `tokio`. It is a separate crate because adapters, which
//! do not depend on services, have background tasks as well.
//!
//! | item | subject |
//! |---|---|
//! | [`Supervisor`] | spawns tasks, keeps the first failure |
//! | [`Task`] | a running task; dropping it aborts it |
//! | [`TaskError`] | which task failed, and why |

#[cfg(feature = "failpoints")]
pub mod failpoint;
/// Injected faults, for tests: without the feature `failpoints` there are none.
#[cfg(not(feature = "failpoints"))]
pub mod failpoint {
    /// Does nothing.
    pub const fn hit(_name: &str) {}

    /// Never.
    pub const fn every_nth(_variable: &'static str) -> bool {
        false
    }
}

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use futures::FutureExt;
use metrics::counter;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The exit code of a process whose background task failed: `EX_SOFTWARE` of `sysexits.h`.
pub const EXIT_CODE: u8 = 70;

/// Why a background task ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TaskError {
    /// It panicked.
    #[error("background task {task} panicked: {message}")]
    Panicked {
        /// The task.
        task: &'static str,
        /// The panic's message.
        message: String,
    },
    /// It returned before the shutdown.
    #[error("background task {task} ended early")]
    EndedEarly {
        /// The task.
        task: &'static str,
    },
}

impl TaskError {
    /// The name that the task was spawned with.
    pub const fn task(&self) -> &'static str {
        match self {
            Self::Panicked { task, .. } | Self::EndedEarly { task } => task,
        }
    }
}

/// Spawns the background tasks of a process. Clones are the same supervisor.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shutdown: CancellationToken,
    first: OnceLock<TaskError>,
}

impl Supervisor {
    /// Cancels `shutdown` when a task fails. Once it is cancelled, by any caller, tasks may end.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self(Arc::new(Inner { shutdown, first: OnceLock::new() }))
    }

    /// Spawns `task`, which must not end before the shutdown, under `name`, the metric's label.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Task {
        self.run(name, task, true)
    }

    /// Spawns `job`, which ends when it is done, under `name`: only a panic is a failure.
    pub fn spawn_job(&self, name: &'static str, job: impl Future<Output = ()> + Send + 'static) -> Task {
        self.run(name, job, false)
    }

    fn run(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
        is_lasting: bool,
    ) -> Task {
        let this = self.clone();
        #[cfg(feature = "failpoints")]
        let task = failpoint::in_task(name, task);
        Task(Some(tokio::spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(()) if is_lasting && !this.0.shutdown.is_cancelled() => {
                    this.fail(TaskError::EndedEarly { task: name });
                }
                Ok(()) => {}
                Err(panic) => this.fail(TaskError::Panicked { task: name, message: message(&*panic) }),
            }
        })))
    }

    /// Logs and counts the failure, and shuts the process down.
    fn fail(&self, error: TaskError) {
        counter!("flashgate_task_failures_total", "task" => error.task()).increment(1);
        error!(task = error.task(), %error, "background task failed; shutting down");
        // A later failure is logged as well, but the first is the cause.
        let _later = self.0.first.set(error);
        self.0.shutdown.cancel();
    }

    /// Checks that no task has failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn check(&self) -> Result<(), TaskError> {
        self.0.first.get().cloned().map_or(Ok(()), Err)
    }

    /// The token that a failure cancels.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }
}

/// A running background task. Dropping it aborts it, which is no failure.
#[derive(Debug)]
#[must_use = "dropping it aborts the task"]
pub struct Task(Option<JoinHandle<()>>);

impl Task {
    /// Waits until it has ended, successfully or not.
    pub async fn ended(mut self) {
        // Its panics are caught, and nothing else can abort it.
        if let Some(running) = &mut self.0 {
            let _ended = running.await;
        }
    }

    /// Detaches it: it runs until it ends.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.abort();
        }
    }
}

/// The message of a panic, if it has one.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

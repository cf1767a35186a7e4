//! A failed background task is detected.

#![expect(clippy::expect_used, reason = "a test may fail at any line")]

use std::{future::pending, time::Duration};

use flashgate_supervision::{Supervisor, TaskError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

async fn failure_of(supervisor: &Supervisor) -> TaskError {
    timeout(SOON, supervisor.shutdown().cancelled()).await.expect("the failure is detected");
    supervisor.check().expect_err("the failure is kept")
}

#[tokio::test]
async fn a_panic_is_reported_with_name_and_cause_and_shuts_down() {
    let supervisor = Supervisor::new(CancellationToken::new());
    let [text, number] = [3, 4];
    let _panics = supervisor.spawn("settle", async move { panic!("no row {text}{number}") });
    let why = failure_of(&supervisor).await;
    assert_eq!(why, TaskError::Panicked { task: "settle", message: "no row 34".to_owned() });
    assert_eq!(why.to_string(), "background task settle panicked: no row 34");
    let job = supervisor.spawn_job("other", async { panic!("later") });
    job.ended().await;
    assert_eq!(supervisor.check(), Err(why), "the first is the cause");
}

#[tokio::test]
async fn an_early_end_is_a_failure_of_a_task_and_none_of_a_job() {
    let supervisor = Supervisor::new(CancellationToken::new());
    supervisor.spawn_job("job", async {}).ended().await;
    assert_eq!(supervisor.check(), Ok(()));
    let _ends = supervisor.spawn("task", async {});
    assert_eq!(failure_of(&supervisor).await, TaskError::EndedEarly { task: "task" });
}

#[tokio::test]
async fn after_the_shutdown_tasks_end_and_before_it_a_drop_is_no_failure() {
    let supervisor = Supervisor::new(CancellationToken::new());
    drop(supervisor.spawn("dropped", pending()));
    tokio::task::yield_now().await;
    assert_eq!(supervisor.check(), Ok(()));
    let shutdown = supervisor.shutdown().clone();
    let task = supervisor.spawn("leaves", async move { shutdown.cancelled().await });
    supervisor.shutdown().cancel();
    timeout(SOON, task.ended()).await.expect("it ends");
    assert_eq!(supervisor.check(), Ok(()));
}

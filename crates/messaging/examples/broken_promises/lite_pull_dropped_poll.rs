//! `DefaultLitePullConsumer` loses messages if a `poll` is dropped before its end, as the branches of `select!` are.
//!
//! `poll` takes a chunk from its queue and then awaits two locks. A lock of tokio makes the task pause when another one
//! holds it, or when the task has taken 128 steps in one go, which happens here. If another branch is ready then, the
//! call is dropped with the chunk: at one lock the next commit skips its messages, at the other no commit passes them.

use std::{collections::BTreeSet, future::ready, process::ExitCode, time::Duration};

use tokio::{
    task::{consume_budget, yield_now},
    time::sleep,
};

use crate::fixture::{Fallible, lite_pull, outcome, stage::Stage};

const MESSAGES: i64 = 500;

pub(crate) async fn run() -> Fallible<ExitCode> {
    let stage = Stage::start().await?;
    let count = usize::try_from(MESSAGES)?;
    lite_pull::publish(&stage, count).await?;
    let (consumer, queue) = lite_pull::consumer(&stage, "consumer", &stage.name_server).await?;
    consumer.assign(vec![queue.clone()]).await?;
    // Until all are in memory.
    sleep(Duration::from_secs(3)).await;

    let mut received = BTreeSet::new();
    for attempt in 0..count {
        // What the task has done before in one go; it pauses after 128 steps.
        for _ in 0..attempt % 128 {
            consume_budget().await;
        }
        tokio::select! {
            biased;
            messages = consumer.poll_with_timeout(1_000) => {
                received.extend(messages.iter().map(|message| message.queue_offset()));
            }
            () = ready(()) => {}
        }
        yield_now().await;
    }
    println!("{count} polls beside something that is ready: {} of {count} messages", received.len());
    // Nothing drops these.
    loop {
        let messages = consumer.poll_with_timeout(2_000).await;
        if messages.is_empty() {
            break;
        }
        received.extend(messages.iter().map(|message| message.queue_offset()));
    }
    consumer.commit_all().await?;
    let position = consumer.committed(&queue).await?;
    let lost: Vec<_> = (0..MESSAGES).filter(|offset| !received.contains(offset)).collect();
    let seen = format!("the messages at {lost:?} never came; the offset to commit is {position}");
    consumer.shutdown().await;
    Ok(outcome::outcome("a dropped `poll` loses no message", &seen, !lost.is_empty()))
}

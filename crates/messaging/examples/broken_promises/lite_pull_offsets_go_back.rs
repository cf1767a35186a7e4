//! `DefaultLitePullConsumer` makes a committed offset smaller again, although automatic commits are off. Takes up to 30
//! s.
//!
//! The only commit with an answer is `OffsetStore::update_consume_offset_to_broker`. It leaves the store's memory as it
//! was, and the client's timer sends what the memory has.

use std::{process::ExitCode, time::Duration};

use rocketmq_client_rust::{OffsetStore, ReadOffsetType};
use tokio::time::{Instant, sleep};

use crate::fixture::{Fallible, lite_pull, outcome, stage::Stage};

const MESSAGES: usize = 5;

pub(crate) async fn run() -> Fallible<ExitCode> {
    let stage = Stage::start().await?;
    lite_pull::publish(&stage, MESSAGES).await?;
    let (consumer, queue) = lite_pull::consumer(&stage, "consumer", &stage.name_server).await?;
    // Has no queue, so it commits nothing itself.
    let (observer, _) = lite_pull::consumer(&stage, "observer", &stage.name_server).await?;
    let offsets =
        |store: Option<std::sync::Arc<OffsetStore>>| store.ok_or("the consumer has no offset store");
    let at_broker = offsets(observer.offset_store().await)?;

    consumer.assign(vec![queue.clone()]).await?;
    let mut end = 0;
    for _ in 0..MESSAGES {
        let messages = consumer.poll_with_timeout(5_000).await;
        end = messages.last().ok_or("a message did not arrive")?.queue_offset() + 1;
    }
    let store = offsets(consumer.offset_store().await)?;
    store.update_consume_offset_to_broker(&queue, end, false).await?;
    let start = Instant::now();
    let committed = at_broker.read_offset(&queue, ReadOffsetType::ReadFromStore).await;
    println!("committed with an answer: {end}; the broker has {committed}");

    let mut later = committed;
    while later == committed && start.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(200)).await;
        later = at_broker.read_offset(&queue, ReadOffsetType::ReadFromStore).await;
    }
    let seen = format!("{:.1} s after it was {committed}, it is {later}", start.elapsed().as_secs_f64());
    consumer.shutdown().await;
    observer.shutdown().await;
    let promised = "a committed offset never becomes smaller without a call";
    Ok(outcome::outcome(promised, &seen, later < committed))
}

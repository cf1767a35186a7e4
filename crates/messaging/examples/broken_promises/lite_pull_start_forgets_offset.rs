//! If the query of the committed offset fails when a `DefaultLitePullConsumer` starts, it starts at the end of the
//! queue. Takes up to 30 s.
//!
//! The failed query counts as that of a new group, which starts at `consume_from_where`: the end by default.

use std::{process::ExitCode, time::Duration};

use flashgate_messaging::rocketmq::admin;
use tokio::{sync::watch, time::Instant};

use crate::fixture::{Fallible, lite_pull, outcome, proxy, stage::Stage};

const COMMITTED: i64 = 2;
/// `RequestCode::QueryConsumerOffset`.
const QUERY: &str = r#""code":14,"#;
const WAIT_MAX: Duration = Duration::from_secs(15);

pub(crate) async fn run() -> Fallible<ExitCode> {
    let stage = Stage::start().await?;
    let (_always, reachable) = watch::channel(true);
    let broker = std::env::var("FLASHGATE_BROKER")?;
    let name_server = proxy::start(stage.name_server.clone(), broker, QUERY, reachable).await?;
    lite_pull::publish(&stage, 5).await?;
    let (before, queue) = lite_pull::consumer(&stage, "before", &stage.name_server).await?;
    let store = before.offset_store().await.ok_or("the consumer has no offset store")?;
    // The broker takes offsets of a group that has pulled.
    before.assign(vec![queue.clone()]).await?;
    before.poll_with_timeout(5_000).await;
    // In memory too, since the shutdown commits what is there.
    store.update_offset(&queue, COMMITTED, false).await;
    store.update_consume_offset_to_broker(&queue, COMMITTED, false).await?;
    before.shutdown().await;
    let waiting = admin::backlog(&stage.mq, &stage.topic, &stage.group).await?;
    println!("{waiting} messages from offset {COMMITTED} on wait for the group; its next query is lost");

    let (consumer, queue) = lite_pull::consumer(&stage, "after", &name_server).await?;
    consumer.assign(vec![queue]).await?;
    let (start, mut offsets) = (Instant::now(), Vec::new());
    while start.elapsed() < WAIT_MAX {
        offsets.extend(consumer.poll_with_timeout(1_000).await.iter().map(|message| message.queue_offset()));
    }
    println!("in {} s it received the offsets {offsets:?}", WAIT_MAX.as_secs());
    lite_pull::publish(&stage, 1).await?;
    offsets.extend(consumer.poll_with_timeout(10_000).await.iter().map(|message| message.queue_offset()));
    consumer.shutdown().await;
    let promised = format!("a consumer starts at its group's committed offset, {COMMITTED}");
    let seen = format!("after one more message, it has received the offsets {offsets:?}");
    Ok(outcome::outcome(&promised, &seen, offsets.first() != Some(&COMMITTED)))
}

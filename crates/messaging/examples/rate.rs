//! Measures the client against a real broker: `FLASHGATE_NAMESRV=host:port cargo run --release --example rate`.
//!
//! Prints, for 1, 2, 4 and 8 in flight, the cycles of half-message and acknowledged commit per second with their
//! latencies, and then how fast one subscription receives and commits all messages.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::clock::{Clock, SystemClock};
use flashgate_messaging::{
    BusError, CheckBackHandler, CheckedMessage, Message, Resolution, Subscription, TransactionProducer,
    Verdict,
    rocketmq::{RocketMq, RocketMqConfig, RocketMqTransactionProducer, admin},
};
use futures::future::try_join_all;
use tokio::time::Instant;

const BODY_BYTES: usize = 10_000;
const ROUND: Duration = Duration::from_secs(5);

/// No half-message stays open here, so there are no check-backs.
struct NeverAsked;

#[async_trait]
impl CheckBackHandler for NeverAsked {
    async fn check_back(&self, _message: CheckedMessage) -> Resolution {
        Resolution::Unknown
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = RocketMqConfig {
        name_servers: vec![std::env::var("FLASHGATE_NAMESRV")?],
        prefix: format!("rate-{}", SystemClock.now().as_millis()),
        ..RocketMqConfig::default()
    };
    let (topic, group) = (config.topic("batches")?, config.group("batches")?);
    let mq = RocketMq::connect(config, Arc::new(SystemClock)).await?;
    admin::create_topic(&mq, &topic, 4.try_into()?).await?;
    let producer = mq.transaction_producer(group.clone(), topic.clone(), Arc::new(NeverAsked)).await?;
    let message = Message {
        topic: topic.clone(),
        key: "rate".to_owned(),
        properties: vec![("batch_id".to_owned(), "0123456789abcdef".to_owned())],
        body: Bytes::from(vec![7; BODY_BYTES]),
        deliver_after: None,
    };
    let mut sent = 0;
    for in_flight in [1, 1, 2, 4, 8] {
        let until = Instant::now() + ROUND;
        let lanes = (0..in_flight).map(|_| cycle(&producer, &message, until));
        let mut taken = try_join_all(lanes).await?.concat();
        taken.sort_unstable();
        sent += taken.len();
        report(in_flight, &taken);
    }
    let mut subscription = mq.subscribe(group, topic).await?;
    let (start, mut received, mut polls) = (Instant::now(), 0, 0);
    while received < sent {
        received += subscription.poll(1_024, Duration::from_secs(5)).await?.len();
        let position = subscription.position();
        subscription.commit(&position).await?;
        polls += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("received {received} of {sent} in {polls} polls, each committed, in {seconds:.2} s");
    subscription.shutdown().await;
    producer.shutdown().await;
    Ok(())
}

async fn cycle(
    producer: &RocketMqTransactionProducer,
    message: &Message,
    until: Instant,
) -> Result<Vec<Duration>, BusError> {
    let mut taken = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        let half = producer.send_half(message.clone()).await?;
        producer.resolve(&half, Verdict::Commit).await?;
        taken.push(start.elapsed());
    }
    Ok(taken)
}

fn report(in_flight: usize, sorted: &[Duration]) {
    let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default();
    let rate = u64::try_from(sorted.len()).unwrap_or(u64::MAX) / ROUND.as_secs();
    println!("{in_flight} in flight: {rate} cycles/s, p50 {:?}, p99 {:?}", at(50), at(99));
}

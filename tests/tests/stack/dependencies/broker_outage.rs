//! A real broker crashes and returns: its producers, publishers and subscriptions recover by themselves.
//!
//! `crates/messaging/tests/broker_faults` has the same for other durations, and for check-backs, on a scripted broker.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::SystemClock;
use flashgate_messaging::{
    CheckBackHandler, CheckedMessage, Message, Publisher, Resolution, Subscription, TransactionProducer,
    rocketmq::{RocketMq, RocketMqConfig, admin},
};
use flashgate_tests::{eventually, rocketmq_server::RocketMqServer};
use futures::future::{BoxFuture, join_all};
use tokio::sync::mpsc;

use super::NOTICE_TIME;

/// The maximum time between the broker's return and the first success of every caller, 3 s, and what a busy machine
/// may add. The circuit breaker of the transport alone would cost at least 17 s.
const RECOVERY_TIME: Duration = Duration::from_secs(3 + 5);
const SENDERS: usize = 64;
const POLL_TIME: Duration = Duration::from_millis(100);

/// Commits what the broker checks back, and names it.
struct Commits(mpsc::UnboundedSender<String>);

impl CheckBackHandler for Commits {
    fn check_back<'this, 'answer>(&'this self, message: CheckedMessage) -> BoxFuture<'answer, Resolution>
    where
        'this: 'answer,
        Self: 'answer,
    {
        let _ = self.0.send(message.key);
        Box::pin(async { Resolution::Commit })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_of_a_broker_that_crashed_recovers_after_its_return() {
    let rocketmq = RocketMqServer::start().await;
    let config = RocketMqConfig::at(rocketmq.name_server());
    let (topic, group) = (config.topic("outage").unwrap(), config.group("outage").unwrap());
    let mq = RocketMq::connect(config, Arc::new(SystemClock)).await.unwrap();
    admin::create_topic(&mq, &topic, 4.try_into().unwrap()).await.unwrap();
    let (asked, mut check_backs) = mpsc::unbounded_channel();
    let producer =
        mq.transaction_producer(group.clone(), topic.clone(), Arc::new(Commits(asked))).await.unwrap();
    let publisher = mq.publisher(group.clone());
    let mut subscription = mq.subscribe(group, topic.clone()).await.unwrap();
    let message = |key: &str| Message::new(topic.clone(), key.to_owned(), Bytes::from_static(b"any"));
    publisher.publish(message("before")).await.unwrap();
    assert_eq!(subscription.poll(1, NOTICE_TIME).await.unwrap()[0].key, "before");
    subscription.commit(&subscription.position()).await.unwrap();
    producer.send_half(message("open")).await.unwrap();

    rocketmq.kill_broker().await;
    eventually("the subscription reports it", NOTICE_TIME, async || {
        subscription.poll(1, POLL_TIME).await.err().ok_or_else(|| "no fault".to_owned())
    })
    .await;
    publisher.publish(message("lost")).await.unwrap_err();
    rocketmq.start_broker().await;

    let fault = |fault: flashgate_messaging::BusError| fault.to_string();
    let published = eventually("it publishes", RECOVERY_TIME, async || {
        publisher.publish(message("after")).await.map_err(fault)
    });
    let sent = join_all((0..SENDERS).map(|_| {
        eventually("each sender sends", RECOVERY_TIME, async || {
            producer.send_half(message("half")).await.map(drop).map_err(fault)
        })
    }));
    tokio::join!(published, sent);
    let mut received = Vec::new();
    eventually("it receives", RECOVERY_TIME, async || {
        let polled = subscription.poll(64, POLL_TIME).await.map_err(fault)?;
        received.extend(polled.into_iter().map(|delivery| delivery.key));
        if received.iter().any(|key| key == "after") { Ok(()) } else { Err(format!("{received:?}")) }
    })
    .await;
    subscription.commit(&subscription.position()).await.unwrap();

    // The half-message that was open before the crash. The broker waits for its time, and for its next round.
    let checked = async { while check_backs.recv().await.unwrap() != "open" {} };
    tokio::time::timeout(3 * NOTICE_TIME, checked).await.expect("the check-back");
    subscription.shutdown().await;
    producer.shutdown().await;
    publisher.shutdown();
}

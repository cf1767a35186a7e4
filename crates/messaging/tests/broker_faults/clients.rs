//! The clients under test.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::clock::SystemClock;
use flashgate_messaging::{
    CheckBackHandler, CheckedMessage, Group, Message, Resolution, Topic,
    rocketmq::{
        RocketMq, RocketMqConfig, RocketMqPublisher, RocketMqSubscription, RocketMqTransactionProducer,
    },
};

/// Answers every check-back alike.
pub(crate) struct Answers(pub(crate) Resolution);

#[async_trait]
impl CheckBackHandler for Answers {
    async fn check_back(&self, _message: CheckedMessage) -> Resolution {
        self.0
    }
}

pub(crate) fn topic() -> Topic {
    Topic::new("topic").unwrap()
}

pub(crate) fn group() -> Group {
    Group::new("group").unwrap()
}

pub(crate) fn message() -> Message {
    Message::new(topic(), "key".to_owned(), Bytes::from_static(b"body"))
}

pub(crate) async fn connect(config: RocketMqConfig) -> RocketMq {
    RocketMq::connect(config, Arc::new(SystemClock)).await.unwrap()
}

pub(crate) async fn producer(config: RocketMqConfig) -> RocketMqTransactionProducer {
    producer_that(config, Resolution::Unknown).await
}

/// A producer that answers every check-back with `resolution`.
pub(crate) async fn producer_that(
    config: RocketMqConfig,
    resolution: Resolution,
) -> RocketMqTransactionProducer {
    let mq = connect(config).await;
    mq.transaction_producer(group(), topic(), Arc::new(Answers(resolution))).await.unwrap()
}

pub(crate) async fn publisher(config: RocketMqConfig) -> RocketMqPublisher {
    connect(config).await.publisher(group())
}

pub(crate) async fn subscribe(mq: &RocketMq) -> RocketMqSubscription {
    mq.subscribe(group(), topic()).await.unwrap()
}

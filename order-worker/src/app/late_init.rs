//! Ways to the broker that can be handed out before it has answered.

use std::sync::OnceLock;

use async_trait::async_trait;
use flashgate_messaging::{
    Browser, BusError, ClockDifference, Message, Publisher, QueueId, QueueSpan, StoredPage,
    rocketmq::{RocketMqBrowser, RocketMqPublisher},
};

/// Refuses until it is connected; operators can do all meanwhile that needs no broker.
pub(super) struct LateInit<T>(OnceLock<T>);

impl<T> Default for LateInit<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Send + Sync> LateInit<T> {
    /// Goes through `way` from now on.
    pub(super) fn connected(&self, way: T) {
        let _already = self.0.set(way);
    }

    /// What it is connected with, if it is.
    pub(super) fn way(&self) -> Option<&T> {
        self.0.get()
    }

    fn get(&self) -> Result<&T, BusError> {
        self.way().ok_or_else(|| BusError::Unavailable { reason: "not connected yet".to_owned() })
    }
}

#[async_trait]
impl Publisher for LateInit<RocketMqPublisher> {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        self.get()?.publish(message).await
    }

    fn clock_difference(&self) -> Option<ClockDifference> {
        self.way()?.clock_difference()
    }
}

#[async_trait]
impl Browser for LateInit<RocketMqBrowser> {
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusError> {
        self.get()?.queues().await
    }

    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusError> {
        self.get()?.read(queue, offset, max).await
    }
}

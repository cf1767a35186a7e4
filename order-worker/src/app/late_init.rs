//! Broker handles that can be passed on before the broker has answered.

use std::sync::OnceLock;

use async_trait::async_trait;
use flashgate_messaging::{
    Browser, BusError, ClockDifference, Message, Publisher, QueueId, QueueSpan, StoredPage,
    rocketmq::{RocketMqBrowser, RocketMqPublisher},
};

/// Refuses calls until connected; operators can do everything that needs no broker meanwhile.
pub(super) struct LateInit<T>(OnceLock<T>);

impl<T> Default for LateInit<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Send + Sync> LateInit<T> {
    /// Forwards calls to `way` from now on; the first call wins.
    pub(super) fn connected(&self, way: T) {
        let _already = self.0.set(way);
    }

    /// The handle, if connected.
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

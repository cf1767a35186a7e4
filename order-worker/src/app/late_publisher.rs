//! A publisher that can be handed out before the broker has answered.

use std::sync::OnceLock;

use async_trait::async_trait;
use flashgate_messaging::{BusFault, Message, Publisher, rocketmq::RocketMqPublisher};

/// Refuses until it is connected; operators can do all but announce meanwhile.
#[derive(Default)]
pub(super) struct LatePublisher(OnceLock<RocketMqPublisher>);

impl LatePublisher {
    /// Publishes through `publisher` from now on.
    pub(super) fn connected(&self, publisher: RocketMqPublisher) {
        let _already = self.0.set(publisher);
    }

    pub(super) fn shutdown(&self) {
        if let Some(publisher) = self.0.get() {
            publisher.shutdown();
        }
    }
}

#[async_trait]
impl Publisher for LatePublisher {
    async fn publish(&self, message: Message) -> Result<(), BusFault> {
        match self.0.get() {
            Some(publisher) => publisher.publish(message).await,
            None => Err(BusFault::Unavailable { reason: "not connected yet".to_owned() }),
        }
    }
}

//! A browser that can be handed out before the broker has answered.

use std::sync::OnceLock;

use async_trait::async_trait;
use flashgate_messaging::{Browser, BusFault, QueueId, QueueSpan, StoredPage, rocketmq::RocketMqBrowser};

/// Sees nothing until it is connected.
#[derive(Default)]
pub(super) struct LateBrowser(OnceLock<RocketMqBrowser>);

impl LateBrowser {
    /// Looks through `browser` from now on.
    pub(super) fn connected(&self, browser: RocketMqBrowser) {
        let _already = self.0.set(browser);
    }

    pub(super) fn shutdown(&self) {
        if let Some(browser) = self.0.get() {
            browser.shutdown();
        }
    }

    fn get(&self) -> Result<&RocketMqBrowser, BusFault> {
        self.0.get().ok_or_else(|| BusFault::Unavailable { reason: "not connected yet".to_owned() })
    }
}

#[async_trait]
impl Browser for LateBrowser {
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusFault> {
        self.get()?.queues().await
    }

    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusFault> {
        self.get()?.read(queue, offset, max).await
    }
}

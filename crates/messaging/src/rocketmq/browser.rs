//! Reading a topic as RocketMQ's own tools do: with pulls that do not wait and do not commit.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    codes::{fault_of, response},
    offsets::QueueOffsets,
    pull::{next_offset, pull_request},
    route::Route,
    session::Session,
    stored::Stored,
};
use crate::{
    browse::{Browser, QueueSpan, StoredPage},
    fault::BusError,
    message::QueueId,
    names::Topic,
};

/// The group of RocketMQ's tools (`MixAll.TOOLS_CONSUMER_GROUP`): it exists on every broker, and a pull must name a
/// group.
const GROUP: &str = "TOOLS_CONSUMER";

/// Reads one topic.
pub struct RocketMqBrowser {
    session: Arc<Session>,
    topic: Topic,
}

impl RocketMqBrowser {
    pub(super) fn new(session: Arc<Session>, topic: Topic) -> Self {
        Self { session, topic }
    }

    /// Closes the connections. Later calls return [`BusError::Closed`].
    pub fn shutdown(&self) {
        self.session.close();
    }

    /// The route of the topic; `None` if the topic does not exist.
    async fn route(&self) -> Result<Option<Arc<Route>>, BusError> {
        match self.session.route(&self.topic).await {
            Err(BusError::Rejected { broker_code: response::TOPIC_NOT_EXIST, .. }) => Ok(None),
            route => route.map(Some),
        }
    }
}

#[async_trait]
impl Browser for RocketMqBrowser {
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusError> {
        let Some(route) = self.route().await? else { return Ok(Vec::new()) };
        if route.readable.is_empty() && !route.writers.is_empty() {
            return Err(BusError::invalid(format!("topic {} has no readable queue", self.topic)));
        }
        let mut spans = Vec::new();
        for queue in &route.readable {
            let place = QueueOffsets { session: &self.session, topic: &self.topic, queue };
            let offsets = place.earliest().await?..place.latest().await?;
            spans.push(QueueSpan { queue: queue.clone(), offsets });
        }
        Ok(spans)
    }

    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusError> {
        let route = self.session.route(&self.topic).await?;
        let address = route.address(&queue.broker)?;
        let request = pull_request(GROUP, &self.topic, queue, offset, max, None);
        let mut answer = self.session.call(address, request, self.session.deadline()).await?;
        match answer.code() {
            response::SUCCESS => {
                let next = next_offset(&answer)?;
                let body = answer.take_body().unwrap_or_default();
                Ok(StoredPage { messages: Stored::take_all(body, &queue.broker)?, next })
            }
            response::PULL_NOT_FOUND | response::PULL_RETRY_IMMEDIATELY | response::PULL_OFFSET_MOVED => {
                Ok(StoredPage { messages: Vec::new(), next: next_offset(&answer)? })
            }
            _ => Err(fault_of(&answer).at(queue)),
        }
    }
}

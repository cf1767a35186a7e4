//! The offsets of a queue at its broker.

use std::sync::Arc;

use super::{
    codes::{expect_success, fault_of, request, response},
    frame::{Frame, Request},
    session::Session,
};
use crate::{
    fault::BusError,
    message::QueueId,
    names::{Group, Topic},
};

/// A queue of a topic, with the session to ask with.
#[derive(Clone, Copy)]
pub(super) struct QueueOffsets<'a> {
    pub(super) session: &'a Arc<Session>,
    pub(super) topic: &'a Topic,
    pub(super) queue: &'a QueueId,
}

impl QueueOffsets<'_> {
    /// The offset of the oldest stored message.
    pub(super) async fn earliest(self) -> Result<u64, BusError> {
        self.ask(self.request(request::GET_MIN_OFFSET)).await
    }

    /// The offset of the next message.
    pub(super) async fn latest(self) -> Result<u64, BusError> {
        self.ask(self.request(request::GET_MAX_OFFSET)).await
    }

    /// The committed offset of `group`, or the earliest if it never committed.
    pub(super) async fn committed(self, group: &Group) -> Result<u64, BusError> {
        let request = self.request(request::QUERY_CONSUMER_OFFSET).field("consumerGroup", group);
        let answer = self.call(&request).await?;
        match answer.code {
            response::SUCCESS => answer.number("offset"),
            response::QUERY_NOT_FOUND => self.earliest().await,
            _ => Err(fault_of(&answer).at(self.queue)),
        }
    }

    /// Whether the queue's broker left the last request unanswered.
    pub(super) async fn is_mute(self) -> bool {
        let Ok(route) = self.session.route(self.topic).await else { return false };
        route.address(&self.queue.broker).is_ok_and(|address| self.session.peers.is_mute(address))
    }

    /// Commits `offset` for `group`: everything before it is handled. Awaits the broker's answer. The broker writes
    /// offsets to its disk every 5 s (`flushConsumerOffsetInterval`): after its crash they may be older.
    pub(super) async fn commit(self, group: &Group, offset: u64) -> Result<(), BusError> {
        let request = self
            .request(request::UPDATE_CONSUMER_OFFSET)
            .field("consumerGroup", group)
            .field("commitOffset", offset);
        self.call(&request).await.and_then(|answer| self.expect_success(answer)).map(drop)
    }

    fn request(self, code: i32) -> Request {
        Request::new(code)
            .field("topic", self.topic)
            .field("queueId", self.queue.number)
            .field("bname", &self.queue.broker)
    }

    fn expect_success(self, answer: Frame) -> Result<Frame, BusError> {
        expect_success(answer).map_err(|fault| fault.at(self.queue))
    }

    async fn ask(self, request: Request) -> Result<u64, BusError> {
        self.call(&request).await.and_then(|answer| self.expect_success(answer))?.number("offset")
    }

    async fn call(self, request: &Request) -> Result<Frame, BusError> {
        let route = self.session.route(self.topic).await?;
        let address = route.address(&self.queue.broker)?;
        let answer = self.session.call(address, request, self.session.deadline()).await;
        answer.map_err(|fault| fault.at(self.queue))
    }
}

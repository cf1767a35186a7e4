//! The offsets of a queue at its broker.

use std::sync::Arc;

use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        command_custom_header::FromMap,
        header::{
            get_max_offset_request_header::GetMaxOffsetRequestHeader,
            get_max_offset_response_header::GetMaxOffsetResponseHeader,
            get_min_offset_request_header::GetMinOffsetRequestHeader,
            get_min_offset_response_header::GetMinOffsetResponseHeader,
            query_consumer_offset_request_header::QueryConsumerOffsetRequestHeader,
            query_consumer_offset_response_header::QueryConsumerOffsetResponseHeader,
            update_consumer_offset_header::UpdateConsumerOffsetRequestHeader,
        },
        remoting_command::RemotingCommand,
    },
    rpc::topic_request_header::TopicRequestHeader,
};

use super::{
    codes::{
        at_broker, broker_named, expect_success, fault_of, header, offset, response, signed, signed_count,
    },
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
        let header = GetMinOffsetRequestHeader {
            topic: self.topic.as_str().into(),
            queue_id: self.number(),
            topic_request_header: self.broker(),
        };
        let answer =
            self.ask(RemotingCommand::create_request_command(RequestCode::GetMinOffset, header)).await?;
        let answer: GetMinOffsetResponseHeader = self.header(&answer)?;
        offset(answer.offset)
    }

    /// The offset of the next message.
    pub(super) async fn latest(self) -> Result<u64, BusError> {
        let header = GetMaxOffsetRequestHeader {
            topic: self.topic.as_str().into(),
            queue_id: self.number(),
            committed: true,
            topic_request_header: self.broker(),
        };
        let answer =
            self.ask(RemotingCommand::create_request_command(RequestCode::GetMaxOffset, header)).await?;
        let answer: GetMaxOffsetResponseHeader = self.header(&answer)?;
        offset(answer.offset)
    }

    /// The committed offset of `group`, or the earliest if it never committed.
    pub(super) async fn committed(self, group: &Group) -> Result<u64, BusError> {
        let header = QueryConsumerOffsetRequestHeader {
            consumer_group: group.as_str().into(),
            topic: self.topic.as_str().into(),
            queue_id: self.number(),
            topic_request_header: Some(at_broker(&self.queue.broker)),
            ..QueryConsumerOffsetRequestHeader::default()
        };
        let request = RemotingCommand::create_request_command(RequestCode::QueryConsumerOffset, header);
        let answer = self.call(request).await?;
        match answer.code() {
            response::SUCCESS => {
                let answer: QueryConsumerOffsetResponseHeader = self.header(&answer)?;
                let missing = || BusError::invalid_response("the answer has no offset").at(self.queue);
                offset(answer.offset.ok_or_else(missing)?)
            }
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
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: group.as_str().into(),
            topic: self.topic.as_str().into(),
            queue_id: self.number(),
            commit_offset: signed(offset),
            topic_request_header: Some(at_broker(&self.queue.broker)),
        };
        let request = RemotingCommand::create_request_command(RequestCode::UpdateConsumerOffset, header);
        self.ask(request).await.map(drop)
    }

    fn number(self) -> i32 {
        signed_count(self.queue.number)
    }

    fn broker(self) -> Option<TopicRequestHeader> {
        Some(TopicRequestHeader { rpc_request_header: Some(broker_named(&self.queue.broker)), lo: None })
    }

    fn header<H>(self, answer: &RemotingCommand) -> Result<H, BusError>
    where
        H: FromMap<Target = H, Error = rocketmq_error::Error>,
    {
        header(answer).map_err(|fault: BusError| fault.at(self.queue))
    }

    async fn ask(self, request: RemotingCommand) -> Result<RemotingCommand, BusError> {
        let answer = self.call(request).await?;
        expect_success(answer).map_err(|fault| fault.at(self.queue))
    }

    async fn call(self, request: RemotingCommand) -> Result<RemotingCommand, BusError> {
        let route = self.session.route(self.topic).await?;
        let address = route.address(&self.queue.broker)?;
        let answer = self.session.call(address, request, self.session.deadline()).await;
        answer.map_err(|fault| fault.at(self.queue))
    }
}

//! The publisher of plain messages.

use std::sync::Arc;

use async_trait::async_trait;

use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use super::{
    inbound::Inbound,
    sender::{Kind, Sender},
    session::Session,
};
use crate::{
    bus::Publisher,
    fault::BusError,
    message::{ClockDifference, Message},
    names::Group,
};

/// Sends plain messages, to the brokers of their topic in turn.
pub struct RocketMqPublisher {
    sender: Sender,
}

impl RocketMqPublisher {
    pub(super) fn new(session: Arc<Session>, group: Group) -> Self {
        Self { sender: Sender::new(session, group) }
    }

    /// Closes the connections. Later calls return [`BusError::Closed`].
    pub fn shutdown(&self) {
        self.sender.session.close();
    }
}

#[async_trait]
impl Publisher for RocketMqPublisher {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        self.sender.send(&message, Kind::Plain).await.map(drop)
    }

    fn clock_difference(&self) -> Option<ClockDifference> {
        self.sender.session.clocks.furthest()
    }
}

/// Serves no requests of the broker.
pub(super) struct NoInbound;

impl Inbound for NoInbound {
    fn take(&self, _address: &str, _request: &RemotingCommand) -> bool {
        false
    }
}

//! Sending messages, plain and half.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::codes::{expect_success, flag, request};
use super::frame::{Frame, Request};
use super::properties::{
    DELIVER_AFTER_MS, FIRST_CHECK_AFTER_S, HALF, KEYS, PRODUCER_GROUP, PropertiesOut, UNIQUE_ID, WAIT_STORED,
};
use super::session::Session;
use crate::fault::BusFault;
use crate::message::Message;
use crate::names::Group;

/// The topic and queue count that a broker would create an unknown topic after; it never gets to that here.
const TEMPLATE_TOPIC: &str = "TBW102";
const TEMPLATE_QUEUES: u32 = 4;

/// Sends for one producer group, to the writable queues in turn.
pub(super) struct Sender {
    pub(super) session: Arc<Session>,
    pub(super) group: Group,
    turn: AtomicUsize,
}

/// Plain or half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Half,
}

/// A message that a broker took.
pub(super) struct Sent {
    pub(super) broker: String,
    pub(super) message_id: String,
    pub(super) answer: Frame,
}

impl Sender {
    pub(super) fn new(session: Arc<Session>, group: Group) -> Self {
        Self { session, group, turn: AtomicUsize::new(0) }
    }

    /// Sends `message`; tries further queues while a fault says that nothing was stored.
    ///
    /// # Errors
    /// The fault of the last try.
    pub(super) async fn send(&self, message: &Message, kind: Kind) -> Result<Sent, BusFault> {
        let message_id = self.session.new_message_id();
        let properties = self.properties(message, kind, &message_id)?;
        let deadline = self.session.deadline();
        let route = self.session.route(&message.topic).await?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut tries_left = self.session.config.send_retries_max;
        loop {
            let turn = usize::try_from(self.session.config.send_retries_max - tries_left).unwrap_or(0);
            let index = first.wrapping_add(turn).checked_rem(route.writable.len());
            let Some(queue) = index.and_then(|index| route.writable.get(index)) else {
                return Err(BusFault::unavailable(format!("topic {} has no writable queue", message.topic)));
            };
            let broker = route.address(&queue.broker)?;
            let request = self.request(message, kind, &properties, queue.number, &queue.broker);
            match self.session.call(broker, &request, deadline).await.and_then(expect_success) {
                Ok(answer) => return Ok(Sent { broker: broker.to_owned(), message_id, answer }),
                Err(fault) if fault.retry_safe() && tries_left > 0 => {
                    tracing::debug!(%fault, broker, tries_left, "the message is sent again");
                    tries_left -= 1;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    fn properties(&self, message: &Message, kind: Kind, message_id: &str) -> Result<String, BusFault> {
        let bytes_max = self.session.config.body_bytes_max.get();
        if message.body.len() > bytes_max {
            let size = message.body.len();
            return Err(BusFault::invalid(format!("a body of {size} bytes, body_bytes_max is {bytes_max}")));
        }
        let mut properties = PropertiesOut::default();
        properties.put(KEYS, &message.key)?;
        properties.put(UNIQUE_ID, message_id)?;
        properties.put(WAIT_STORED, "true")?;
        if let Some(delay) = message.deliver_after {
            if kind == Kind::Half {
                return Err(BusFault::invalid("a half-message cannot be delayed"));
            }
            properties.put(DELIVER_AFTER_MS, &delay.as_millis().to_string())?;
        }
        if kind == Kind::Half {
            properties.put(HALF, "true")?;
            properties.put(PRODUCER_GROUP, self.group.as_str())?;
            if let Some(seconds) = self.session.config.first_check_after_s {
                properties.put(FIRST_CHECK_AFTER_S, &seconds.to_string())?;
            }
        }
        for (name, value) in &message.properties {
            properties.put_own(name, value)?;
        }
        properties.finish()
    }

    /// `SendMessageRequestHeaderV2`: its fields have one letter each.
    fn request(
        &self,
        message: &Message,
        kind: Kind,
        properties: &str,
        queue: u32,
        broker_name: &str,
    ) -> Request {
        let system_flag = match kind {
            Kind::Plain => 0,
            Kind::Half => flag::TRANSACTION_PREPARED,
        };
        Request::new(request::SEND_MESSAGE_V2)
            .field("a", &self.group)
            .field("b", &message.topic)
            .field("c", TEMPLATE_TOPIC)
            .field("d", TEMPLATE_QUEUES)
            .field("e", queue)
            .field("f", system_flag)
            .field("g", self.session.now().as_millis())
            .field("h", 0)
            .field("i", properties)
            .field("j", 0)
            .field("k", false)
            .field("m", false)
            .field("n", broker_name)
            .body(message.body.clone())
    }
}

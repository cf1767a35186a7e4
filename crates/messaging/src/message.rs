//! The plain data of the traits.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::clock::Timestamp;

use crate::names::Topic;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic; it must exist.
    pub topic: Topic,
    /// The message key, which operators search for and a check-back names. No whitespace.
    pub key: String,
    /// Named values beside the body. Names and values must not contain the bytes 1 and 2; names that the broker
    /// reserves are refused. Their order is not kept.
    pub properties: Vec<(String, String)>,
    /// Any bytes.
    pub body: Bytes,
    /// Delivery delay; only for plain messages, half-messages with a delay are refused.
    pub deliver_after: Option<Duration>,
}

impl Message {
    /// A message without properties, delivered at once.
    pub const fn new(topic: Topic, key: String, body: Bytes) -> Self {
        Self { topic, key, properties: Vec::new(), body, deliver_after: None }
    }
}

/// The broker's answer to a half-message: everything that is needed to resolve it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfMessage {
    /// The topic that the message goes to once it is committed.
    pub topic: Topic,
    /// `host:port` of the broker that took the half-message.
    pub broker: String,
    /// The id that the producer assigned to the message.
    pub message_id: String,
    /// The broker's id of the transaction.
    pub transaction_id: String,
    /// The offset in the broker's queue of half-messages.
    pub queue_offset: u64,
    /// The offset in the broker's commit log.
    pub commit_log_offset: u64,
}

/// The result of a transaction, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The local transaction is committed: deliver the message.
    Commit,
    /// The local transaction did not happen and never will: drop the message.
    Rollback,
    /// Not known now: the broker asks again later.
    Unknown,
}

impl Resolution {
    /// The verdict, unless the result is unknown.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Commit => Some(Verdict::Commit),
            Self::Rollback => Some(Verdict::Rollback),
            Self::Unknown => None,
        }
    }
}

/// A final verdict on a half-message. If in doubt, leave it to check-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Deliver the message.
    Commit,
    /// Drop the message.
    Rollback,
}

/// A half-message whose result the broker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedMessage {
    /// The key of the message.
    pub key: String,
    /// The properties that it was sent with, in no particular order.
    pub properties: Vec<(String, String)>,
    /// The body that it was sent with.
    pub body: Bytes,
    /// How many check-backs of this message came before.
    pub asked_before: u32,
    /// When the producer created it, by the broker's clock as far as the producer knew it.
    pub born_at: Timestamp,
}

/// A queue of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId {
    /// The name of the broker that has the queue.
    pub broker: Arc<str>,
    /// The queue's number on that broker.
    pub number: u32,
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.broker, self.number)
    }
}

/// The position of a subscription in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The queue.
    pub queue: QueueId,
    /// Distinguishes this holding of the queue from earlier ones of the same subscription.
    pub holding: u64,
    /// The offset after the last delivered message.
    pub offset: u64,
}

/// How far the clock of this process is ahead of a broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// The estimate, in milliseconds; negative if this process's clock is behind.
    pub ahead_ms: i64,
    /// The maximum error of the estimate, in milliseconds.
    pub bound_ms: u64,
}

/// A message delivered by a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id that its producer assigned. A message that was committed twice is delivered twice with the same id.
    pub message_id: String,
    /// The key of the message.
    pub key: String,
    /// The properties that it was sent with, in no particular order.
    pub properties: Vec<(String, String)>,
    /// The body that it was sent with.
    pub body: Bytes,
    /// The queue that stores it.
    pub queue: QueueId,
    /// Its offset in that queue.
    pub offset: u64,
    /// When its producer created it, by the broker's clock as far as the producer knew it.
    pub born_at: Timestamp,
    /// When the broker stored it, by the broker's clock.
    pub stored_at: Timestamp,
}

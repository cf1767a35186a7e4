//! Plain data that crosses the boundary to the broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flashgate_domain::clock::Timestamp;

use crate::names::Topic;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes. The topic must exist.
    pub topic: Topic,
    /// The message key: what operators search for, and what a check-back names. No whitespace.
    pub key: String,
    /// Named values beside the body. Names and values without the bytes 1 and 2; names that the broker uses
    /// itself are refused. Their order is not kept.
    pub properties: Vec<(String, String)>,
    /// Any bytes.
    pub body: Bytes,
    /// How long the broker holds the message back; for plain publishes only, half-messages refuse it.
    pub deliver_after: Option<Duration>,
}

impl Message {
    /// A message without properties, to be delivered at once.
    pub const fn new(topic: Topic, key: String, body: Bytes) -> Self {
        Self { topic, key, properties: Vec::new(), body, deliver_after: None }
    }
}

/// What the broker said about a half-message: enough to resolve it later, by whoever holds this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfMessage {
    /// The topic that the message goes to once it is committed.
    pub topic: Topic,
    /// `host:port` of the broker that took the half-message.
    pub broker: String,
    /// The id that the producer gave to the message.
    pub message_id: String,
    /// The id that the broker knows the transaction by.
    pub transaction_id: String,
    /// Its place in the broker's queue of half-messages.
    pub queue_offset: u64,
    /// Its place in the broker's commit log.
    pub commit_log_offset: u64,
}

/// What a transaction came to, as far as anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The local transaction stands: deliver the message.
    Commit,
    /// It does not and never will: drop the message.
    Rollback,
    /// Nobody can say now: the broker asks again later.
    Unknown,
}

impl Resolution {
    /// The verdict in it, if there is one.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Commit => Some(Verdict::Commit),
            Self::Rollback => Some(Verdict::Rollback),
            Self::Unknown => None,
        }
    }
}

/// A final word on a half-message. Doubt has no place here: whoever doubts leaves it to the check-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Deliver the message.
    Commit,
    /// Drop the message.
    Rollback,
}

/// A half-message whose fate the broker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedMessage {
    /// The key of the message.
    pub key: String,
    /// The properties that it was sent with, in no particular order.
    pub properties: Vec<(String, String)>,
    /// The body that it was sent with.
    pub body: Bytes,
    /// How often the broker has asked before.
    pub asked_before: u32,
    /// When the producer made it, by the broker's clock as far as the producer knew it.
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

/// How far a subscription has come in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The queue.
    pub queue: QueueId,
    /// Tells this holding of the queue from an earlier one by the same subscription.
    pub holding: u64,
    /// The offset after the last message that was delivered.
    pub offset: u64,
}

/// How far the clock of this process is ahead of a broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// The estimate, in milliseconds; negative if this process's clock is behind.
    pub ahead_ms: i64,
    /// The truth is no further from the estimate than this, in milliseconds.
    pub bound_ms: u64,
}

/// A message that a subscription delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id that its producer gave to the message. A message that was committed twice has it twice.
    pub message_id: String,
    /// The key of the message.
    pub key: String,
    /// The properties that it was sent with, in no particular order.
    pub properties: Vec<(String, String)>,
    /// The body that it was sent with.
    pub body: Bytes,
    /// The queue that it came from.
    pub queue: QueueId,
    /// Its place in that queue.
    pub offset: u64,
    /// When its producer made it, by the broker's clock as far as the producer knew it.
    pub born_at: Timestamp,
    /// When the broker stored it, by the broker's clock.
    pub stored_at: Timestamp,
}

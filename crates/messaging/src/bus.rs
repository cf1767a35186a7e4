//! The traits of a message broker.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{
    fault::BusError,
    message::{
        CheckedMessage, ClockDifference, Delivery, HalfMessage, Message, Position, Resolution, Verdict,
    },
};

/// Sends half-messages and resolves them. Use one producer per kind of transaction, since the broker sends check-backs
/// to any producer of the group.
#[async_trait]
pub trait TransactionProducer: Send + Sync {
    /// Stores `message` at a broker, invisible to subscribers until it is committed. If a broker does not answer, the
    /// message may be stored at a second broker too, and is checked back there under the same key.
    ///
    /// # Errors
    /// After [`BusError::Unanswered`] or [`BusError::NotDurable`] a half-message may exist; its check-back resolves it.
    /// After any other fault, none exists.
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusError>;

    /// Sends the verdict on `half` to the broker and awaits its answer. `Ok` means that the broker stored the verdict:
    /// a commit is then visible to subscribers. Two commits deliver two messages.
    ///
    /// # Errors
    /// [`BusError::Unanswered`]: the verdict may or may not be stored. [`BusError::TooLate`]: it is not stored, and
    /// only the check-back can decide now.
    async fn resolve(&self, half: &HalfMessage, verdict: Verdict) -> Result<(), BusError>;

    /// Checks that half-messages can be sent and resolved: a recent one was stored, or a probe is sent and rolled back.
    ///
    /// # Errors
    /// The fault of the probe.
    async fn ping(&self) -> Result<(), BusError>;

    /// How far this process's clock is ahead of the brokers'; with several brokers, the largest difference. `None`
    /// until it is measured.
    fn clock_difference(&self) -> Option<ClockDifference> {
        None
    }
}

/// Answers the broker's check-backs.
#[async_trait]
pub trait CheckBackHandler: Send + Sync + 'static {
    /// Returns what became of the transaction of `message`; `Unknown` if in doubt. May be called repeatedly and
    /// concurrently for one message, also after it was resolved.
    async fn check_back(&self, message: CheckedMessage) -> Resolution;
}

/// Sends plain messages.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Stores `message` at a broker, visible at once or after `deliver_after`. If a broker does not answer, the message
    /// may be stored at a second broker too, and is then delivered twice.
    ///
    /// # Errors
    /// After [`BusError::Unanswered`] or [`BusError::NotDurable`] the message may still be delivered.
    async fn publish(&self, message: Message) -> Result<(), BusError>;

    /// How far this process's clock is ahead of the brokers'; with several brokers, the largest difference. `None`
    /// until it is measured, which takes a publish.
    fn clock_difference(&self) -> Option<ClockDifference> {
        None
    }
}

/// Receives the messages of one topic.
#[async_trait]
pub trait Subscription: Send {
    /// Waits at most `wait` for a first message, then returns it with every message at hand, up to `max`; empty if none
    /// arrived. The broker redelivers to the group what a member received and did not commit. Dropping the call before
    /// its end loses no message.
    ///
    /// # Errors
    /// The fault that keeps messages from arriving, if every queue has one and none arrived. The subscription keeps
    /// retrying in the background.
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError>;

    /// The position that `poll` reached in each queue of which it returned messages.
    fn position(&self) -> Vec<Position>;

    /// Commits `position`, which covers everything that `poll` had returned when it was read, and awaits the broker's
    /// answer. Queues that went to another member of the group meanwhile are skipped: that member receives their
    /// messages again. A broker that is down delays no other: its offset is committed later in the background, and
    /// until then the messages that it covers may be redelivered.
    ///
    /// # Errors
    /// The fault of the first queue, if no broker accepts the commit. Repeating the call is safe.
    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError>;

    /// The number of messages in the subscription's queues that `poll` has not returned yet, as far as brokers answer.
    ///
    /// # Errors
    /// The fault of the first queue, if no broker answers.
    async fn lag(&self) -> Result<u64, BusError>;

    /// Leaves the group, so that its other members take over the queues at once. Without it, or if it is dropped before
    /// its end, the broker removes the member only after missing heartbeats. Takes a second or two at most. Commit
    /// handled messages first; there is nothing to poll afterwards. Does nothing for a subscription without a group.
    async fn leave(&mut self) {}
}

/// Makes a subscription, and makes it again after it [left](Subscription::leave) its group. A call that is dropped
/// before its end leaves the group by itself.
pub type Join = Box<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Subscription>, BusError>> + Send + Sync>;

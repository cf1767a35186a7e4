//! What the rest of flashgate asks of a message broker.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::fault::BusFault;
use crate::message::{
    CheckedMessage, ClockDifference, Delivery, HalfMessage, Message, Position, Resolution, Verdict,
};

/// Sends half-messages and resolves them. One per kind of transaction, since check-backs go to any producer of
/// the group.
#[async_trait]
pub trait TransactionProducer: Send + Sync {
    /// Stores `message` at a broker, invisible to subscribers until it is committed. If one broker does not answer,
    /// it may be stored at another too, and is checked back there under the same key.
    ///
    /// # Errors
    /// After [`BusFault::Unanswered`] or [`BusFault::NotDurable`] a half-message may exist all the same; its
    /// check-back will come. Any other fault: none exists.
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusFault>;

    /// Tells the broker the fate of `half` and awaits its answer. `Ok` means that the broker stored the verdict:
    /// a commit is then visible to subscribers. Two commits deliver two messages.
    ///
    /// # Errors
    /// [`BusFault::Unanswered`]: the verdict may or may not be stored. [`BusFault::TooLate`]: it is not, and
    /// only the check-back can decide now.
    async fn resolve(&self, half: &HalfMessage, verdict: Verdict) -> Result<(), BusFault>;

    /// Whether half-messages can be sent and resolved: one was taken lately, or one is sent for this and rolled back.
    ///
    /// # Errors
    /// The fault of the one that was sent.
    async fn ping(&self) -> Result<(), BusFault>;

    /// How far this process's clock is ahead of the broker's, of several the one furthest away; `None` for as long as
    /// it is not known.
    fn clock_difference(&self) -> Option<ClockDifference> {
        None
    }
}

/// Answers the broker's question for the fate of a half-message.
#[async_trait]
pub trait CheckBackHandler: Send + Sync + 'static {
    /// Says what became of the transaction of `message`; `Unknown` for any doubt. May be asked repeatedly and
    /// concurrently about one message, also after it was resolved.
    async fn check_back(&self, message: CheckedMessage) -> Resolution;
}

/// Sends plain messages.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Stores `message` at a broker, visible at once or after `deliver_after`. If one broker does not answer, it may be
    /// stored at another too, and is delivered twice then.
    ///
    /// # Errors
    /// After [`BusFault::Unanswered`] or [`BusFault::NotDurable`] the message may be delivered all the same.
    async fn publish(&self, message: Message) -> Result<(), BusFault>;

    /// How far this process's clock is ahead of the broker's, of several the one furthest away; `None` for as long as
    /// it is not known: until something was published.
    fn clock_difference(&self) -> Option<ClockDifference> {
        None
    }
}

/// Receives the messages of one topic.
#[async_trait]
pub trait Subscription: Send {
    /// Waits at most `wait` for a first message, then returns it with all that is at hand, up to `max`; empty if
    /// none came. What a member of a group received and did not commit, the group receives again. A call that is
    /// dropped before its end has taken nothing.
    ///
    /// # Errors
    /// The fault that keeps messages from arriving, if none came and it is so with every queue. The subscription goes on
    /// trying by itself.
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusFault>;

    /// How far `poll` has come, in each queue that it returned something of.
    fn position(&self) -> Vec<Position>;

    /// Acknowledges everything that `poll` had returned when the subscription was there, and awaits the broker's
    /// answer. Queues that went to another member of the group meanwhile are left out: that member receives their
    /// messages again. A broker that cannot be told stands in front of no other: it is told later, without anybody
    /// waiting, and until then what that covered may come again.
    ///
    /// # Errors
    /// The fault of the first queue, if no broker can be told. Repeating the call is safe.
    async fn commit(&mut self, position: &[Position]) -> Result<(), BusFault>;

    /// How many messages the queues it holds have beyond what `poll` returned, as far as their brokers answer.
    ///
    /// # Errors
    /// The fault of the first queue, if none could be asked.
    async fn lag(&self) -> Result<u64, BusFault>;

    /// Leaves the group, so that its other members take over the queues at once; not awaited, or dropped without, the
    /// broker has to miss it. Takes a second or two at most. Commit first what was handled; afterwards there is nothing
    /// to poll. Where there is no group to be left it does nothing.
    async fn leave(&mut self) {}
}

/// A subscription that is made later, and made again after it [left](Subscription::leave) its group. One that is not
/// awaited to its end leaves the group by itself.
pub type Join = Box<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Subscription>, BusFault>> + Send + Sync>;

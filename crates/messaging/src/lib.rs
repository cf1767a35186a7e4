//! The process boundary to the message broker.
//!
//! The traits of [`bus`] take and return plain data only, so that they have two real implementations: Apache
//! RocketMQ ([`rocketmq`]) and the simulated bus of the tests. They promise:
//!
//! * a half-message is invisible until it is resolved with `Commit`, and `resolve` awaits the broker's answer;
//! * a half-message that is not resolved comes back as a check-back, to any live producer of its group;
//! * a subscription delivers at least once: uncommitted messages are redelivered, in the order of their queue;
//! * reading a topic with a [`Browser`] consumes nothing;
//! * every fault states whether the call may have had its effect ([`BusError::retry_safe`]).

pub mod browse;
pub mod bus;
#[cfg(feature = "contract")]
pub mod contract;
pub mod fault;
pub mod message;
pub mod names;
pub mod rocketmq;

pub use browse::{Browser, InvalidLocation, MessageLocation, QueueSpan, StoredPage};
pub use bus::{CheckBackHandler, Join, Publisher, Subscription, TransactionProducer};
pub use fault::BusError;
pub use message::{
    CheckedMessage, ClockDifference, Delivery, HalfMessage, Message, Position, QueueId, Resolution, Verdict,
};
pub use names::{Group, InvalidName, Topic};

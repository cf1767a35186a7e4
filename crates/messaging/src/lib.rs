//! The process boundary to the message broker.
//!
//! The traits of [`bus`] take and return plain data only, so that they have two real implementations: Apache
//! RocketMQ ([`rocketmq`]) and the simulated bus of the tests. What they promise:
//!
//! * a half-message is invisible until it is resolved with `Commit`, and `resolve` awaits the broker's word;
//! * a half-message that nobody resolves comes back as a check-back, to any live producer of its group;
//! * a subscription delivers at least once: what was not committed comes again, in the order of its queue;
//! * whoever looks at a topic ([`Browser`]) takes nothing from those who receive;
//! * every fault says whether the call may have had its effect ([`BusFault::retry_safe`]).

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
pub use fault::BusFault;
pub use message::{
    CheckedMessage, ClockDifference, Delivery, HalfMessage, Message, Position, QueueId, Resolution, Verdict,
};
pub use names::{Group, InvalidName, Topic};

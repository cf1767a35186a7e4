//! Looking at what a topic holds, for operators.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use async_trait::async_trait;

use crate::fault::BusFault;
use crate::message::{Delivery, QueueId};

/// How long the name of a broker can be where it is read from a text; RocketMQ's brokers have 127 at most.
const BROKER_BYTES_MAX: usize = 127;

/// Looks at the messages of one topic. Receives nothing: no group learns of it, and no offset moves.
#[async_trait]
pub trait Browser: Send + Sync {
    /// The queues of the topic, in ascending order, each with what the broker still has of it. None if there is no
    /// such topic.
    ///
    /// # Errors
    /// The fault of the first queue that could not be asked; [`BusFault::Invalid`] if nobody may read the topic.
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusFault>;

    /// The messages of `queue` from `offset` on: `max`, or as many fewer as the broker gives at once. Does not wait
    /// for messages to come.
    ///
    /// # Errors
    /// The broker's fault.
    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusFault>;
}

/// A queue, with what the broker still has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpan {
    /// The queue.
    pub queue: QueueId,
    /// From the oldest message that is left to where the next one will be.
    pub offsets: Range<u64>,
}

/// Messages that lie in a queue one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// By ascending offset.
    pub messages: Vec<Delivery>,
    /// Where to go on; the offset that was asked for if there was nothing.
    pub next: u64,
}

/// Where a stored message lies: `broker/queue:offset` as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageLocation {
    /// The queue.
    pub queue: QueueId,
    /// Its place in the queue.
    pub offset: u64,
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be broker/queue:offset, such as broker-a/0:12")]
pub struct InvalidLocation;

impl MessageLocation {
    /// Where `message` lies.
    pub fn of(message: &Delivery) -> Self {
        Self { queue: message.queue.clone(), offset: message.offset }
    }
}

impl fmt::Display for MessageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.queue.broker, self.queue.number, self.offset)
    }
}

impl FromStr for MessageLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        // From the end: a broker may have any name.
        let (queue, offset) = text.rsplit_once(':').ok_or(InvalidLocation)?;
        let (broker, number) = queue.rsplit_once('/').ok_or(InvalidLocation)?;
        let is_name = |byte: u8| byte.is_ascii_graphic();
        if !(1..=BROKER_BYTES_MAX).contains(&broker.len()) || !broker.bytes().all(is_name) {
            return Err(InvalidLocation);
        }
        let queue = QueueId { broker: broker.into(), number: plain_number(number)? };
        Ok(Self { queue, offset: plain_number(offset)? })
    }
}

/// A number in the one form that it is written in: `+1` and `007`, which would be read as well, are none.
fn plain_number<N: FromStr>(digits: &str) -> Result<N, InvalidLocation> {
    let is_plain = digits == "0" || !digits.starts_with(['0', '+']);
    is_plain.then(|| digits.parse().ok()).flatten().ok_or(InvalidLocation)
}

#[cfg(test)]
mod tests {
    use super::{InvalidLocation, MessageLocation};

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["broker-a/0:12", "a/b:c/3:18446744073709551615", "b/4294967295:0"] {
            assert_eq!(text.parse::<MessageLocation>().map(|place| place.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_text_that_names_no_place_is_refused() {
        let long_name = format!("{}/0:1", "b".repeat(128));
        for text in [
            "",
            "12",
            "broker-a",
            "broker-a/0",
            "broker-a:0",
            "/0:1",
            "b/:1",
            "b/0:",
            "b/-1:1",
            "b/0:+1",
            "b/00:1",
            "b/0:01",
            "b/4294967296:1",
            "b/0:18446744073709551616",
            "a b/0:1",
            &long_name,
        ] {
            assert_eq!(text.parse::<MessageLocation>(), Err(InvalidLocation), "{text:?}");
        }
    }
}

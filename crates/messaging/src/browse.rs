//! Reading what a topic stores, for operators.

use std::{fmt, ops::Range, str::FromStr};

use async_trait::async_trait;

use crate::{
    fault::BusError,
    message::{Delivery, QueueId},
};

/// The maximum length of a broker's name in a location; RocketMQ's brokers have at most 127 bytes.
const BROKER_BYTES_MAX: usize = 127;

/// Reads the messages of one topic without consuming them: it joins no group and moves no offset.
#[async_trait]
pub trait Browser: Send + Sync {
    /// The queues of the topic, in ascending order, each with the offsets that the broker still stores. Empty if the
    /// topic does not exist.
    ///
    /// # Errors
    /// The fault of the first queue whose offsets cannot be read; [`BusError::Invalid`] if no queue is readable.
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusError>;

    /// Up to `max` messages of `queue` from `offset` on; the broker may return fewer. Does not wait for new messages.
    ///
    /// # Errors
    /// The broker's fault.
    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusError>;
}

/// A queue and the offsets that the broker still stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpan {
    /// The queue.
    pub queue: QueueId,
    /// From the offset of the oldest stored message to that of the next one.
    pub offsets: Range<u64>,
}

/// Consecutive messages of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// By ascending offset.
    pub messages: Vec<Delivery>,
    /// The offset of the next page; the requested offset if there was nothing.
    pub next: u64,
}

/// The location of a stored message: `broker/queue:offset` as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageLocation {
    /// The queue.
    pub queue: QueueId,
    /// The offset in the queue.
    pub offset: u64,
}

/// A text that is no location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be broker/queue:offset, such as broker-a/0:12")]
pub struct InvalidLocation;

impl MessageLocation {
    /// The location of `message`.
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
        // Parsed from the end, since a broker's name may contain any character.
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

/// A number in canonical form: `+1` and `007`, which `parse` accepts, are refused.
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

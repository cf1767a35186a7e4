//! A message in the broker's storage format, as in pulls and check-backs.

use std::sync::Arc;

use bytes::Bytes;
use flashgate_domain::{causes, clock::Timestamp};
use rocketmq_protocol::protocol::body::message_codec::{DecodedMessageFrame, decode_message_frame};

use super::{
    codes,
    properties::{CHECK_TIMES, KEYS, PRODUCER_GROUP, PropertiesIn, UNIQUE_ID},
};
use crate::{
    fault::BusError,
    message::{CheckedMessage, Delivery, QueueId},
};

/// A decoded message. A body that another client compressed is not decompressed.
#[derive(Debug)]
pub(super) struct Stored {
    queue: u32,
    offset: u64,
    message: DecodedMessageFrame,
    properties: PropertiesIn,
}

impl Stored {
    /// Takes one message off the front of `bytes`.
    ///
    /// # Errors
    /// [`BusError::InvalidResponse`] if the message is incomplete or invalid.
    pub(super) fn take(bytes: &mut Bytes) -> Result<Self, BusError> {
        let invalid = |reason: &str| BusError::invalid_response(format!("stored message: {reason}"));
        // The crate's decoder takes fields beyond the size that the message states.
        let size = bytes.first_chunk::<4>().and_then(|size| usize::try_from(u32::from_be_bytes(*size)).ok());
        let size = size.filter(|size| *size <= bytes.len()).ok_or_else(|| invalid("incomplete"))?;
        let mut one = bytes.split_to(size);
        let message = decode_message_frame(&mut one).map_err(|error| invalid(&causes(&error)))?;
        let queue = u32::try_from(message.queue_id).map_err(|_negative| invalid("negative queue"))?;
        let properties = PropertiesIn::parse(&message.properties_string);
        Ok(Self { queue, offset: codes::offset(message.queue_offset)?, message, properties })
    }

    /// When the broker stored it, by the broker's clock.
    pub(super) fn stored_at(&self) -> Timestamp {
        at(self.message.store_timestamp)
    }

    /// All messages of `bytes`, as deliveries from a queue of `broker`.
    ///
    /// # Errors
    /// [`BusError::InvalidResponse`] if one is incomplete or invalid.
    pub(super) fn take_all(mut bytes: Bytes, broker: &Arc<str>) -> Result<Vec<Delivery>, BusError> {
        let mut deliveries = Vec::new();
        while !bytes.is_empty() {
            deliveries.push(Self::take(&mut bytes)?.into_delivery(broker));
        }
        Ok(deliveries)
    }

    /// The message as a delivery from a queue of `broker`.
    pub(super) fn into_delivery(mut self, broker: &Arc<str>) -> Delivery {
        Delivery {
            message_id: self.properties.take(UNIQUE_ID),
            key: self.properties.take(KEYS),
            queue: QueueId { broker: Arc::clone(broker), number: self.queue },
            offset: self.offset,
            born_at: at(self.message.born_timestamp),
            stored_at: self.stored_at(),
            properties: self.properties.into_own(),
            body: self.message.body,
        }
    }

    /// The half-message of a check-back.
    pub(super) fn into_checked(mut self) -> Half {
        let asked_before = self.properties.take(CHECK_TIMES).parse().unwrap_or(0);
        Half {
            topic: self.message.topic.to_string(),
            group: self.properties.take(PRODUCER_GROUP),
            message_id: self.properties.take(UNIQUE_ID),
            message: CheckedMessage {
                key: self.properties.take(KEYS),
                asked_before,
                born_at: at(self.message.born_timestamp),
                properties: self.properties.into_own(),
                body: self.message.body,
            },
        }
    }
}

/// A time of the protocol; the epoch if it is negative.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The half-message of a check-back, with the fields that its verdict must name.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) message_id: String,
    pub(super) message: CheckedMessage,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Stored;

    #[test]
    fn bytes_that_are_no_message_are_refused_at_every_length() {
        for length in 0..200_u8 {
            let mut bytes = vec![0, 0, 0, length];
            bytes.extend(std::iter::repeat_n(0xda, usize::from(length)));
            assert!(Stored::take(&mut Bytes::from(bytes)).is_err(), "{length}");
        }
    }
}

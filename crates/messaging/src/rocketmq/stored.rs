//! A message in the broker's storage format, as in pulls and check-backs.
//!
//! Source: `MessageDecoder.java`, RocketMQ 5.4.0. Integers are big-endian; addresses are 4 or 16 bytes and a port:
//!
//! ```text
//! i32 size | i32 magic | i32 crc | i32 queue | i32 flag | i64 queue offset | i64 commit log offset | i32 sysFlag
//! i64 born | address | i64 stored | address | i32 reconsumed | i64 prepared offset
//! i32 + body | u8 (second magic: u16) + topic | u16 + properties
//! ```

use std::sync::Arc;

use bytes::{Buf, Bytes, TryGetError};
use flashgate_domain::clock::Timestamp;

use super::{
    codes::flag,
    properties::{CHECK_TIMES, KEYS, PRODUCER_GROUP, PropertiesIn, UNIQUE_ID},
};
use crate::{
    fault::BusError,
    message::{CheckedMessage, Delivery, QueueId},
};

const MAGIC: u32 = 0xdaa3_20a7;
const MAGIC_LONG_TOPIC: u32 = 0xdaa3_20ab;

/// A decoded message. A body that another client compressed is not decompressed.
#[derive(Debug)]
pub(super) struct Stored {
    number: u32,
    offset: u64,
    born_at: Timestamp,
    stored_at: Timestamp,
    body: Bytes,
    topic: String,
    properties: PropertiesIn,
}

impl Stored {
    /// Takes one message off the front of `bytes`.
    ///
    /// # Errors
    /// [`BusError::InvalidResponse`] if the message is incomplete or invalid.
    pub(super) fn take(bytes: &mut Bytes) -> Result<Self, BusError> {
        let size = bytes.as_ref().try_get_u32().ok().and_then(|size| usize::try_from(size).ok());
        match size.filter(|size| *size <= bytes.len()) {
            Some(size) => {
                let mut message = bytes.split_to(size);
                Self::read(&mut message)
                    .map_err(|error| BusError::invalid_response(format!("stored message: {error}")))
            }
            None => Err(BusError::invalid_response("a stored message exceeds the data that contains it")),
        }
    }

    /// When the broker stored it, by the broker's clock.
    pub(super) const fn stored_at(&self) -> Timestamp {
        self.stored_at
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

    fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
        let _size = bytes.try_get_u32()?;
        let magic = bytes.try_get_u32()?;
        let _crc = bytes.try_get_u32()?;
        let number = bytes.try_get_u32()?;
        let _flag = bytes.try_get_u32()?;
        let offset = bytes.try_get_u64()?;
        let _commit_log_offset = bytes.try_get_u64()?;
        let system_flag = bytes.try_get_u32()?;
        let born_at = Timestamp::from_millis(bytes.try_get_u64()?);
        skip_address(bytes, system_flag & flag::BORN_HOST_V6 != 0)?;
        let stored_at = Timestamp::from_millis(bytes.try_get_u64()?);
        skip_address(bytes, system_flag & flag::STORE_HOST_V6 != 0)?;
        let _reconsumed = bytes.try_get_u32()?;
        let _prepared_offset = bytes.try_get_u64()?;
        let body_length = usize::try_from(bytes.try_get_u32()?).unwrap_or(usize::MAX);
        let body = part(bytes, body_length)?;
        let topic_length = match magic {
            MAGIC => usize::from(bytes.try_get_u8()?),
            MAGIC_LONG_TOPIC => usize::from(bytes.try_get_u16()?),
            _ => return Err(Malformed::Magic(magic)),
        };
        let topic = String::from_utf8_lossy(&part(bytes, topic_length)?).into_owned();
        let properties_length = usize::from(bytes.try_get_u16()?);
        let properties = part(bytes, properties_length)?;
        let properties = PropertiesIn::parse(&String::from_utf8_lossy(&properties));
        Ok(Self { number, offset, born_at, stored_at, body, topic, properties })
    }

    /// The message as a delivery from a queue of `broker`.
    pub(super) fn into_delivery(mut self, broker: &Arc<str>) -> Delivery {
        Delivery {
            message_id: self.properties.take(UNIQUE_ID),
            key: self.properties.take(KEYS),
            properties: self.properties.into_own(),
            body: self.body,
            queue: QueueId { broker: Arc::clone(broker), number: self.number },
            offset: self.offset,
            born_at: self.born_at,
            stored_at: self.stored_at,
        }
    }

    /// The half-message of a check-back.
    pub(super) fn into_checked(mut self) -> Half {
        let asked_before = self.properties.take(CHECK_TIMES).parse().unwrap_or(0);
        Half {
            topic: self.topic,
            group: self.properties.take(PRODUCER_GROUP),
            message_id: self.properties.take(UNIQUE_ID),
            message: CheckedMessage {
                key: self.properties.take(KEYS),
                properties: self.properties.into_own(),
                body: self.body,
                asked_before,
                born_at: self.born_at,
            },
        }
    }
}

/// The half-message of a check-back, with the fields that its verdict must name.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) message_id: String,
    pub(super) message: CheckedMessage,
}

#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("unknown magic number {0:#x}")]
    Magic(u32),
    #[error("{needed} bytes expected, {left} left")]
    Short { needed: usize, left: usize },
}

impl From<TryGetError> for Malformed {
    fn from(error: TryGetError) -> Self {
        Self::Short { needed: error.requested, left: error.available }
    }
}

fn part(bytes: &mut Bytes, needed: usize) -> Result<Bytes, Malformed> {
    if bytes.len() < needed {
        return Err(Malformed::Short { needed, left: bytes.len() });
    }
    Ok(bytes.split_to(needed))
}

fn skip_address(bytes: &mut Bytes, v6: bool) -> Result<(), Malformed> {
    let port = 4;
    part(bytes, port + if v6 { 16 } else { 4 }).map(drop)
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

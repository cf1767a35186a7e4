//! The properties of a message as the broker stores them: `name 0x01 value 0x02 …`.

use std::collections::HashMap;

use crate::fault::BusError;

const NAME_END: char = '\u{1}';
const VALUE_END: char = '\u{2}';
/// The broker's limit is 32,767, including the properties that it adds.
const BYTES_MAX: usize = 30_000;

pub(super) const KEYS: &str = "KEYS";
pub(super) const UNIQUE_ID: &str = "UNIQ_KEY";
pub(super) const HALF: &str = "TRAN_MSG";
pub(super) const PRODUCER_GROUP: &str = "PGROUP";
pub(super) const CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
pub(super) const FIRST_CHECK_AFTER_S: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
pub(super) const DELIVER_AFTER_MS: &str = "TIMER_DELAY_MS";
pub(super) const WAIT_STORED: &str = "WAIT";

/// Names that clients and brokers reserve (`MessageConst.java`, RocketMQ 5.4.0).
const RESERVED: &[&str] = &[
    KEYS,
    UNIQUE_ID,
    HALF,
    PRODUCER_GROUP,
    CHECK_TIMES,
    FIRST_CHECK_AFTER_S,
    DELIVER_AFTER_MS,
    WAIT_STORED,
    "1ST_POP_TIME",
    "ARRIVE_TIME",
    "BORN_TIMESTAMP",
    "BUYER_ID",
    "CLUSTER",
    "CONSUME_START_TIME",
    "CORRECTION_FLAG",
    "CORRELATION_ID",
    "DELAY",
    "DLQ_ORIGIN_MESSAGE_ID",
    "DLQ_ORIGIN_TOPIC",
    "DUP_INFO",
    "EXTEND_UNIQ_INFO",
    "E_T",
    "INNER_BASE",
    "INNER_MULTI_DISPATCH",
    "INNER_MULTI_QUEUE_OFFSET",
    "INNER_NUM",
    "INSTANCE_ID",
    "MAX_OFFSET",
    "MAX_RECONSUME_TIMES",
    "MIN_OFFSET",
    "MQ2_FLAG",
    "MSG_REGION",
    "MSG_TYPE",
    "ORIGIN_GROUP",
    "ORIGIN_MESSAGE_ID",
    "POP_CK",
    "POP_CK_OFFSET",
    "PROPERTY_FORWARD_QUEUE_ID",
    "PUSH_REPLY_TIME",
    "REAL_QID",
    "REAL_TOPIC",
    "RECONSUME_TIME",
    "REDIRECT",
    "REPLY_TO_CLIENT",
    "RETRY_TOPIC",
    "TAGS",
    "TIMER_DELAY_LEVEL",
    "TIMER_DELAY_SEC",
    "TIMER_DELIVER_MS",
    "TIMER_DEL_UNIQKEY",
    "TIMER_DEQUEUE_MS",
    "TIMER_ENQUEUE_MS",
    "TIMER_OUT_MS",
    "TIMER_ROLL_LABEL",
    "TIMER_ROLL_TIMES",
    "TRACE_CONTEXT",
    "TRACE_ON",
    "TRANSFER_FLAG",
    "TRANS_OFFSET",
    "TRAN_PREPARED_QUEUE_OFFSET",
    "TTL",
    "_SYS_MSG_PRIORITY_",
    "__BORNHOST",
    "__CRC32#",
    "__RMQ.TRANSIENT.",
    "__RMQ.TRANSIENT.GROUP_SYS_FLAG",
    "__RMQ.TRANSIENT.TOPIC_SYS_FLAG",
    "__SHARDINGKEY",
    "__transactionId__",
];

/// Encodes properties in the order in which they are put.
#[derive(Debug, Default)]
pub(super) struct PropertiesOut(String);

impl PropertiesOut {
    /// Puts a property of the protocol.
    ///
    /// # Errors
    /// [`BusError::Invalid`] if the name is empty or a separator is in the property.
    pub(super) fn put(&mut self, name: &str, value: &str) -> Result<(), BusError> {
        if name.is_empty() || [name, value].iter().any(|text| text.contains([NAME_END, VALUE_END])) {
            return Err(BusError::invalid(format!("property {name:?} is empty or contains a separator")));
        }
        self.0.extend([name, "\u{1}", value, "\u{2}"]);
        Ok(())
    }

    /// Puts a property of the caller.
    ///
    /// # Errors
    /// [`BusError::Invalid`] if the name is reserved or a separator is in it.
    pub(super) fn put_own(&mut self, name: &str, value: &str) -> Result<(), BusError> {
        if is_reserved(name) {
            return Err(BusError::invalid(format!("property {name:?} is reserved by the broker")));
        }
        self.put(name, value)
    }

    /// The encoded text.
    ///
    /// # Errors
    /// [`BusError::Invalid`] if it exceeds the broker's limit.
    pub(super) fn finish(self) -> Result<String, BusError> {
        if self.0.len() > BYTES_MAX {
            return Err(BusError::invalid(format!(
                "{} bytes of properties exceed the limit of {BYTES_MAX}",
                self.0.len()
            )));
        }
        Ok(self.0)
    }
}

/// Whether the protocol reserves the name.
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The properties of a stored message. The crate's decoder drops those with an empty value, such as of a dead letter.
#[derive(Debug, Default)]
pub(super) struct PropertiesIn(HashMap<String, String>);

impl PropertiesIn {
    /// Decodes stored properties; a pair without a separator is left out.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split(VALUE_END).filter_map(|pair| pair.split_once(NAME_END));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Removes and returns a property of the protocol; empty if it is absent.
    pub(super) fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    /// The remaining properties without the protocol's own, sorted by name.
    pub(super) fn into_own(self) -> Vec<(String, String)> {
        let mut own: Vec<_> = self.0.into_iter().filter(|(name, _)| !is_reserved(name)).collect();
        own.sort();
        own
    }
}

#[cfg(test)]
mod tests {
    use super::{PropertiesIn, PropertiesOut};

    #[test]
    fn an_empty_value_is_kept() {
        let mut out = PropertiesOut::default();
        out.put_own("detail", "").unwrap();
        out.put_own("reason", "malformed").unwrap();
        let read = PropertiesIn::parse(&out.finish().unwrap()).into_own();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("detail", ""), pair("reason", "malformed")]);
    }
}

//! The codes of the remoting protocol that this client uses, and what each answer means for the caller.
//!
//! Source: `RequestCode.java`, `ResponseCode.java`, `MessageSysFlag.java`, `PullSysFlag.java`, RocketMQ 5.4.0.

use super::frame::Frame;
use crate::fault::BusError;

/// Request codes.
pub(super) mod request {
    pub(crate) const PULL_MESSAGE: i32 = 11;
    pub(crate) const QUERY_CONSUMER_OFFSET: i32 = 14;
    pub(crate) const UPDATE_CONSUMER_OFFSET: i32 = 15;
    pub(crate) const CREATE_OR_UPDATE_TOPIC: i32 = 17;
    pub(crate) const GET_MAX_OFFSET: i32 = 30;
    pub(crate) const GET_MIN_OFFSET: i32 = 31;
    pub(crate) const VIEW_MESSAGE_BY_ID: i32 = 33;
    pub(crate) const HEART_BEAT: i32 = 34;
    pub(crate) const UNREGISTER_CLIENT: i32 = 35;
    pub(crate) const END_TRANSACTION: i32 = 37;
    pub(crate) const GET_CONSUMER_LIST_BY_GROUP: i32 = 38;
    pub(crate) const CHECK_TRANSACTION_STATE: i32 = 39;
    pub(crate) const NOTIFY_CONSUMER_IDS_CHANGED: i32 = 40;
    pub(crate) const GET_ROUTE_BY_TOPIC: i32 = 105;
    pub(crate) const GET_BROKER_CLUSTER_INFO: i32 = 106;
    pub(crate) const SEND_MESSAGE_V2: i32 = 310;
}

/// Response codes.
pub(super) mod response {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const SYSTEM_ERROR: i32 = 1;
    pub(crate) const SYSTEM_BUSY: i32 = 2;
    pub(crate) const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
    pub(crate) const FLUSH_DISK_TIMEOUT: i32 = 10;
    pub(crate) const SLAVE_NOT_AVAILABLE: i32 = 11;
    pub(crate) const FLUSH_SLAVE_TIMEOUT: i32 = 12;
    pub(crate) const MESSAGE_ILLEGAL: i32 = 13;
    pub(crate) const SERVICE_NOT_AVAILABLE: i32 = 14;
    pub(crate) const NO_PERMISSION: i32 = 16;
    pub(crate) const TOPIC_NOT_EXIST: i32 = 17;
    pub(crate) const PULL_NOT_FOUND: i32 = 19;
    pub(crate) const PULL_RETRY_IMMEDIATELY: i32 = 20;
    pub(crate) const PULL_OFFSET_MOVED: i32 = 21;
    pub(crate) const QUERY_NOT_FOUND: i32 = 22;
    pub(crate) const FLOW_CONTROL: i32 = 215;
    pub(crate) const NOT_LEADER_FOR_QUEUE: i32 = 501;
    pub(crate) const ILLEGAL_OPERATION: i32 = 604;
}

/// Flags inside messages and pulls.
pub(super) mod flag {
    /// The message is a half-message.
    pub(crate) const TRANSACTION_PREPARED: u32 = 1 << 2;
    /// Verdicts of an end-of-transaction request.
    pub(crate) const TRANSACTION_COMMIT: u32 = 2 << 2;
    pub(crate) const TRANSACTION_ROLLBACK: u32 = 3 << 2;
    /// The born host (store host) of a stored message is an IPv6 address.
    pub(crate) const BORN_HOST_V6: u32 = 1 << 4;
    pub(crate) const STORE_HOST_V6: u32 = 1 << 5;
    /// The broker may hold a pull that finds nothing; the pull carries its own subscription.
    pub(crate) const PULL_SUSPEND: u32 = 1 << 1;
    pub(crate) const PULL_SUBSCRIPTION: u32 = 1 << 2;
}

/// The fault of an answer other than success.
pub(super) fn fault_of(answer: &Frame) -> BusError {
    let reason = answer.remark();
    match answer.code {
        response::SYSTEM_BUSY | response::SERVICE_NOT_AVAILABLE | response::FLOW_CONTROL => {
            BusError::Busy { reason }
        }
        response::FLUSH_DISK_TIMEOUT | response::SLAVE_NOT_AVAILABLE | response::FLUSH_SLAVE_TIMEOUT => {
            BusError::NotDurable { reason }
        }
        broker_code => BusError::Rejected { broker_code, reason },
    }
}

/// Whether an answer with that code means that another peer should be asked: this one has become a replica, may not be
/// read or written, no longer has the topic, is broken, or is no server of that kind. A busy broker is the right peer.
///
/// `SLAVE_NOT_AVAILABLE` answers a send on a master that stored the message but misses its replica, and a verdict on a
/// replica.
pub(super) const fn is_wrong_peer(request: i32, answer: i32) -> bool {
    match answer {
        response::NO_PERMISSION | response::REQUEST_CODE_NOT_SUPPORTED | response::NOT_LEADER_FOR_QUEUE => {
            true
        }
        // A full disk gets the same code as a replica: another broker should take the message.
        response::SERVICE_NOT_AVAILABLE | response::SYSTEM_ERROR => request == request::SEND_MESSAGE_V2,
        // From a name server this is the answer.
        response::TOPIC_NOT_EXIST => request != request::GET_ROUTE_BY_TOPIC,
        response::SLAVE_NOT_AVAILABLE => request == request::END_TRANSACTION,
        _ => false,
    }
}

/// `answer` if it is a success, else its fault.
pub(super) fn expect_success(answer: Frame) -> Result<Frame, BusError> {
    if answer.code == response::SUCCESS { Ok(answer) } else { Err(fault_of(&answer)) }
}

#[cfg(test)]
mod tests {
    use super::{is_wrong_peer, request, response};

    #[test]
    fn a_busy_broker_or_an_illegal_message_is_no_reason_to_try_another_peer() {
        for code in
            [response::SUCCESS, response::SYSTEM_BUSY, response::FLOW_CONTROL, response::MESSAGE_ILLEGAL]
        {
            assert!(!is_wrong_peer(request::SEND_MESSAGE_V2, code), "{code}");
        }
        assert!(!is_wrong_peer(request::GET_ROUTE_BY_TOPIC, response::TOPIC_NOT_EXIST));
        assert!(!is_wrong_peer(request::SEND_MESSAGE_V2, response::SLAVE_NOT_AVAILABLE));
    }
}

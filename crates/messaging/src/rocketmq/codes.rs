//! The numbers of the remoting protocol that are used here, and what each answer means for the caller.
//!
//! Source: `RequestCode.java`, `ResponseCode.java`, `MessageSysFlag.java`, `PullSysFlag.java`, RocketMQ 5.4.0.

use super::frame::Frame;
use crate::fault::BusFault;

/// Request codes.
pub(super) mod request {
    pub(crate) const PULL_MESSAGE: i32 = 11;
    pub(crate) const QUERY_CONSUMER_OFFSET: i32 = 14;
    pub(crate) const UPDATE_CONSUMER_OFFSET: i32 = 15;
    pub(crate) const CREATE_OR_UPDATE_TOPIC: i32 = 17;
    pub(crate) const GET_MAX_OFFSET: i32 = 30;
    pub(crate) const GET_MIN_OFFSET: i32 = 31;
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
    pub(crate) const SYSTEM_BUSY: i32 = 2;
    pub(crate) const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
    pub(crate) const FLUSH_DISK_TIMEOUT: i32 = 10;
    pub(crate) const SLAVE_NOT_AVAILABLE: i32 = 11;
    pub(crate) const FLUSH_SLAVE_TIMEOUT: i32 = 12;
    pub(crate) const SERVICE_NOT_AVAILABLE: i32 = 14;
    pub(crate) const TOPIC_NOT_EXIST: i32 = 17;
    pub(crate) const PULL_NOT_FOUND: i32 = 19;
    pub(crate) const PULL_RETRY_IMMEDIATELY: i32 = 20;
    pub(crate) const PULL_OFFSET_MOVED: i32 = 21;
    pub(crate) const QUERY_NOT_FOUND: i32 = 22;
    pub(crate) const FLOW_CONTROL: i32 = 215;
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
    /// The broker may hold a pull that finds nothing; the pull brings its own subscription.
    pub(crate) const PULL_SUSPEND: u32 = 1 << 1;
    pub(crate) const PULL_SUBSCRIPTION: u32 = 1 << 2;
}

/// What an answer other than success means.
pub(super) fn fault_of(answer: &Frame) -> BusFault {
    let reason = answer.remark();
    match answer.code {
        response::SYSTEM_BUSY | response::SERVICE_NOT_AVAILABLE | response::FLOW_CONTROL => {
            BusFault::Busy { reason }
        }
        response::FLUSH_DISK_TIMEOUT | response::SLAVE_NOT_AVAILABLE | response::FLUSH_SLAVE_TIMEOUT => {
            BusFault::NotDurable { reason }
        }
        broker_code => BusFault::Rejected { broker_code, reason },
    }
}

/// `answer` if it is a success.
pub(super) fn expect_success(answer: Frame) -> Result<Frame, BusFault> {
    if answer.code == response::SUCCESS { Ok(answer) } else { Err(fault_of(&answer)) }
}

//! What the codes of an answer mean for the caller.

use cheetah_string::CheetahString;
use flashgate_domain::causes;
use rocketmq_protocol::{
    protocol::{
        command_custom_header::FromMap, header::namesrv::topic_operation_header::TopicRequestHeader,
        remoting_command::RemotingCommand,
    },
    rpc::rpc_request_header::RpcRequestHeader,
};

use crate::fault::BusError;

/// The code of a request or an answer, as a number: brokers may send codes that the crate's enums do not have.
pub(super) mod request {
    use rocketmq_protocol::code::request_code::RequestCode;

    pub(crate) const CHECK_TRANSACTION_STATE: i32 = RequestCode::CheckTransactionState.to_i32();
    pub(crate) const END_TRANSACTION: i32 = RequestCode::EndTransaction.to_i32();
    pub(crate) const GET_ROUTE_BY_TOPIC: i32 = RequestCode::GetRouteinfoByTopic.to_i32();
    pub(crate) const NOTIFY_CONSUMER_IDS_CHANGED: i32 = RequestCode::NotifyConsumerIdsChanged.to_i32();
    pub(crate) const SEND_MESSAGE_V2: i32 = RequestCode::SendMessageV2.to_i32();
}

/// Response codes.
pub(super) mod response {
    use rocketmq_protocol::code::response_code::ResponseCode;

    pub(crate) const SUCCESS: i32 = ResponseCode::Success.to_i32();
    pub(crate) const SYSTEM_ERROR: i32 = ResponseCode::SystemError.to_i32();
    pub(crate) const SYSTEM_BUSY: i32 = ResponseCode::SystemBusy.to_i32();
    pub(crate) const REQUEST_CODE_NOT_SUPPORTED: i32 = ResponseCode::RequestCodeNotSupported.to_i32();
    pub(crate) const FLUSH_DISK_TIMEOUT: i32 = ResponseCode::FlushDiskTimeout.to_i32();
    pub(crate) const SLAVE_NOT_AVAILABLE: i32 = ResponseCode::SlaveNotAvailable.to_i32();
    pub(crate) const FLUSH_SLAVE_TIMEOUT: i32 = ResponseCode::FlushSlaveTimeout.to_i32();
    pub(crate) const MESSAGE_ILLEGAL: i32 = ResponseCode::MessageIllegal.to_i32();
    pub(crate) const SERVICE_NOT_AVAILABLE: i32 = ResponseCode::ServiceNotAvailable.to_i32();
    pub(crate) const NO_PERMISSION: i32 = ResponseCode::NoPermission.to_i32();
    pub(crate) const TOPIC_NOT_EXIST: i32 = ResponseCode::TopicNotExist.to_i32();
    pub(crate) const PULL_NOT_FOUND: i32 = ResponseCode::PullNotFound.to_i32();
    pub(crate) const PULL_RETRY_IMMEDIATELY: i32 = ResponseCode::PullRetryImmediately.to_i32();
    pub(crate) const PULL_OFFSET_MOVED: i32 = ResponseCode::PullOffsetMoved.to_i32();
    pub(crate) const QUERY_NOT_FOUND: i32 = ResponseCode::QueryNotFound.to_i32();
    pub(crate) const FLOW_CONTROL: i32 = ResponseCode::FlowControl.to_i32();
    pub(crate) const NOT_LEADER_FOR_QUEUE: i32 = ResponseCode::NotLeaderForQueue.to_i32();
    pub(crate) const ILLEGAL_OPERATION: i32 = ResponseCode::IllegalOperation.to_i32();
}

/// Flags inside messages.
pub(super) mod flag {
    use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;

    /// The message is a half-message.
    pub(crate) const TRANSACTION_PREPARED: i32 = MessageSysFlag::TRANSACTION_PREPARED_TYPE;
    /// Verdicts of an end-of-transaction request.
    pub(crate) const TRANSACTION_COMMIT: i32 = MessageSysFlag::TRANSACTION_COMMIT_TYPE;
    pub(crate) const TRANSACTION_ROLLBACK: i32 = MessageSysFlag::TRANSACTION_ROLLBACK_TYPE;
}

/// The fault of an answer other than success.
pub(super) fn fault_of(answer: &RemotingCommand) -> BusError {
    let reason = remark(answer);
    match answer.code() {
        response::SYSTEM_BUSY | response::SERVICE_NOT_AVAILABLE | response::FLOW_CONTROL => {
            BusError::Busy { reason }
        }
        response::FLUSH_DISK_TIMEOUT | response::SLAVE_NOT_AVAILABLE | response::FLUSH_SLAVE_TIMEOUT => {
            BusError::NotDurable { reason }
        }
        broker_code => BusError::Rejected { broker_code, reason },
    }
}

/// The first line of the peer's remark; Java's exceptions add a link in a second line.
pub(super) fn remark(answer: &RemotingCommand) -> String {
    let remark = answer.remark().map(CheetahString::as_str).unwrap_or_default();
    remark.lines().next().unwrap_or_default().to_owned()
}

/// The fields of an answer, or of a request of the broker.
///
/// # Errors
/// [`BusError::InvalidResponse`] if one is missing or invalid.
pub(super) fn header<H>(command: &RemotingCommand) -> Result<H, BusError>
where
    H: FromMap<Target = H, Error = rocketmq_error::Error>,
{
    command.decode_command_custom_header().map_err(|error| BusError::invalid_response(causes(&error)))
}

/// The header field that names the broker of a queue.
pub(super) fn at_broker(name: &str) -> TopicRequestHeader {
    TopicRequestHeader { rpc: Some(broker_named(name)), lo: None }
}

/// The same, in the headers that have another type for it.
pub(super) fn broker_named(name: &str) -> RpcRequestHeader {
    RpcRequestHeader { broker_name: Some(name.into()), ..RpcRequestHeader::default() }
}

/// A number of ours in a field of the protocol.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or the number of a queue in a field of the protocol.
pub(super) fn signed_count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// An offset of the protocol.
///
/// # Errors
/// [`BusError::InvalidResponse`] if it is negative.
pub(super) fn offset(number: i64) -> Result<u64, BusError> {
    u64::try_from(number)
        .map_err(|_negative| BusError::invalid_response(format!("the offset {number} is negative")))
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
pub(super) fn expect_success(answer: RemotingCommand) -> Result<RemotingCommand, BusError> {
    if answer.code() == response::SUCCESS { Ok(answer) } else { Err(fault_of(&answer)) }
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

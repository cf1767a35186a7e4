//! Requests of the brokers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rocketmq_error::{Error, TRANSPORT_SESSION_FAILED};
use rocketmq_protocol::{code::response_code::ResponseCode, protocol::remoting_command::RemotingCommand};
use rocketmq_transport::api::{
    ProtocolNoResponseReason, RemotingRequest, RemotingResponse, RequestProcessor, ResponseAction,
};

/// Handles requests that the broker sends. Must not block.
pub(super) trait Inbound: Send + Sync + 'static {
    /// Handles `request`, which the broker at `address` sent; false if its kind is not served.
    fn take(&self, address: &str, request: &RemotingCommand) -> bool;
}

/// Hands the requests on one connection to an [`Inbound`], and refuses what it does not serve.
#[derive(Clone)]
pub(super) struct InboundProcessor {
    address: Arc<str>,
    inbound: Arc<dyn Inbound>,
    heard: Arc<AtomicU64>,
}

impl InboundProcessor {
    /// `heard` counts the requests.
    pub(super) fn new(address: &str, inbound: Arc<dyn Inbound>, heard: Arc<AtomicU64>) -> Self {
        Self { address: address.into(), inbound, heard }
    }
}

impl RequestProcessor for InboundProcessor {
    async fn process(
        &mut self,
        request: &mut RemotingRequest,
    ) -> Result<ResponseAction, rocketmq_error::SharedError> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        if self.inbound.take(&self.address, request.command())
            && let Ok(nothing) = request.protocol_no_response(ProtocolNoResponseReason::CallbackHandled)
        {
            return Ok(ResponseAction::NoReply(nothing));
        }
        // The answer to a one-way request is dropped by the transport.
        let refusal = RemotingCommand::create_response_command_with_code_remark(
            ResponseCode::RequestCodeNotSupported,
            "flashgate does not serve this request",
        );
        RemotingResponse::from_command(refusal)
            .map(ResponseAction::Reply)
            .map_err(|violation| Arc::new(Error::caused_by(&TRANSPORT_SESSION_FAILED, violation)))
    }
}

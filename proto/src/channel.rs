//! Connections of gRPC clients that detect a dead peer.
//!
//! A peer that lost its power, or a firewall that dropped a connection, sends nothing. Without keep-alive probes
//! every call on the connection then waits for its whole timeout, the next call as well, for as long as the kernel
//! retransmits: a quarter of an hour. So each client sends probes.

use std::time::Duration;

use tonic::{Code, Response, Status, transport::Endpoint};

/// Interval between keep-alive probes of an open connection, also without calls.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Timeout of a probe: then the connection is closed, and the next call opens another one.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// TCP probes for a connection that is still being opened or closed.
const TCP_PROBES: u32 = 3;

/// `endpoint`, whose connections are closed 8 s after the last data from the peer. Servers of flashgate answer probes
/// at any time.
pub fn kept_alive(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_keepalive(Some(KEEP_ALIVE_INTERVAL))
        .tcp_keepalive_interval(Some(KEEP_ALIVE_TIMEOUT))
        .tcp_keepalive_retries(Some(TCP_PROBES))
        .tcp_nodelay(true)
}

/// The answer to a look-up; `None` if the server has found nothing.
///
/// # Errors
/// Any other status.
pub fn found<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

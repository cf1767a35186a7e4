//! Connections of gRPC clients that notice when the other end is gone.
//!
//! A peer whose machine lost its power, or a firewall that forgot a connection, says nothing. Without a question on the
//! way every call on the connection then waits for its whole time-out, the next one as well, for as long as the kernel
//! retransmits: a quarter of an hour. So each client asks.

use std::time::Duration;

use tonic::transport::Endpoint;

/// How often an open connection is asked whether it still stands, also while no call is on it.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// A connection that does not answer for so long is closed, and the next call opens another one.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// The same below HTTP/2, for a connection that is still being made or closed.
const TCP_PROBES: u32 = 3;

/// `endpoint`, whose connections are given up 8 s after the peer was last heard. Servers of flashgate answer such
/// questions whenever they come.
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

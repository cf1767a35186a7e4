//! The interface of every protocol to the workers, and how a connection is opened.

use std::{future::Future, io::ErrorKind, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{
    crowd::Ask,
    outcome::{Answer, Fault},
    target::Server,
};

/// A client of one server, with one request in flight at a time.
///
/// Both calls end in time, whatever the server does: within the connect timeout, and within the request timeout.
pub(super) trait Wire: Send + 'static {
    /// Opens a connection if there is none.
    fn ready(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Sends one request and waits for its answer.
    fn buy(&mut self, ask: &Ask) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// The number of connections that were opened since the last call.
    fn take_connects(&mut self) -> u64;
}

/// A TCP connection that sends data without delay.
pub(super) async fn connect(server: &Server, within: Duration) -> Result<TcpStream, Fault> {
    let connected = timeout(within, TcpStream::connect(server.address)).await;
    let stream =
        connected.map_err(|_elapsed| Fault::ConnectTimeout)?.map_err(|why| connect_fault(why.kind()))?;
    stream.set_nodelay(true).map_err(|_why| Fault::ConnectFailed)?;
    Ok(stream)
}

/// The fault of a failed connection attempt.
pub(super) fn connect_fault(kind: ErrorKind) -> Fault {
    if kind == ErrorKind::ConnectionRefused {
        Fault::ConnectRefused
    } else if kind == ErrorKind::TimedOut {
        Fault::ConnectTimeout
    } else {
        Fault::ConnectFailed
    }
}

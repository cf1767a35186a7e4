//! What every protocol offers to the workers, and how a connection is made.

use std::{future::Future, io::ErrorKind, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{
    crowd::Ask,
    outcome::{Answer, Fault},
    target::Server,
};

/// One way to a server, with one request on it at a time.
///
/// Both calls end in time, whatever the server does: with the connect time-out, and with the request time-out.
pub(super) trait Wire: Send + 'static {
    /// Makes a connection if there is none.
    fn ready(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Sends one request and waits for its answer.
    fn buy(&mut self, ask: &Ask) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// How many connections were made since the last call.
    fn take_connects(&mut self) -> u64;
}

/// A TCP connection that sends what it is given at once.
pub(super) async fn connect(server: &Server, within: Duration) -> Result<TcpStream, Fault> {
    let connected = timeout(within, TcpStream::connect(server.address)).await;
    let stream =
        connected.map_err(|_elapsed| Fault::ConnectTimeout)?.map_err(|why| connect_fault(why.kind()))?;
    stream.set_nodelay(true).map_err(|_why| Fault::ConnectFailed)?;
    Ok(stream)
}

/// Which fault it is that there is no connection.
pub(super) fn connect_fault(kind: ErrorKind) -> Fault {
    if kind == ErrorKind::ConnectionRefused {
        Fault::ConnectRefused
    } else if kind == ErrorKind::TimedOut {
        Fault::ConnectTimeout
    } else {
        Fault::ConnectFailed
    }
}

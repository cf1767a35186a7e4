//! Serves an HTTP router on a TCP listener, with limits on what a slow or idle peer can hold.

mod first_bytes;
pub(crate) mod head;
mod places;
mod refusal;

use std::{io, pin::pin, time::Duration};

use axum::Router;
use first_bytes::FirstBytes;
use head::Heads;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
pub use places::Places;
use refusal::Explained;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::shutdown::waiting_for;

/// Maximum bytes that a stream of HTTP/2 may send ahead of its reader: about a thousand purchases.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all streams of a connection. h2 closes a connection with many unread small frames as an attack, and
/// derives their maximum from this window: at 4 MiB some 10,000. One stream cannot send that many within its own
/// window.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Maximum open streams of a connection. A proxy carries many buyers on one connection.
const STREAMS_MAX: u32 = 1_000;
/// Maximum streams that the peer cancelled before they were processed: one more ends the connection, as an attack
/// ("rapid reset"). h2 allows 20, but a proxy whose buyers give up together cancels all its open streams at once, and
/// all its buyers share the connection. So: twice the maximum of open streams. An attacker gains little, since a
/// stream that was cancelled so early costs some hundred bytes for a moment, and no call.
const CANCELLED_STREAMS_MAX: usize = 2_000;
/// Maximum streams that break the protocol over the life of a connection, which may last for days. h2 allows 1,024.
const BROKEN_STREAMS_MAX: usize = 10_000;
/// Maximum bytes that are read of a head of HTTP/1 before it is refused.
const HTTP1_BUFFER_BYTES: usize = 64 * 1024;

/// The limits of one listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// Maximum connections; further connections wait in the kernel's queue. 20,000: what fits into 300 MB.
    pub connections_max: usize,
    /// Timeout for the head of a request, also for a peer that sends none: the connection is closed. 10 s.
    pub header_timeout_ms: u64,
    /// Grace period for open requests at shutdown. 10 s.
    pub drain_timeout_ms: u64,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections_max: 20_000, header_timeout_ms: 10_000, drain_timeout_ms: 10_000 }
    }
}

impl ListenerLimits {
    /// Grace period for open requests at shutdown.
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// Accepts connections until `leave` is cancelled, then lets open requests end for `drain_timeout_ms`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    places: Places,
    limits: ListenerLimits,
    leave: CancellationToken,
) {
    tokio::select! {
        () = accept_and_drain(listener, router, &places, limits, leave) => {}
        () = places.keep_exported() => {}
    }
}

async fn accept_and_drain(
    listener: TcpListener,
    router: Router,
    places: &Places,
    limits: ListenerLimits,
    leave: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let header_timeout = Duration::from_millis(limits.header_timeout_ms);
    let server = server(header_timeout);
    let mut acceptor = Acceptor { listener, failing: None };
    loop {
        // The permit is taken first: a connection is only accepted when there is one.
        let admitted = async {
            let place = places.take().await?;
            Some((place, acceptor.accept().await?))
        };
        let (place, stream) = tokio::select! {
            biased;
            () = leave.cancelled() => break,
            admitted = admitted => match admitted {
                Some(admitted) => admitted,
                None => continue,
            },
        };
        let stream = TokioIo::new(Explained::new(stream, FirstBytes::within(header_timeout)));
        let connection = server.serve_connection(stream, Heads::new(router.clone())).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = pin!(connection).await {
                debug!(%error, "connection ended");
            }
            drop(place);
        });
    }
    let _waiting = waiting_for(places.waiting());
    drop(acceptor);
    if timeout(limits.drain_timeout(), graceful.shutdown()).await.is_err() {
        warn!(
            listener = places.name(),
            connections = places.taken(),
            drain_timeout_ms = limits.drain_timeout_ms,
            "connections were still open when the time to drain was over"
        );
    }
}

fn server(header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without `pipeline_flush`: with it, hyper never sends its own answers, such as 431.
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HTTP1_BUFFER_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout)
        .keep_alive_timeout(header_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(CANCELLED_STREAMS_MAX)
        .max_local_error_reset_streams(BROKEN_STREAMS_MAX)
        .max_header_list_size(head::READ_BYTES_MAX);
    server
}

/// Accepts connections, and pauses after a failure of the system: it would be retried without a pause otherwise.
struct Acceptor {
    listener: TcpListener,
    /// When the current run of failures began, and when it was logged last.
    failing: Option<Instant>,
}

impl Acceptor {
    /// The pause after a failure.
    const PAUSE: Duration = Duration::from_millis(100);
    /// Interval between log lines of a run of failures.
    const LOG_INTERVAL: Duration = Duration::from_secs(5);

    /// The next connection; `None` after a failure, and a pause if the system failed.
    async fn accept(&mut self) -> Option<TcpStream> {
        match self.listener.accept().await {
            Ok((stream, _peer)) => {
                self.failing = None;
                // Answers are small: without this, the second half of an answer waits for the peer's acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "setting TCP_NODELAY failed");
                }
                Some(stream)
            }
            Err(error) if is_about_the_peer(&error) => None,
            Err(error) => {
                let now = Instant::now();
                if self.failing.is_none_or(|logged_at| now >= logged_at + Self::LOG_INTERVAL) {
                    warn!(%error, "accepting connections failed; retrying");
                    self.failing = Some(now);
                }
                sleep(Self::PAUSE).await;
                None
            }
        }
    }
}

fn is_about_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{body::Body, routing::post};
    use futures::stream;
    use http::{Request, StatusCode};
    use http_body_util::{BodyExt, StreamBody};
    use hyper::{
        body::{Bytes, Frame},
        client::conn::http2,
    };

    use super::*;

    const MESSAGES: usize = 10_000;
    /// The minimum of a purchase: the frame of its message, ids and a key.
    const MESSAGE: Bytes = Bytes::from_static(&[0; 20]);

    /// Reads nothing until everything that may be sent ahead has arrived.
    async fn slow_reader(body: Body) -> Result<String, StatusCode> {
        sleep(Duration::from_millis(500)).await;
        let read = body.collect().await.map_err(|_cut_off| StatusCode::BAD_REQUEST)?;
        Ok(read.to_bytes().len().to_string())
    }

    #[tokio::test]
    async fn small_messages_may_come_ahead_of_their_reader() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(slow_reader));
        let leave = CancellationToken::new();
        let serving = tokio::spawn(serve(
            listener,
            router,
            Places::new("test", 10),
            ListenerLimits::default(),
            leave.clone(),
        ));

        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let messages = stream::iter((0..MESSAGES).map(|_| Ok::<_, Infallible>(Frame::data(MESSAGE))));
        let request = Request::post(format!("http://{address}/")).body(StreamBody::new(messages)).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let read = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read, (MESSAGES * MESSAGE.len()).to_string());

        drop(client);
        leave.cancel();
        serving.await.unwrap();
    }
}

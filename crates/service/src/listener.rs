//! Serves an HTTP router on a TCP listener, with limits on what a slow or idle peer can hold.

mod first_bytes;

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use first_bytes::InTime;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// What a stream of HTTP/2 may send ahead of its reader: about a thousand purchases.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all streams of a connection. h2 cuts off a connection with many small frames that nobody has read yet,
/// as if it were an attack; how many those are it takes from this: at 4 MiB some 10,000. One stream cannot send so many
/// within its window.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// The limits of one listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// How many connections at once; further ones wait in the kernel's queue. 20,000: what fits into 300 MB.
    pub connections_max: usize,
    /// A peer that takes longer for the head of a request, or sends none at all, is cut off. 10 s.
    pub header_timeout_ms: u64,
    /// How long open requests may go on after the process was told to leave. 10 s.
    pub drain_timeout_ms: u64,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections_max: 20_000, header_timeout_ms: 10_000, drain_timeout_ms: 10_000 }
    }
}

/// Accepts connections until `leave` is cancelled, then lets open requests end for `drain_timeout_ms`.
pub async fn serve(listener: TcpListener, router: Router, limits: ListenerLimits, leave: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let mut server = auto::Builder::new(TokioExecutor::new());
    let header_timeout = Duration::from_millis(limits.header_timeout_ms);
    server.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout).pipeline_flush(true);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout)
        .keep_alive_timeout(header_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(1_000);
    loop {
        // Permit before work: a connection is only accepted when there is room for it.
        let admitted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, accept(&listener).await?))
        };
        let (permit, stream) = tokio::select! {
            biased;
            () = leave.cancelled() => break,
            admitted = admitted => match admitted {
                Some(admitted) => admitted,
                None => continue,
            },
        };
        let service = TowerToHyperService::new(router.clone());
        let stream = TokioIo::new(InTime::new(stream, header_timeout));
        let connection = server.serve_connection(stream, service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = pin!(connection).await {
                debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    let drain = Duration::from_millis(limits.drain_timeout_ms);
    if timeout(drain, graceful.shutdown()).await.is_err() {
        warn!(
            drain_timeout_ms = limits.drain_timeout_ms,
            "connections were still open when the time to drain was over"
        );
    }
}

/// The next connection; `None` after a failure, having waited a little where the process is out of handles.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _peer)) => {
            // Answers are small: without this, the second half of one waits for the peer's acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "TCP_NODELAY could not be set");
            }
            Some(stream)
        }
        Err(error) if is_about_the_peer(&error) => None,
        Err(error) => {
            warn!(%error, "a connection could not be accepted");
            sleep(Duration::from_millis(100)).await;
            None
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
    /// The least that a purchase takes: the frame of its message, ids and a key.
    const MESSAGE: Bytes = Bytes::from_static(&[0; 20]);

    /// Reads nothing until everything has come that may come ahead.
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
        let serving = tokio::spawn(serve(listener, router, ListenerLimits::default(), leave.clone()));

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

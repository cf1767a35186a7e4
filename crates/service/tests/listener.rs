//! Peers that send what no client library would, byte by byte, to a listener on loopback.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing::post};
use flashgate_service::{
    body::{self, BodyLimits},
    listener::{self, ListenerLimits, Places},
};
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const BODY_LIMITS: BodyLimits = BodyLimits { bytes_max: 16, time_max: PATIENCE };

struct Server {
    address: SocketAddr,
    leave: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let echo = async |headers: HeaderMap, body: Body| {
            body::read(body, BODY_LIMITS).await.map(|body| format!("{} fields, {body:?}", headers.len()))
        };
        let router = Router::new().route("/", post(echo)).fallback(async || "not here");
        let leave = CancellationToken::new();
        let (places, limits) = (Places::new("test", 100), ListenerLimits::default());
        let serving = tokio::spawn(listener::serve(socket, router, places, limits, leave.clone()));
        Self { address, leave, serving }
    }

    async fn stop(self) {
        self.leave.cancel();
        self.serving.await.unwrap();
    }

    /// What comes back for `bytes`, until the connection is closed. It must be closed by its end, not reset.
    async fn answer(&self, bytes: Vec<u8>) -> String {
        let peer = TcpStream::connect(self.address).await.unwrap();
        let (mut from, mut to) = peer.into_split();
        let sending = tokio::spawn(async move {
            // The server may have answered and closed before all of it was sent.
            let _ = to.write_all(&bytes).await;
            to
        });
        let mut answer = Vec::new();
        timeout(PATIENCE, from.read_to_end(&mut answer)).await.unwrap().unwrap();
        drop(sending.await);
        String::from_utf8(answer).unwrap()
    }
}

fn head_of(fields: usize, field_bytes: usize) -> String {
    let value = "x".repeat(field_bytes);
    let fields: String = (0..fields).map(|number| format!("x-{number}: {value}\r\n")).collect();
    format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n{fields}\r\n{{}}")
}

/// The answer is a whole problem document with this status and code.
fn is_problem(answer: &str, status: &str, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let head = head.to_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{answer}");
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&code.into(), &status.parse::<u16>().unwrap().into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_over_http1_within_the_limits_are_served_and_others_get_a_problem_document() {
    let server = Server::start().await;
    // Host, connection and content-length are fields, too.
    for fields in [0, 50, 97] {
        let answer = server.answer(head_of(fields, 10).into_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(&format!("{} fields", fields + 3)),
            "{answer}"
        );
    }
    for fields in [98, 101, 150, 2_000] {
        let answer = server.answer(head_of(fields, 10).into_bytes()).await;
        is_problem(&answer, "431", "head_too_large");
    }
    for bytes in [17 * 1024, 70 * 1024, 900 * 1024] {
        let answer = server.answer(head_of(1, bytes).into_bytes()).await;
        is_problem(&answer, "431", "head_too_large");
    }
    for bytes in [9 * 1024, 60_000] {
        let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "x".repeat(bytes));
        is_problem(&server.answer(request.into_bytes()).await, "414", "uri_too_long");
    }
    for nonsense in [
        "GET / HTTP/3.7\r\nhost: x\r\n\r\n",
        "G{}T / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nh st\r\n\r\n",
    ] {
        is_problem(&server.answer(nonsense.into()).await, "400", "malformed");
    }
    // Behind a good request on the same connection.
    let good = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    let answer = server.answer(format!("{good}{}", head_of(101, 1)).into_bytes()).await;
    let second = answer.rfind("HTTP/1.1 ").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && second > 0, "{answer}");
    is_problem(&answer[second..], "431", "head_too_large");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_refused_before_it_was_read_does_not_reset_the_connection() {
    let server = Server::start().await;
    let large =
        [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n".to_vec(), vec![b'x'; 900_000]];
    is_problem(&server.answer(large.concat()).await, "413", "body_too_large");
    // A peer that reads nothing before all is sent loses the answer if the connection is reset.
    let mut peer = TcpStream::connect(server.address).await.unwrap();
    timeout(PATIENCE, peer.write_all(&large.concat())).await.unwrap().unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, peer.read_to_string(&mut answer)).await.unwrap().unwrap();
    is_problem(&answer, "413", "body_too_large");
    server.stop().await;
}

/// A peer of HTTP/2 that writes its frames itself.
struct RawHttp2 {
    stream: TcpStream,
    next_id: u32,
    /// The bodies so far, and whether they are whole.
    answers: HashMap<u32, (Vec<u8>, bool)>,
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field of HPACK: literal, never indexed, not compressed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap();
    [&[0x10, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

impl RawHttp2 {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        Self { stream, next_id: 1, answers: HashMap::new() }
    }

    /// The frames that open a `POST /` of `{}`, with `fields` more fields, and its stream.
    fn post(&mut self, fields: usize) -> (u32, Vec<u8>) {
        let id = self.next_id;
        self.next_id += 2;
        let required = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")];
        let mut block: Vec<u8> = required.iter().flat_map(|(name, value)| field(name, value)).collect();
        block.extend((0..fields).flat_map(|number| field(&format!("x-{number}"), "1")));
        (id, [frame(HEADERS, END_HEADERS, id, &block), frame(DATA, END_STREAM, id, b"{}")].concat())
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn frame(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        timeout(PATIENCE, self.stream.read_exact(&mut head)).await.unwrap()?;
        let mut payload =
            vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        timeout(PATIENCE, self.stream.read_exact(&mut payload)).await.unwrap()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The body of the answer on a stream, which may come before or after those on others.
    async fn body(&mut self, id: u32) -> String {
        while !self.answers.get(&id).is_some_and(|(_body, ended)| *ended) {
            let frame = self.frame().await.unwrap();
            assert_ne!(frame.kind, GOAWAY, "the connection was ended: {frame:?}");
            assert!(frame.kind != RST_STREAM || frame.stream != id, "{frame:?}");
            let (body, ended) = self.answers.entry(frame.stream).or_default();
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
            *ended |= matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
        }
        String::from_utf8(self.answers.remove(&id).unwrap().0).unwrap()
    }

    /// Opens streams and cancels them at once, all in one piece.
    fn cancelled(&mut self, count: usize) -> Vec<u8> {
        let streams = (0..count).flat_map(|_| {
            let (id, open) = self.post(0);
            [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
        });
        streams.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_cancelled_streams_leaves_the_others_of_the_connection_alone() {
    let server = Server::start().await;
    let mut peer = RawHttp2::connect(server.address).await;
    for _round in 0..4 {
        let (before, first) = peer.post(0);
        let burst = peer.cancelled(500);
        let (after, last) = peer.post(0);
        peer.send(&[first, burst, last].concat()).await;
        assert!(peer.body(before).await.starts_with("0 fields"));
        assert!(peer.body(after).await.starts_with("0 fields"));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_only_cancels_is_cut_off() {
    let server = Server::start().await;
    let mut peer = RawHttp2::connect(server.address).await;
    let attack: Vec<u8> = peer.cancelled(100_000);
    let (mut from, mut to) = tokio::io::split(&mut peer.stream);
    let attacking = async { to.write_all(&attack).await };
    let mut answer = Vec::new();
    let (_cut_off, ended) =
        timeout(PATIENCE, async { tokio::join!(attacking, from.read_to_end(&mut answer)) })
            .await
            .expect("the connection is ended");
    // Its last words may be lost to the bytes that nobody reads any more.
    if ended.is_ok() {
        assert!(String::from_utf8_lossy(&answer).contains("too_many_resets"));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_over_http2_have_the_limits_of_http1_and_the_connection_stays() {
    let server = Server::start().await;
    let mut peer = RawHttp2::connect(server.address).await;
    for (fields, wanted) in [(97, "97 fields"), (101, r#""code":"head_too_large""#), (0, "0 fields")] {
        let (id, request) = peer.post(fields);
        peer.send(&request).await;
        let body = peer.body(id).await;
        assert!(body.contains(wanted), "{fields}: {body}");
    }
    server.stop().await;
}

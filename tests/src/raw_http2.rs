//! A peer of HTTP/2 that writes its frames itself: bursts in one piece, streams cancelled before they were looked at.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Far more than an answer takes.
const ANSWER_TIME: Duration = Duration::from_secs(30);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The error code with which a client gives up.
const CANCEL: u32 = 8;

/// One connection.
#[derive(Debug)]
pub struct RawHttp2 {
    stream: TcpStream,
    next_id: u32,
    /// The bodies of answers so far, and whether they are whole: streams are answered in any order.
    answers: HashMap<u32, (Vec<u8>, bool)>,
}

/// A `POST`, on a stream of its own.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// The path.
    pub path: &'a str,
    /// Header fields of at most 126 bytes each.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: &'a [u8],
}

impl RawHttp2 {
    /// Connects, and says that it speaks HTTP/2.
    ///
    /// # Panics
    /// If nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { stream, next_id: 1, answers: HashMap::new() }
    }

    /// The id of the next stream, and the bytes that send the request on it.
    pub fn open(&mut self, post: &Post<'_>) -> (u32, Vec<u8>) {
        let id = self.next_id;
        self.next_id += 2;
        let required = [(":method", "POST"), (":scheme", "http"), (":path", post.path), (":authority", "x")];
        let fields = required.iter().chain(&post.headers);
        let block: Vec<u8> = fields.flat_map(|(name, value)| field(name, value)).collect();
        let head = frame(HEADERS, END_HEADERS, id, &block);
        (id, [head, frame(DATA, END_STREAM, id, post.body)].concat())
    }

    /// The bytes that send the request `count` times, and cancel each of them at once.
    pub fn cancelled(&mut self, post: &Post<'_>, count: usize) -> Vec<u8> {
        let streams = (0..count).flat_map(|_| {
            let (id, open) = self.open(post);
            [open, frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat()
        });
        streams.collect()
    }

    /// Sends what [`RawHttp2::open`] and [`RawHttp2::cancelled`] made.
    ///
    /// # Panics
    /// If the connection is closed.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The body of the answer on a stream, once it is there.
    ///
    /// # Panics
    /// If the connection or the stream is ended instead.
    pub async fn answer(&mut self, id: u32) -> Vec<u8> {
        while !self.answers.get(&id).is_some_and(|(_body, ended)| *ended) {
            let (kind, flags, stream, payload) = self.frame().await;
            let words = String::from_utf8_lossy(&payload);
            assert_ne!(kind, GOAWAY, "the connection was ended: {words}");
            assert!(kind != RST_STREAM || stream != id, "the stream was reset: {payload:?}");
            let (body, ended) = self.answers.entry(stream).or_default();
            if kind == DATA {
                body.extend(payload);
            }
            *ended |= matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        }
        self.answers.remove(&id).map(|(body, _ended)| body).unwrap_or_default()
    }

    async fn frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Ok::<_, std::io::Error>((head[3], head[4], stream, payload))
        };
        timeout(ANSWER_TIME, read).await.expect("an answer").expect("the connection stays")
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field of HPACK: literal, never indexed, not compressed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap();
    [&[0x10, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

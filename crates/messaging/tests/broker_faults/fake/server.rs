//! A server of the remoting protocol whose answers a test scripts.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, tcp::OwnedReadHalf},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The flags of a frame.
const IS_ANSWER: i64 = 1;
const IS_ONE_WAY: i64 = 2;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) code: i32,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The number of its connection at the server, from 0.
    pub(crate) connection: u64,
    opaque: i64,
}

impl Asked {
    /// The body, which is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    code: i32,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn code(code: i32) -> Self {
        Self { code, ..Self::default() }
    }

    pub(crate) fn field(mut self, name: &str, value: impl ToString) -> Self {
        self.fields.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    fn frame(&self, flag: i64, opaque: i64) -> Vec<u8> {
        let header = json!({
            "code": self.code, "flag": flag, "opaque": opaque, "language": "JAVA", "version": 0,
            "extFields": self.fields, "remark": "as scripted", "serializeTypeCurrentRPC": "JSON",
        });
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(4 + header.len() + self.body.len()).unwrap().to_be_bytes());
        bytes.extend(u32::try_from(header.len()).unwrap().to_be_bytes());
        bytes.extend(header);
        bytes.extend(&self.body);
        bytes
    }
}

/// Makes the answer to a request; `None` is silence.
type Handler = Box<dyn FnMut(&Asked) -> Option<Answer> + Send>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    control: Arc<Control>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Keeps the port while the server is closed, without listening: connections are refused, and no other process
    /// gets the port.
    port: Mutex<Option<TcpSocket>>,
}

struct Control {
    handler: Mutex<Handler>,
    asked: Mutex<Vec<Asked>>,
    opened: AtomicU64,
    frozen_below: AtomicU64,
    /// The open connections by number, with the frames to send on each.
    open: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Vec<u8>>>>,
    /// Ends the open connections.
    closing: Mutex<CancellationToken>,
}

impl Control {
    fn is_frozen(&self, connection: u64) -> bool {
        connection < self.frozen_below.load(Ordering::SeqCst)
    }

    fn send(&self, connection: u64, frame: Vec<u8>) {
        if let Some(frames) = self.open.lock().get(&connection).filter(|_| !self.is_frozen(connection)) {
            let _ = frames.send(frame);
        }
    }
}

impl Server {
    pub(crate) async fn start(handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            handler: Mutex::new(Box::new(handler)),
            asked: Mutex::default(),
            opened: AtomicU64::new(0),
            frozen_below: AtomicU64::new(0),
            open: Mutex::default(),
            closing: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&control)));
        Self { address, control, accepting: Mutex::new(Some(accepting)), port: Mutex::default() }
    }

    /// Answers requests with `handler` from now on.
    pub(crate) fn answer_with(&self, handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) {
        *self.control.handler.lock() = Box::new(handler);
    }

    /// Answers a request that the handler left without an answer.
    pub(crate) fn answer(&self, asked: &Asked, answer: &Answer) {
        self.control.send(asked.connection, answer.frame(IS_ANSWER, asked.opaque));
    }

    /// Sends a request that expects no answer to the client of `connection`.
    pub(crate) fn ask(&self, connection: u64, request: &Answer) {
        self.control.send(connection, request.frame(IS_ONE_WAY, 0));
    }

    /// Freezes the open connections for good; new ones work.
    pub(crate) fn freeze_open_connections(&self) {
        self.control.frozen_below.store(self.control.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Closes the open connections; new ones work.
    pub(crate) fn close_open_connections(&self) {
        std::mem::take(&mut *self.control.closing.lock()).cancel();
    }

    /// Closes the open connections and refuses new ones.
    pub(crate) async fn close(&self) {
        let accepting = self.accepting.lock().take().unwrap();
        accepting.abort();
        let _aborted = accepting.await;
        self.close_open_connections();
        while self.open_connections() > 0 {
            tokio::task::yield_now().await;
        }
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(self.address).unwrap();
        *self.port.lock() = Some(port);
    }

    /// Accepts connections again, at the same address.
    pub(crate) fn reopen(&self) {
        let listener = self.port.lock().take().unwrap().listen(1_024).unwrap();
        *self.accepting.lock() = Some(tokio::spawn(accept(listener, Arc::clone(&self.control))));
    }

    /// The number of connections that clients hold open.
    pub(crate) fn open_connections(&self) -> usize {
        self.control.open.lock().len()
    }

    /// The received requests with that code.
    pub(crate) fn asked(&self, code: i32) -> Vec<Asked> {
        self.control.asked.lock().iter().filter(|asked| asked.code == code).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().take() {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = control.opened.fetch_add(1, Ordering::SeqCst);
        let closing = control.closing.lock().clone();
        let (frames, sending) = mpsc::unbounded_channel();
        control.open.lock().insert(number, frames);
        let control = Arc::clone(&control);
        tokio::spawn(async move {
            closing.run_until_cancelled(serve(stream, number, &control, sending)).await;
            control.open.lock().remove(&number);
        });
    }
}

/// Serves a connection until its client closes it.
async fn serve(
    stream: TcpStream,
    number: u64,
    control: &Control,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let (mut requests, mut answers) = stream.into_split();
    let reading = async { while read(&mut requests, number, control).await.is_some() {} };
    let writing = async {
        while let Some(frame) = frames.recv().await {
            if answers.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// Reads one frame and answers it; `None` at the end of the connection.
async fn read(requests: &mut OwnedReadHalf, number: u64, control: &Control) -> Option<()> {
    let length = requests.read_u32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).unwrap()];
    requests.read_exact(&mut frame).await.ok()?;
    let header_length = u32::from_be_bytes(frame[..4].try_into().unwrap());
    let header_end = 4 + usize::try_from(header_length).unwrap();
    let header: Value = serde_json::from_slice(&frame[4..header_end]).unwrap();
    let is_answer = header["flag"].as_i64().unwrap() & IS_ANSWER != 0;
    if is_answer || control.is_frozen(number) {
        return Some(());
    }
    let asked = Asked {
        code: i32::try_from(header["code"].as_i64().unwrap()).unwrap(),
        fields: serde_json::from_value(header["extFields"].clone()).unwrap_or_default(),
        body: frame[header_end..].to_vec(),
        connection: number,
        opaque: header["opaque"].as_i64().unwrap(),
    };
    let answer = (control.handler.lock())(&asked);
    control.asked.lock().push(asked.clone());
    if let Some(answer) = answer {
        control.send(number, answer.frame(IS_ANSWER, asked.opaque));
    }
    Some(())
}

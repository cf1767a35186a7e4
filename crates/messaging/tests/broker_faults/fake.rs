//! A fake name server and fake brokers with scripted answers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_messaging::rocketmq::RocketMqConfig;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) const PULL: i32 = 11;
pub(crate) const QUERY_OFFSET: i32 = 14;
pub(crate) const UPDATE_OFFSET: i32 = 15;
pub(crate) const MAX_OFFSET: i32 = 30;
pub(crate) const HEART_BEAT: i32 = 34;
pub(crate) const END_TRANSACTION: i32 = 37;
pub(crate) const MEMBERS: i32 = 38;
pub(crate) const ROUTE: i32 = 105;
pub(crate) const CLUSTER: i32 = 106;
pub(crate) const SEND: i32 = 310;

pub(crate) const NO_PERMISSION: i32 = 16;
pub(crate) const SERVICE_NOT_AVAILABLE: i32 = 14;
pub(crate) const OFFSET_MOVED: i32 = 21;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) code: i32,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The number of its connection at the server, from 0.
    pub(crate) connection: u64,
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
}

/// Makes the answer to a request; `None` is silence.
type Handler = Box<dyn FnMut(&Asked) -> Option<Answer> + Send>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

struct Control {
    handler: Mutex<Handler>,
    asked: Mutex<Vec<Asked>>,
    opened: AtomicU64,
    open: AtomicU64,
    frozen_below: AtomicU64,
    /// Ends the open connections.
    closing: Mutex<CancellationToken>,
}

impl Server {
    pub(crate) async fn start(handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            handler: Mutex::new(Box::new(handler)),
            asked: Mutex::default(),
            opened: AtomicU64::new(0),
            open: AtomicU64::new(0),
            frozen_below: AtomicU64::new(0),
            closing: Mutex::default(),
        });
        let shared = Arc::clone(&control);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.opened.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    let closing = shared.closing.lock().clone();
                    closing.run_until_cancelled(serve(stream, number, Arc::clone(&shared))).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, control, accepting }
    }

    /// Answers requests with `handler` from now on.
    pub(crate) fn answer_with(&self, handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) {
        *self.control.handler.lock() = Box::new(handler);
    }

    /// Freezes the open connections for good; new ones work.
    pub(crate) fn freeze_open_connections(&self) {
        self.control.frozen_below.store(self.control.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Closes the open connections; new ones work.
    pub(crate) fn close_open_connections(&self) {
        std::mem::take(&mut *self.control.closing.lock()).cancel();
    }

    /// The number of connections that clients hold open.
    pub(crate) fn open_connections(&self) -> u64 {
        self.control.open.load(Ordering::SeqCst)
    }

    /// The received requests with that code.
    pub(crate) fn asked(&self, code: i32) -> Vec<Asked> {
        self.control.asked.lock().iter().filter(|asked| asked.code == code).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, number: u64, control: Arc<Control>) {
    loop {
        let Ok(length) = stream.read_u32().await else { return };
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let header_length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        let header_end = 4 + usize::try_from(header_length).unwrap();
        let header: Value = serde_json::from_slice(&frame[4..header_end]).unwrap();
        if number < control.frozen_below.load(Ordering::SeqCst) {
            continue;
        }
        let asked = Asked {
            code: i32::try_from(header["code"].as_i64().unwrap()).unwrap(),
            fields: serde_json::from_value(header["extFields"].clone()).unwrap_or_default(),
            body: frame[header_end..].to_vec(),
            connection: number,
        };
        let answer = (control.handler.lock())(&asked);
        control.asked.lock().push(asked);
        let Some(answer) = answer else { continue };
        let header = json!({
            "code": answer.code, "flag": 1, "opaque": header["opaque"], "language": "JAVA", "version": 0,
            "extFields": answer.fields, "remark": "as scripted", "serializeTypeCurrentRPC": "JSON",
        });
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(4 + header.len() + answer.body.len()).unwrap().to_be_bytes());
        bytes.extend(u32::try_from(header.len()).unwrap().to_be_bytes());
        bytes.extend(header);
        bytes.extend(answer.body);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// The answers of a working broker.
pub(crate) fn works(asked: &Asked) -> Option<Answer> {
    Some(match asked.code {
        SEND => Answer::default()
            .field("msgId", "7F00000100002A9F00000000000003E8")
            .field("queueId", asked.fields.get("e").cloned().unwrap_or_default())
            .field("queueOffset", 1),
        QUERY_OFFSET | MAX_OFFSET => Answer::default().field("offset", 0),
        HEART_BEAT | END_TRANSACTION | UPDATE_OFFSET => Answer::default(),
        _ => Answer::code(1),
    })
}

/// The answers of a frozen broker: none.
pub(crate) fn silent(_asked: &Asked) -> Option<Answer> {
    None
}

/// A name server and the brokers that it lists.
pub(crate) struct Cluster {
    pub(crate) name_server: Server,
    pub(crate) brokers: Vec<Server>,
    listed: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Cluster {
    /// Working brokers, each with two queues of every topic.
    pub(crate) async fn of(brokers: usize) -> Self {
        let listed = Arc::new(Mutex::new(Vec::new()));
        let mut all = Vec::new();
        for _ in 0..brokers {
            let broker = Server::start(works).await;
            listed.lock().push(broker.address);
            all.push(broker);
        }
        let name_server = Server::start(tell(Arc::clone(&listed))).await;
        Self { name_server, brokers: all, listed }
    }

    /// Lets the name server list only these brokers from now on.
    pub(crate) fn list(&self, brokers: &[usize]) {
        *self.listed.lock() = brokers.iter().map(|number| self.brokers[*number].address).collect();
    }

    /// Short timeouts, so that a test does not wait for the defaults.
    pub(crate) fn config(&self) -> RocketMqConfig {
        RocketMqConfig {
            name_servers: vec![self.name_server.address.to_string()],
            try_timeout_ms: 200.try_into().unwrap(),
            retry_interval_ms: 50.try_into().unwrap(),
            ..RocketMqConfig::default()
        }
    }
}

/// The answers of a name server that lists `brokers`.
pub(crate) fn tell(
    brokers: Arc<Mutex<Vec<SocketAddr>>>,
) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    move |asked| {
        let brokers = brokers.lock();
        let body = match asked.code {
            CLUSTER => json!({ "brokerAddrTable": {}, "clusterAddrTable": {} }),
            ROUTE => json!({
                "brokerDatas": brokers.iter().map(|address| json!({
                    "brokerName": name(address), "cluster": "test", "brokerAddrs": { "0": address.to_string() },
                    "enableActingMaster": false,
                })).collect::<Vec<_>>(),
                "queueDatas": brokers.iter().map(|address| json!({
                    "brokerName": name(address), "readQueueNums": 2, "writeQueueNums": 2, "perm": 6, "topicSysFlag": 0,
                })).collect::<Vec<_>>(),
                "filterServerTable": {},
            }),
            _ => return Some(Answer::code(3)),
        };
        Some(Answer::default().body(serde_json::to_vec(&body).unwrap()))
    }
}

fn name(address: &SocketAddr) -> String {
    format!("broker-{}", address.port())
}

/// The messages with these offsets of queue `queue`, in the format of a pull.
pub(crate) fn stored(queue: u32, offsets: std::ops::Range<u64>) -> Vec<u8> {
    offsets.flat_map(|offset| one(queue, offset)).collect()
}

fn one(queue: u32, offset: u64) -> Vec<u8> {
    let (topic, properties) = ("topic", format!("KEYS\u{1}{offset}\u{2}UNIQ_KEY\u{1}id-{offset}\u{2}"));
    let mut message = Vec::new();
    message.extend(0xdaa3_20a7_u32.to_be_bytes());
    message.extend([0; 4]);
    message.extend(queue.to_be_bytes());
    message.extend([0; 4]);
    message.extend(offset.to_be_bytes());
    message.extend([0; 8 + 4 + 8 + 8 + 8 + 8 + 4 + 8]);
    message.extend(4_u32.to_be_bytes());
    message.extend(b"body");
    message.push(u8::try_from(topic.len()).unwrap());
    message.extend(topic.as_bytes());
    message.extend(u16::try_from(properties.len()).unwrap().to_be_bytes());
    message.extend(properties.as_bytes());
    [u32::try_from(message.len() + 4).unwrap().to_be_bytes().to_vec(), message].concat()
}

/// Waits until `seen` is true.
pub(crate) async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

//! One TCP connection to a broker or a name server, shared by any number of requests.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use flashgate_supervision::Task;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    frame::{Frame, Request, refusal},
    session::Session,
};
use crate::fault::BusFault;

const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Frames that are written in one go: what piled up while the last write ran.
const WRITE_FRAMES_MAX: usize = 64;

/// Takes the requests that the broker sends by itself. Must not block.
pub(super) trait Inbound: Send + Sync + 'static {
    /// Takes `request`, which the broker at `address` sent; false if it is of a kind that is not served.
    fn take(&self, address: &str, request: &Frame) -> bool;
}

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    address: Arc<str>,
    outgoing: mpsc::Sender<BytesMut>,
    shared: Arc<Shared>,
    opened_at: Instant,
    silence_max: Duration,
    _tasks: [Task; 3],
}

/// What the connection shares with its tasks.
struct Shared {
    waiting: Mutex<Waiting>,
    opaque_next: AtomicI32,
    /// Counts what was read: it moves for as long as the peer says anything.
    heard: AtomicU64,
    /// Notified when a request went unanswered while nothing was heard.
    doubted: Notify,
    requests_max: usize,
    lost: Arc<Notify>,
}

/// Who waits for which answer. `None` once the connection is lost.
type Waiting = Option<HashMap<i32, oneshot::Sender<Frame>>>;

impl Shared {
    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn new_opaque(&self) -> i32 {
        self.opaque_next.fetch_add(1, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    fn close(&self) {
        if self.waiting().take().is_some() {
            self.lost.notify_one();
        }
    }
}

impl Connection {
    /// Connects to `address`; `lost` is notified when the connection ends. Where nothing is heard for long, `probe` is
    /// sent, a request that every such peer answers somehow; a connection that stays silent even so is closed.
    ///
    /// # Errors
    /// [`BusFault::Unavailable`] if there is no connection at `deadline`.
    pub(super) async fn open(
        Session { config, supervisor, .. }: &Session,
        address: &str,
        inbound: Arc<dyn Inbound>,
        lost: Arc<Notify>,
        probe: Request,
        deadline: Instant,
    ) -> Result<Self, BusFault> {
        let failed = |reason: String| BusFault::unavailable(format!("connect to {address}: {reason}"));
        let stream = timeout_at(deadline, TcpStream::connect(address))
            .await
            .map_err(|elapsed| failed(elapsed.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        let (read, write) = stream.into_split();
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Some(HashMap::new())),
            opaque_next: AtomicI32::new(1),
            heard: AtomicU64::new(0),
            doubted: Notify::new(),
            requests_max: config.requests_in_flight_max.get(),
            lost,
        });
        let (outgoing, queue) = mpsc::channel(config.requests_in_flight_max.get());
        let address: Arc<str> = address.into();
        let reader = Reader {
            address: Arc::clone(&address),
            read,
            shared: Arc::clone(&shared),
            inbound,
            replies: outgoing.downgrade(),
            frame_bytes_max: config.frame_bytes_max.get(),
        };
        let keep_alive = KeepAlive {
            address: Arc::clone(&address),
            shared: Arc::clone(&shared),
            outgoing: outgoing.downgrade(),
            probe,
            interval: config.keep_alive_interval(),
            silence_max: config.silence_max(),
        };
        let tasks = [
            supervisor.spawn_job("bus_reader", reader.run()),
            supervisor.spawn_job("bus_writer", write_all(write, queue, Arc::clone(&shared))),
            supervisor.spawn_job("bus_keep_alive", keep_alive.run()),
        ];
        let (opened_at, silence_max) = (Instant::now(), config.silence_max());
        Ok(Self { address, outgoing, shared, opened_at, silence_max, _tasks: tasks })
    }

    pub(super) fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    pub(super) fn is_open(&self) -> bool {
        self.shared.waiting().is_some()
    }

    /// Sends `request` and awaits its answer, whatever its code.
    ///
    /// # Errors
    /// [`BusFault::Unavailable`] if it was not sent, [`BusFault::Unanswered`] if it may have been.
    pub(super) async fn request(&self, request: &Request, deadline: Instant) -> Result<Frame, BusFault> {
        let opaque = self.shared.new_opaque();
        let bytes = request.encode(opaque)?;
        let (answer, _forget) = self.register(opaque)?;
        let (heard_before, asked_at) = (self.shared.heard(), Instant::now());
        match timeout_at(deadline, self.outgoing.send(bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(BusFault::unavailable(format!("{} hung up", self.address))),
            Err(_) => return Err(BusFault::unavailable(format!("{} does not take bytes", self.address))),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) => Err(BusFault::unanswered(format!("{} hung up", self.address))),
            Err(_) => {
                // Nothing since: the peer is frozen or gone, and the next request deserves a new connection instead
                // of waiting out TCP's own patience. A short wait proves nothing yet, so it is asked.
                if self.shared.heard() == heard_before {
                    if asked_at.elapsed() >= self.silence_max {
                        self.shared.close();
                    } else {
                        self.shared.doubted.notify_one();
                    }
                }
                Err(BusFault::unanswered(format!("{} was silent until the deadline", self.address)))
            }
        }
    }

    fn register(&self, opaque: i32) -> Result<(oneshot::Receiver<Frame>, Forget<'_>), BusFault> {
        let mut waiting = self.shared.waiting();
        let Some(waiting) = waiting.as_mut() else {
            return Err(BusFault::unavailable(format!("{} hung up", self.address)));
        };
        if waiting.len() >= self.shared.requests_max {
            return Err(BusFault::Busy { reason: format!("{} owes too many answers", self.address) });
        }
        let (sender, receiver) = oneshot::channel();
        waiting.insert(opaque, sender);
        Ok((receiver, Forget { shared: &self.shared, opaque }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Takes a waiter off the list when its request ends, also by being dropped.
struct Forget<'a> {
    shared: &'a Shared,
    opaque: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.shared.waiting().as_mut() {
            waiting.remove(&self.opaque);
        }
    }
}

struct Reader {
    address: Arc<str>,
    read: OwnedReadHalf,
    shared: Arc<Shared>,
    inbound: Arc<dyn Inbound>,
    replies: mpsc::WeakSender<BytesMut>,
    frame_bytes_max: usize,
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
        loop {
            match Frame::take(&mut buffer, self.frame_bytes_max) {
                Ok(Some(frame)) => {
                    self.dispatch(frame);
                    continue;
                }
                Ok(None) => {}
                Err(fault) => {
                    tracing::error!(address = %self.address, %fault, "the connection is dropped");
                    break;
                }
            }
            buffer.reserve(READ_BUFFER_BYTES);
            match self.read.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(_) => {
                    self.shared.heard.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::debug!(address = %self.address, %error, "the connection broke");
                    break;
                }
            }
        }
        self.shared.close();
    }

    fn dispatch(&self, frame: Frame) {
        if frame.is_response() {
            let waiter = self.shared.waiting().as_mut().and_then(|waiting| waiting.remove(&frame.opaque));
            if let Some(waiter) = waiter {
                // The waiter may have given up this very moment; then nobody wants the answer.
                let _ = waiter.send(frame);
            }
            return;
        }
        if !self.inbound.take(&self.address, &frame) && frame.wants_response() {
            self.refuse(&frame);
        }
    }

    /// Best effort: the broker's own time-out covers an answer that finds no room.
    fn refuse(&self, request: &Frame) {
        if let (Ok(bytes), Some(replies)) = (refusal(request), self.replies.upgrade()) {
            let _ = replies.try_send(bytes);
        }
    }
}

/// Finds out that the peer is gone, or that something between took the connection over and passes nothing: neither
/// end hears of that from TCP for minutes, nor ever if nothing is sent.
struct KeepAlive {
    address: Arc<str>,
    shared: Arc<Shared>,
    outgoing: mpsc::WeakSender<BytesMut>,
    probe: Request,
    interval: Duration,
    silence_max: Duration,
}

impl KeepAlive {
    async fn run(self) {
        loop {
            let heard = self.shared.heard();
            let is_quiet = timeout(self.interval, self.shared.doubted.notified()).await.is_err();
            if is_quiet && self.shared.heard() != heard {
                continue;
            }
            let heard = self.shared.heard();
            let Ok(probe) = self.probe.encode(self.shared.new_opaque()) else { return };
            let Some(outgoing) = self.outgoing.upgrade() else { return };
            // A queue that is full is question enough.
            let _ = outgoing.try_send(probe);
            drop(outgoing);
            sleep(self.silence_max).await;
            if self.shared.heard() == heard {
                tracing::warn!(address = %self.address, "nothing passes on the connection: it is replaced");
                metrics::counter!("flashgate_bus_connections_silent_total").increment(1);
                self.shared.close();
                return;
            }
        }
    }
}

/// The only writer of the stream, so that a caller that gives up never leaves half a frame in it.
async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<BytesMut>, shared: Arc<Shared>) {
    let mut frames = Vec::with_capacity(WRITE_FRAMES_MAX);
    while queue.recv_many(&mut frames, WRITE_FRAMES_MAX).await > 0 {
        let bytes = joined(&mut frames);
        if let Err(error) = write.write_all(&bytes).await {
            tracing::debug!(%error, "the connection broke");
            break;
        }
    }
    shared.close();
}

fn joined(frames: &mut Vec<BytesMut>) -> Bytes {
    let mut frames = frames.drain(..);
    let mut all = frames.next().unwrap_or_default();
    for frame in frames {
        all.unsplit(frame);
    }
    all.freeze()
}

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
use crate::fault::BusError;

const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Maximum frames per write: those that queued up during the previous write.
const WRITE_FRAMES_MAX: usize = 64;

/// Handles requests that the broker sends. Must not block.
pub(super) trait Inbound: Send + Sync + 'static {
    /// Handles `request`, which the broker at `address` sent; false if its kind is not served.
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

/// The state that the connection shares with its tasks.
struct Shared {
    waiting: Mutex<Waiting>,
    opaque_next: AtomicI32,
    /// Counts reads, so that any input of the peer changes it.
    heard: AtomicU64,
    /// Notified when a request timed out without any input.
    doubted: Notify,
    requests_max: usize,
    lost: Arc<Notify>,
}

/// The waiting request of each answer. `None` once the connection is lost.
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
    /// Connects to `address`; `lost` is notified when the connection ends. A silent connection is probed with `probe`,
    /// a request that every such peer answers; a connection that stays silent is closed.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if there is no connection at `deadline`.
    pub(super) async fn open(
        Session { config, supervisor, .. }: &Session,
        address: &str,
        inbound: Arc<dyn Inbound>,
        lost: Arc<Notify>,
        probe: Request,
        deadline: Instant,
    ) -> Result<Self, BusError> {
        let failed = |reason: String| BusError::unavailable(format!("cannot connect to {address}: {reason}"));
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

    /// Sends `request` and awaits its answer, with any code.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if it was not sent, [`BusError::Unanswered`] if it may have been.
    pub(super) async fn request(&self, request: &Request, deadline: Instant) -> Result<Frame, BusError> {
        let opaque = self.shared.new_opaque();
        let bytes = request.encode(opaque)?;
        let (answer, _forget) = self.register(opaque)?;
        let (heard_before, asked_at) = (self.shared.heard(), Instant::now());
        match timeout_at(deadline, self.outgoing.send(bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                return Err(BusError::unavailable(format!("{} closed the connection", self.address)));
            }
            Err(_) => return Err(BusError::unavailable(format!("{} accepts no data", self.address))),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) => Err(BusError::unanswered(format!("{} closed the connection", self.address))),
            Err(_) => {
                // No input since the request was sent: the peer is frozen or down, and the next request needs a new
                // connection instead of waiting for TCP's timeout. A short wait proves nothing yet, so the peer is
                // probed.
                if self.shared.heard() == heard_before {
                    if asked_at.elapsed() >= self.silence_max {
                        self.shared.close();
                    } else {
                        self.shared.doubted.notify_one();
                    }
                }
                Err(BusError::unanswered(format!("{} did not answer before the deadline", self.address)))
            }
        }
    }

    fn register(&self, opaque: i32) -> Result<(oneshot::Receiver<Frame>, Forget<'_>), BusError> {
        let mut waiting = self.shared.waiting();
        let Some(waiting) = waiting.as_mut() else {
            return Err(BusError::unavailable(format!("{} closed the connection", self.address)));
        };
        if waiting.len() >= self.shared.requests_max {
            return Err(BusError::Busy {
                reason: format!("too many requests to {} are unanswered", self.address),
            });
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

/// Removes the waiting request when it ends, also by being dropped.
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
                    tracing::error!(address = %self.address, error = %fault, "invalid data on the connection; closing");
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
                    tracing::debug!(address = %self.address, %error, "connection lost");
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
                // The waiting request may have just been dropped; the answer is then not needed.
                let _ = waiter.send(frame);
            }
            return;
        }
        if !self.inbound.take(&self.address, &frame) && frame.wants_response() {
            self.refuse(&frame);
        }
    }

    /// Best effort: the broker's own timeout covers an answer that finds the queue full.
    fn refuse(&self, request: &Frame) {
        if let (Ok(bytes), Some(replies)) = (refusal(request), self.replies.upgrade()) {
            let _ = replies.try_send(bytes);
        }
    }
}

/// Detects that the peer is down, or that a middlebox keeps the connection open without passing data: TCP reports
/// neither for minutes, and never on an idle connection.
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
            // A full queue already contains requests that the peer must answer.
            let _ = outgoing.try_send(probe);
            drop(outgoing);
            sleep(self.silence_max).await;
            if self.shared.heard() == heard {
                tracing::warn!(address = %self.address, "connection silent; replacing");
                metrics::counter!("flashgate_bus_connections_silent_total").increment(1);
                self.shared.close();
                return;
            }
        }
    }
}

/// The only writer of the stream, so that a dropped request never leaves half a frame in it.
async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<BytesMut>, shared: Arc<Shared>) {
    let mut frames = Vec::with_capacity(WRITE_FRAMES_MAX);
    while queue.recv_many(&mut frames, WRITE_FRAMES_MAX).await > 0 {
        let bytes = joined(&mut frames);
        if let Err(error) = write.write_all(&bytes).await {
            tracing::debug!(%error, "connection lost");
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

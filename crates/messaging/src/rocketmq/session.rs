//! One identity towards the brokers: a client id, its connections, its routes.
//!
//! Every producer and every subscription has its own session, since the broker identifies a member of a group by its
//! connection, and so that a pull of 256 KiB never delays a commit.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flashgate_domain::clock::{Clock, Timestamp};
use flashgate_supervision::Supervisor;
use parking_lot::Mutex;
use rocketmq_protocol::{code::request_code::RequestCode, protocol::remoting_command::RemotingCommand};
use rocketmq_runtime::RuntimeContext;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    RocketMq,
    clocks::Clocks,
    codes::{is_wrong_peer, response},
    config::RocketMqConfig,
    connection::Connection,
    inbound::Inbound,
    peers::Peers,
    presence::anonymous,
    route::Route,
};
use crate::{fault::BusError, names::Topic};

pub(super) struct Session {
    pub(super) client_id: String,
    identity: u64,
    pub(super) config: Arc<RocketMqConfig>,
    pub(super) supervisor: Supervisor,
    pub(super) runtime: RuntimeContext,
    /// Notified when a connection is lost, so that a registered member sends its heartbeat again.
    pub(super) lost: Arc<Notify>,
    pub(super) peers: Peers,
    pub(super) clocks: Clocks,
    clock: Arc<dyn Clock>,
    inbound: Arc<dyn Inbound>,
    connections: Mutex<HashMap<String, Arc<Slot>>>,
    routes: Mutex<HashMap<Topic, KnownRoute>>,
    name_server: AtomicUsize,
    message_next: AtomicU64,
    closed: AtomicBool,
    /// Cancelled when the member must stop sending heartbeats.
    pub(super) leaving: CancellationToken,
}

/// The slot of one connection; its lock is held while the connection is opened, so that only one caller opens it.
type Slot = tokio::sync::Mutex<Option<Arc<Connection>>>;

/// A cached route.
struct KnownRoute {
    route: Arc<Route>,
    /// When it was last read, or a caller began to read it again.
    read_at: Instant,
    /// Whether one of its brokers indicated that the route may be out of date.
    is_doubted: bool,
}

/// The minimum interval between two reads of a route that may be out of date, and between two replacements of a
/// connection to the wrong peer.
const DOUBT_PAUSE: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn new(
        RocketMq { config, clock, supervisor, runtime }: &RocketMq,
        inbound: Arc<dyn Inbound>,
    ) -> Arc<Self> {
        // Two sessions must have different ids, but in containers every process has the id 1 and they start together:
        // a hasher's keys come from the operating system's randomness and differ each time.
        let identity = RandomState::new().hash_one(clock.now().as_millis());
        Arc::new(Self {
            client_id: format!("flashgate@{}#{identity:016x}", std::process::id()),
            identity,
            peers: Peers::new(config.hold_min(), config.hold_max()),
            clocks: Clocks::default(),
            config: Arc::clone(config),
            supervisor: supervisor.clone(),
            runtime: runtime.clone(),
            lost: Arc::new(Notify::new()),
            clock: Arc::clone(clock),
            inbound,
            connections: Mutex::default(),
            routes: Mutex::default(),
            name_server: AtomicUsize::new(0),
            message_next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            leaving: CancellationToken::new(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An id for a new message: 32 hex digits, the format of every RocketMQ client.
    pub(super) fn new_message_id(&self) -> String {
        let number = self.message_next.fetch_add(1, Ordering::Relaxed);
        format!("{:016X}{number:016X}", self.identity)
    }

    /// The deadline of a request that starts now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.config.send_timeout()
    }

    /// The deadline of an attempt that starts now, if another peer can be tried after it.
    pub(super) fn try_deadline(&self) -> Instant {
        Instant::now() + self.config.try_timeout()
    }

    /// Sends `request` to `address` and awaits the answer, with any code. If the peer is silent or the wrong one, this
    /// is recorded, its connection is replaced, and the routes to it are read again.
    ///
    /// # Errors
    /// See [`Connection::request`]; [`BusError::Closed`] after [`Session::close`].
    pub(super) async fn call(
        &self,
        address: &str,
        request: RemotingCommand,
        deadline: Instant,
    ) -> Result<RemotingCommand, BusError> {
        let code = request.code();
        let answer = match self.connection(address, deadline).await {
            Ok(connection) => connection.request(request, deadline).await,
            Err(fault) => Err(fault),
        };
        match &answer {
            Ok(answer) => {
                self.peers.answered(address);
                if is_wrong_peer(code, answer.code()) {
                    self.distrust(address);
                }
            }
            Err(BusError::Unavailable { .. } | BusError::Refused { .. } | BusError::Unanswered { .. }) => {
                self.peers.is_silent(address);
                self.doubt_routes(address);
            }
            Err(_) => {}
        }
        answer
    }

    /// Records that `address` is the wrong peer: the next request gets a new connection, and routes are read again.
    /// Requests under way continue on the old connection.
    pub(super) fn distrust(&self, address: &str) {
        let slot = self.connections.lock().get(address).map(Arc::clone);
        // Another caller that holds the lock is opening a new one.
        if let Some(mut slot) = slot.as_ref().and_then(|slot| slot.try_lock().ok())
            && slot.as_ref().is_some_and(|connection| connection.age() >= DOUBT_PAUSE)
        {
            *slot = None;
        }
        self.doubt_routes(address);
    }

    fn doubt_routes(&self, address: &str) {
        let mut routes = self.routes.lock();
        for known in routes.values_mut().filter(|known| known.route.has_address(address)) {
            known.is_doubted = true;
        }
    }

    async fn connection(&self, address: &str, deadline: Instant) -> Result<Arc<Connection>, BusError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BusError::Closed);
        }
        let slot = {
            let mut connections = self.connections.lock();
            Arc::clone(connections.entry(address.to_owned()).or_default())
        };
        let waited = || BusError::unavailable(format!("no connection to {address} before the deadline"));
        let mut slot = tokio::time::timeout_at(deadline, slot.lock()).await.map_err(|_elapsed| waited())?;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let deadline = deadline.min(Instant::now() + self.config.connect_timeout());
        let (inbound, lost) = (Arc::clone(&self.inbound), Arc::clone(&self.lost));
        let is_name_server = self.config.name_servers.iter().any(|server| server == address);
        let probe = match is_name_server {
            true => RemotingCommand::new_request(RequestCode::GetBrokerClusterInfo, Bytes::new()),
            false => anonymous(&self.client_id),
        };
        let opened = Connection::open(self, address, inbound, lost, probe, deadline).await?;
        let connection = Arc::new(opened);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Asks the name servers in turn, beginning with the last one that answered. A server that does not answer, or
    /// lacks an entry that another may have, does not block the others.
    pub(super) async fn ask_name_server(
        &self,
        request: RemotingCommand,
    ) -> Result<RemotingCommand, BusError> {
        let deadline = self.deadline();
        let servers = &self.config.name_servers;
        let first = self.name_server.load(Ordering::Relaxed);
        let mut last = Err(BusError::invalid("name_servers must have at least one host:port"));
        for turn in 0..servers.len() {
            let index = first.wrapping_add(turn) % servers.len();
            let Some(server) = servers.get(index) else { continue };
            let is_last = turn + 1 == servers.len();
            let deadline = if is_last { deadline } else { deadline.min(self.try_deadline()) };
            match self.call(server, request.clone(), deadline).await {
                Ok(answer) if is_final(&answer) => {
                    self.name_server.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(answer) => last = Ok(answer),
                // A definite answer outweighs the silence of another server.
                Err(_) if last.is_ok() => {}
                // A query changes nothing: unanswered, it counts as never sent.
                Err(BusError::Unanswered { reason }) => last = Err(BusError::Unavailable { reason }),
                Err(fault) => last = Err(fault),
            }
        }
        last
    }

    /// The route of `topic`. A route older than `route_age_max_ms` is still used while a new one is fetched, so that a
    /// frozen name server never delays a send.
    ///
    /// # Errors
    /// The name server's fault, if there is no older route either.
    pub(super) async fn route(self: &Arc<Self>, topic: &Topic) -> Result<Arc<Route>, BusError> {
        let Some((route, stale)) = self.known_route(topic) else { return self.fetch_route(topic).await };
        if stale {
            let (session, topic) = (Arc::clone(self), topic.clone());
            let refreshing = async move {
                if let Err(fault) = session.fetch_route(&topic).await {
                    tracing::warn!(%topic, error = %fault, "refreshing the route failed; using the previous one");
                }
            };
            self.supervisor.spawn_job("bus_route", refreshing).detach();
        }
        Ok(route)
    }

    /// The current route of `topic` from the name server, for a caller that tried every broker of `old`; `None` if the
    /// name server has no newer one before `deadline`, or was asked a moment ago.
    pub(super) async fn newer_route(
        &self,
        topic: &Topic,
        old: &Arc<Route>,
        deadline: Instant,
    ) -> Option<Arc<Route>> {
        let (route, stale) = self.known_route(topic)?;
        if !Arc::ptr_eq(&route, old) {
            return Some(route);
        }
        if !stale {
            return None;
        }
        tokio::time::timeout_at(deadline, self.fetch_route(topic)).await.ok()?.ok()
    }

    /// The cached route of `topic`, and whether a refresh is due; true for one caller only.
    fn known_route(&self, topic: &Topic) -> Option<(Arc<Route>, bool)> {
        let mut routes = self.routes.lock();
        let known = routes.get_mut(topic)?;
        let age_max = self.config.route_age_max();
        let age_max = if known.is_doubted { age_max.min(DOUBT_PAUSE) } else { age_max };
        let stale = known.read_at.elapsed() >= age_max;
        if stale {
            known.read_at = Instant::now();
            known.is_doubted = false;
        }
        Some((Arc::clone(&known.route), stale))
    }

    async fn fetch_route(&self, topic: &Topic) -> Result<Arc<Route>, BusError> {
        let route = Arc::new(Route::parse(self.ask_name_server(Route::request(topic)).await?)?);
        let mut routes = self.routes.lock();
        let known = KnownRoute { route: Arc::clone(&route), read_at: Instant::now(), is_doubted: false };
        routes.insert(topic.clone(), known);
        Ok(route)
    }

    /// Closes every connection; further calls return [`BusError::Closed`].
    pub(super) fn close(&self) {
        self.leaving.cancel();
        self.closed.store(true, Ordering::Release);
        self.connections.lock().clear();
    }
}

/// Whether another name server cannot have a better answer: a server that was just started has no topics until the
/// brokers registered, and one that does not support the request is not a name server.
fn is_final(answer: &RemotingCommand) -> bool {
    !matches!(answer.code(), response::TOPIC_NOT_EXIST | response::REQUEST_CODE_NOT_SUPPORTED)
}

//! One identity towards the brokers: a client id, its connections, its routes.
//!
//! Every producer and every subscription has a session of its own, since the broker knows a member of a group
//! by its connection, and so that a pull of 256 KiB never stands in front of a commit.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flashgate_domain::clock::{Clock, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::RocketMqConfig;
use super::connection::{Connection, Inbound};
use super::frame::{Frame, Request};
use super::route::Route;
use crate::fault::BusFault;
use crate::names::Topic;

pub(super) struct Session {
    pub(super) client_id: String,
    identity: u64,
    pub(super) config: Arc<RocketMqConfig>,
    /// Notified when a connection is lost: whoever must be known to the broker says hello again.
    pub(super) lost: Arc<Notify>,
    clock: Arc<dyn Clock>,
    inbound: Arc<dyn Inbound>,
    connections: Mutex<HashMap<String, Arc<Slot>>>,
    routes: Mutex<HashMap<Topic, (Arc<Route>, Instant)>>,
    name_server: AtomicUsize,
    message_next: AtomicU64,
    closed: AtomicBool,
}

/// The place of one connection; the lock is held while it is opened, so that only one caller does.
type Slot = tokio::sync::Mutex<Option<Arc<Connection>>>;

impl Session {
    pub(super) fn new(
        config: Arc<RocketMqConfig>,
        clock: Arc<dyn Clock>,
        inbound: Arc<dyn Inbound>,
    ) -> Arc<Self> {
        // Two sessions must never be taken for one, and in containers every process has the id 1 and they start
        // together: the keys of a hasher come from the operating system's randomness and differ each time.
        let identity = RandomState::new().hash_one(clock.now().as_millis());
        Arc::new(Self {
            client_id: format!("flashgate@{}#{identity:016x}", std::process::id()),
            identity,
            config,
            lost: Arc::new(Notify::new()),
            clock,
            inbound,
            connections: Mutex::default(),
            routes: Mutex::default(),
            name_server: AtomicUsize::new(0),
            message_next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An id for a new message: 32 hex digits, as every RocketMQ client makes them.
    pub(super) fn new_message_id(&self) -> String {
        let number = self.message_next.fetch_add(1, Ordering::Relaxed);
        format!("{:016X}{number:016X}", self.identity)
    }

    /// The deadline of a request that starts now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.config.send_timeout()
    }

    /// Sends `request` to `address` and awaits the answer, whatever its code.
    ///
    /// # Errors
    /// See [`Connection::request`]; [`BusFault::Closed`] after [`Session::close`].
    pub(super) async fn call(
        &self,
        address: &str,
        request: &Request,
        deadline: Instant,
    ) -> Result<Frame, BusFault> {
        self.connection(address, deadline).await?.request(request, deadline).await
    }

    async fn connection(&self, address: &str, deadline: Instant) -> Result<Arc<Connection>, BusFault> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BusFault::Closed);
        }
        let slot = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(connections.entry(address.to_owned()).or_default())
        };
        let waited = || BusFault::unavailable(format!("no connection to {address} before the deadline"));
        let mut slot = tokio::time::timeout_at(deadline, slot.lock()).await.map_err(|_elapsed| waited())?;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let deadline = deadline.min(Instant::now() + self.config.connect_timeout());
        let (inbound, lost) = (Arc::clone(&self.inbound), Arc::clone(&self.lost));
        let connection = Arc::new(Connection::open(address, &self.config, inbound, lost, deadline).await?);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Asks the name servers in turn, beginning with the one that answered last.
    pub(super) async fn ask_name_server(&self, request: &Request) -> Result<Frame, BusFault> {
        let deadline = self.deadline();
        let servers = &self.config.name_servers;
        let first = self.name_server.load(Ordering::Relaxed);
        let mut last = BusFault::invalid("name_servers is empty: expected at least one host:port");
        for turn in 0..servers.len() {
            let index = first.wrapping_add(turn) % servers.len();
            let Some(server) = servers.get(index) else { continue };
            match self.call(server, request, deadline).await {
                Ok(answer) => {
                    self.name_server.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                // A question to a name server changes nothing: asked in vain, it was as good as never sent.
                Err(BusFault::Unanswered { reason }) => last = BusFault::Unavailable { reason },
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    /// The route of `topic`. One older than `route_age_max_ms` is still used while a new one is fetched, so that
    /// a frozen name server never stands in front of a send.
    ///
    /// # Errors
    /// The name server's fault, if there is no older route either.
    pub(super) async fn route(self: &Arc<Self>, topic: &Topic) -> Result<Arc<Route>, BusFault> {
        let Some((route, stale)) = self.known_route(topic) else { return self.fetch_route(topic).await };
        if stale {
            let (session, topic) = (Arc::clone(self), topic.clone());
            tokio::spawn(async move {
                if let Err(fault) = session.fetch_route(&topic).await {
                    tracing::warn!(%topic, %fault, "the route cannot be refreshed, the old one is used");
                }
            });
        }
        Ok(route)
    }

    /// The last route of `topic`, and whether it is time for a new one; only one caller is told so.
    fn known_route(&self, topic: &Topic) -> Option<(Arc<Route>, bool)> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let (route, read_at) = routes.get_mut(topic)?;
        let stale = read_at.elapsed() >= self.config.route_age_max();
        if stale {
            *read_at = Instant::now();
        }
        Some((Arc::clone(route), stale))
    }

    async fn fetch_route(&self, topic: &Topic) -> Result<Arc<Route>, BusFault> {
        let route = Arc::new(Route::parse(self.ask_name_server(&Route::request(topic)).await?)?);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.insert(topic.clone(), (Arc::clone(&route), Instant::now()));
        Ok(route)
    }

    /// Closes every connection; further calls answer [`BusFault::Closed`].
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

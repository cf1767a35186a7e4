//! Connections that are lent: a limited number, each for one call.
//!
//! The pool of sqlx pings each returned connection, without a timeout and on a task of its own. A dead connection,
//! whose host is down or which a firewall dropped, keeps its slot for good: after a few of those no call gets a
//! connection any more. So the worker lends connections itself. If a call timed out, was dropped in flight, or ended
//! with a broken connection, the connection is closed and its slot is free, and its locks on the server are released
//! from another connection ([`Abandoned`]). Nothing here waits without a timeout.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_order_store::server::ServerSettings;
use flashgate_supervision::Supervisor;
use parking_lot::{Mutex, MutexGuard};
use sqlx::{Connection, MySqlConnection};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use tracing::warn;

use crate::{
    abandoned::{Abandoned, Reaper},
    connector::Connector,
    fault::{Cause, QueryError},
    session::{Session, SessionSettings},
};

/// Maximum idle time of a connection that is used without a ping. Longer than a busy worker leaves one idle, so that
/// chunks pay no round trip for it.
const IDLE_UNTESTED_MAX: Duration = Duration::from_secs(3);
/// Timeout of a ping, which does no work.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Lends connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    connector: Connector,
    settings: SessionSettings,
    acquire_timeout: Duration,
    places: Semaphore,
    /// The last returned connection is lent first, so that surplus ones grow old.
    idle: Mutex<Vec<Idle>>,
    /// Connections of an earlier round are not used again.
    round: AtomicU64,
    reaper: Arc<Reaper>,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    since: Instant,
}

/// A connection for one call. Dropping it abandons the connection, with any work in progress.
pub(crate) struct Lease<'p> {
    session: Session,
    guard: Guard<'p>,
}

/// The part of a lease that handles its drop.
struct Guard<'p> {
    pool: &'p Pool,
    /// The session to abandon, unless the call has ended.
    abandoned: Option<Abandoned>,
    _place: SemaphorePermit<'p>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            self.pool.reaper.free(abandoned);
        }
    }
}

impl Pool {
    /// A pool that connects at the first call.
    pub(crate) fn new(settings: &ServerSettings, connector: Connector, supervisor: Supervisor) -> Self {
        let session = SessionSettings::of(settings);
        let places = usize::try_from(settings.connections_max.get()).unwrap_or(usize::MAX);
        Self {
            reaper: Arc::new(Reaper::new(connector.clone(), session.idle_timeout, supervisor)),
            connector,
            settings: session,
            acquire_timeout: settings.acquire_timeout,
            places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            round: AtomicU64::new(0),
        }
    }

    /// Connects to the server.
    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A connection that answered within the last seconds, or a new one.
    ///
    /// # Errors
    /// There was none within the timeout.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, QueryError> {
        let limit = self.acquire_timeout;
        timeout(limit, self.lend())
            .await
            .unwrap_or_else(|_late| Err(QueryError::Unavailable(format!("no connection within {limit:?}"))))
    }

    async fn lend(&self) -> Result<Lease<'_>, QueryError> {
        let place = self.places.acquire().await;
        let place = place.map_err(|closed| QueryError::Unavailable(closed.to_string()))?;
        let round = self.round.load(Ordering::Acquire);
        while let Some(Idle { mut session, since }) = self.pop() {
            let idle_for = since.elapsed();
            if session.round != round || idle_for > self.idle_max() {
                continue;
            }
            let is_alive = idle_for <= IDLE_UNTESTED_MAX || is_alive(&mut session.connection).await;
            if is_alive {
                return Ok(self.lent(session, place));
            }
        }
        let session = Session::open(&self.connector, &self.settings, round).await?;
        Ok(self.lent(session, place))
    }

    fn lent<'p>(&'p self, session: Session, place: SemaphorePermit<'p>) -> Lease<'p> {
        let abandoned = Some(Abandoned::of(&session));
        Lease { session, guard: Guard { pool: self, abandoned, _place: place } }
    }

    /// Discards all present connections: the server behind them is the wrong one.
    fn leave_all(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
        drop(mem::take(&mut *self.idle()));
    }

    /// Half of the server's idle timeout: the server must not end a connection while it is being lent.
    fn idle_max(&self) -> Duration {
        self.settings.idle_timeout / 2
    }

    fn pop(&self) -> Option<Idle> {
        self.idle().pop()
    }

    fn push(&self, session: Session) {
        let (since, idle_max) = (Instant::now(), self.idle_max());
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() <= idle_max);
        idle.push(Idle { session, since });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock()
    }
}

impl Lease<'_> {
    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut MySqlConnection {
        &mut self.session.connection
    }

    /// Returns the connection after a call with that result, if it can be used again.
    pub(crate) async fn end<T>(self, ended: Result<T, QueryError>) -> Result<T, QueryError> {
        let Self { mut session, mut guard } = self;
        match &ended {
            Err(error) if error.leaves_the_connection() => return ended,
            Err(error) if error.cause() == Some(Cause::ReadOnly) => {
                warn!(%error, "server is read-only; closing all connections");
                guard.pool.leave_all();
            }
            Ok(_) | Err(_) => {}
        }
        // A dropped transaction has not sent its ROLLBACK yet, and locks its rows until then.
        let is_clean = ended.is_ok() && !session.connection.should_flush();
        if !is_clean && !is_alive(&mut session.connection).await {
            return ended;
        }
        guard.abandoned = None;
        if session.round == guard.pool.round.load(Ordering::Acquire) {
            guard.pool.push(session);
        }
        ended
    }
}

/// Whether a ping is answered in time. Also sends pending data.
async fn is_alive(connection: &mut MySqlConnection) -> bool {
    matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

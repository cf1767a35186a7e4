//! Abandoned sessions: connections dropped with work in progress, killed on the server from another connection.
//!
//! A server keeps the transaction of a silent client, and with it the row lock of a hot sale, until the session's idle
//! timeout. So the session is killed by its id. If the kill comes too late, or never, the server ends the session
//! itself after `order_store.session_timeout_s`. In either case nothing is applied twice: the first statement of a chunk
//! inserts its batch ids and locks them until its transaction has ended. A retry waits for that; then it finds the
//! batches decided, if the COMMIT was under way, or decides them itself.

use std::{sync::Arc, time::Duration};

use flashgate_domain::named;
use flashgate_supervision::Supervisor;
use metrics::counter;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row, mysql::MySqlDatabaseError};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use crate::{connector::Connector, fault::QueryError, session::Session};

const UPTIME_SELECT: &str = include_str!("../sql/uptime_select.sql");
/// `ER_NO_SUCH_THREAD`: the session has ended.
const NO_SUCH_THREAD: u16 = 1094;
/// Maximum sessions that wait to be killed. Further ones are left to the server's own timeout.
const WAITING_MAX: usize = 64;
/// Timeout for connecting and killing.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause after a failed attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// An abandoned session.
#[derive(Clone, Debug)]
pub(crate) struct Abandoned {
    id: u64,
    server: String,
    opened_at: Instant,
}

impl Abandoned {
    pub(crate) fn of(session: &Session) -> Self {
        Self { id: session.id, server: session.server.clone(), opened_at: session.opened_at }
    }
}

/// Kills abandoned sessions, over a connection of its own.
#[derive(Debug)]
pub(crate) struct Reaper {
    connector: Connector,
    /// The server's idle timeout of a session.
    idle_timeout: Duration,
    supervisor: Supervisor,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    sessions: Vec<Abandoned>,
    /// Whether the task that kills sessions is running.
    is_reaping: bool,
}

named! {
    /// The result for a session.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum End {
        Killed = "killed",
        /// It had ended, or the server is another one or was restarted since.
        Gone = "gone",
        /// The server denied this user the kill.
        Refused = "refused",
        /// No server answered in time; it ends sessions itself.
        Unreachable = "unreachable",
    }
}

impl End {
    fn count(self, session: &Abandoned) {
        let result = self.as_str();
        counter!("flashgate_worker_abandoned_sessions_total", "result" => result).increment(1);
        info!(id = session.id, result, "session abandoned with work in progress");
    }
}

impl Reaper {
    pub(crate) fn new(connector: Connector, idle_timeout: Duration, supervisor: Supervisor) -> Self {
        Self { connector, idle_timeout, supervisor, waiting: Mutex::default() }
    }

    /// Kills the session in the background. Returns at once.
    pub(crate) fn free(self: &Arc<Self>, session: Abandoned) {
        // Without a runtime the process is shutting down, and its connections with it.
        if Handle::try_current().is_err() {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.sessions.len() >= WAITING_MAX {
            return End::Unreachable.count(&session);
        }
        waiting.sessions.push(session);
        if !waiting.is_reaping {
            waiting.is_reaping = true;
            self.supervisor.spawn_job("abandoned_sessions", Arc::clone(self).reap()).detach();
        }
    }

    /// The waiting sessions, or `None` if there are none: then the task ends.
    fn take(&self) -> Option<Vec<Abandoned>> {
        let mut waiting = self.waiting.lock();
        waiting.is_reaping = !waiting.sessions.is_empty();
        waiting.is_reaping.then(|| std::mem::take(&mut waiting.sessions))
    }

    async fn reap(self: Arc<Self>) {
        while let Some(mut sessions) = self.take() {
            let deadline = Instant::now() + self.idle_timeout;
            loop {
                match timeout(ATTEMPT_TIMEOUT, self.kill(&mut sessions)).await {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => warn!(%error, "killing abandoned sessions failed; retrying"),
                    Err(_late) => warn!("killing abandoned sessions timed out; retrying"),
                }
                if Instant::now() >= deadline {
                    sessions.iter().for_each(|session| End::Unreachable.count(session));
                    break;
                }
                sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Kills all sessions; those that are done are removed.
    async fn kill(&self, sessions: &mut Vec<Abandoned>) -> Result<(), QueryError> {
        let mut connection = self.connector.connect().await?;
        let row = sqlx::query(super::session::SESSION_SELECT).fetch_one(&mut connection).await?;
        let server: String = row.try_get("server")?;
        let row = sqlx::query(UPTIME_SELECT).fetch_one(&mut connection).await?;
        let uptime: String = row.try_get(1)?;
        let uptime = Duration::from_secs(uptime.parse().unwrap_or(0));
        while let Some(session) = sessions.last() {
            // A server that was started later assigns the same ids to other sessions.
            let is_same = session.server == server && uptime > session.opened_at.elapsed();
            let end = if is_same { kill(&mut connection, session.id).await? } else { End::Gone };
            end.count(session);
            sessions.pop();
        }
        Ok(connection.close().await?)
    }
}

async fn kill(connection: &mut MySqlConnection, id: u64) -> sqlx::Result<End> {
    match connection.execute(AssertSqlSafe(format!("KILL CONNECTION {id}"))).await {
        Ok(_done) => Ok(End::Killed),
        Err(sqlx::Error::Database(error)) => {
            let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
            if number == Some(NO_SUCH_THREAD) {
                return Ok(End::Gone);
            }
            warn!(%error, id, "cannot kill abandoned session; left to the server's idle timeout");
            Ok(End::Refused)
        }
        Err(error) => Err(error),
    }
}

//! A connection of the worker: its session settings and its id on the server.

use std::time::Duration;

use flashgate_order_store::server::ServerSettings;
use sqlx::{Executor, MySqlConnection, Row};
use tokio::time::Instant;

use crate::{connector::Connector, fault::QueryError};

const SESSION_SET: &str = include_str!("../sql/session_set.sql");
pub(crate) const SESSION_SELECT: &str = include_str!("../sql/session_select.sql");

/// The settings of each session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSettings {
    lock_wait_s: u32,
    /// Idle time after which the server ends the session.
    pub(crate) idle_timeout: Duration,
}

/// A connection that is set up.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: MySqlConnection,
    /// The server's id of the connection.
    pub(crate) id: u64,
    /// The server's own id.
    pub(crate) server: String,
    pub(crate) opened_at: Instant,
    /// The round of the pool that it belongs to.
    pub(crate) round: u64,
}

impl SessionSettings {
    pub(crate) fn of(settings: &ServerSettings) -> Self {
        let lock_wait_s = u32::try_from(settings.lock_wait_timeout.as_secs()).unwrap_or(u32::MAX);
        Self { lock_wait_s, idle_timeout: settings.session_timeout }
    }
}

impl Session {
    /// Connects.
    pub(crate) async fn open(
        connector: &Connector,
        settings: &SessionSettings,
        round: u64,
    ) -> Result<Self, QueryError> {
        // Taken before connecting, so that the server is never younger than the session seems.
        let opened_at = Instant::now();
        let mut connection = connector.connect().await?;
        // READ COMMITTED: no gap locks in updates and locking reads.
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let idle_s = u32::try_from(settings.idle_timeout.as_secs()).unwrap_or(u32::MAX);
        let set = sqlx::query(SESSION_SET).bind(settings.lock_wait_s).bind(idle_s).bind(idle_s).bind(idle_s);
        set.execute(&mut connection).await?;
        let row = sqlx::query(SESSION_SELECT).fetch_one(&mut connection).await?;
        let (id, server) = (row.try_get("id")?, row.try_get("server")?);
        Ok(Self { connection, id, server, opened_at, round })
    }
}

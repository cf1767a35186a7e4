//! A connection as the worker uses it: its settings on the server, and what it is called there.

use std::time::Duration;

use sqlx::{Connection, Executor, MySqlConnection, Row, mysql::MySqlConnectOptions};
use tokio::time::Instant;

use crate::config::MySqlConfig;

const SESSION_SET: &str = include_str!("../../sql/session_set.sql");
pub(super) const SESSION_SELECT: &str = include_str!("../../sql/session_select.sql");

/// What each session sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionSettings {
    lock_wait_s: u32,
    /// After how long without a statement the server ends the session.
    pub(super) idle_timeout: Duration,
}

/// A connection that is set up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: MySqlConnection,
    /// What the server calls it.
    pub(super) id: u64,
    /// What the server calls itself.
    pub(super) server: String,
    pub(super) opened_at: Instant,
    /// Which round of the pool it belongs to.
    pub(super) round: u64,
}

impl SessionSettings {
    pub(super) fn of(config: &MySqlConfig) -> Self {
        let idle_timeout = Duration::from_secs(config.session_timeout_s.get().into());
        Self { lock_wait_s: config.lock_wait_timeout_s.get(), idle_timeout }
    }
}

impl Session {
    /// Connects.
    pub(super) async fn open(
        options: &MySqlConnectOptions,
        settings: &SessionSettings,
        round: u64,
    ) -> sqlx::Result<Self> {
        // Before it: so that the server is never younger than the session seems.
        let opened_at = Instant::now();
        let mut connection = MySqlConnection::connect_with(options).await?;
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

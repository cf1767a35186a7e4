//! The real servers, as `scripts/stack` started them: where they are, and which processes they are.

use std::{env, fs, path::PathBuf};

use anyhow::Context;
use sqlx::{AssertSqlSafe, MySqlPool, Row, mysql::MySqlPoolOptions};

use crate::usage::Watched;

/// Where the servers are.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `redis://host:port`
    pub redis_url: String,
    /// `mysql://user:password@host:port/database`; the user may do everything.
    pub mysql_url: String,
    /// `host:port`
    pub name_server: String,
    /// What they cost.
    pub watched: Vec<Watched>,
}

impl Servers {
    /// Reads `stack.env` from the environment, and the ids of the processes from the stack's folder.
    pub fn from_env() -> anyhow::Result<Self> {
        let folder = PathBuf::from(variable("FLASHGATE_STACK_DIR")?);
        let watch = |role: &'static str| {
            let file = folder.join("run").join(format!("{role}.pid"));
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let pid = text.split(' ').next().and_then(|pid| pid.parse().ok()).context("a process id")?;
            Ok(Watched { role, pid })
        };
        let watched = ["redis", "mysql", "namesrv", "broker"].map(watch);
        Ok(Self {
            redis_url: variable("FLASHGATE_REDIS_URL")?,
            mysql_url: variable("FLASHGATE_MYSQL_URL")?,
            name_server: variable("FLASHGATE_NAMESRV")?,
            watched: watched.into_iter().collect::<anyhow::Result<_>>()?,
        })
    }

    /// The port of Redis.
    pub fn redis_port(&self) -> &str {
        self.redis_url.rsplit(':').next().unwrap_or_default()
    }

    /// The URL of a database of its own, made if it is not there.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        // The name is one of ours: letters and underscores.
        let create = format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4");
        let pool = connect(&self.mysql_url).await?;
        sqlx::query(AssertSqlSafe(create)).execute(&pool).await?;
        pool.close().await;
        let (server, _database) = self.mysql_url.rsplit_once('/').context("a database in the URL")?;
        Ok(format!("{server}/{name}"))
    }
}

/// A few connections.
pub async fn connect(mysql_url: &str) -> anyhow::Result<MySqlPool> {
    Ok(MySqlPoolOptions::new().max_connections(2).connect(mysql_url).await?)
}

/// How MySQL flushes at a commit.
#[derive(Clone, Copy, Debug)]
pub struct Flush {
    log: i64,
    binlog: i64,
}

impl Flush {
    /// To the disk, at each commit: a loss of power loses nothing.
    pub const DURABLE: Self = Self { log: 1, binlog: 1 };

    /// Has the server flush so from now on; returns how it did before.
    pub async fn set(self, pool: &MySqlPool) -> anyhow::Result<Self> {
        let row = sqlx::query(include_str!("../sql/flush_select.sql")).fetch_one(pool).await?;
        let before = Self { log: row.try_get("log")?, binlog: row.try_get("binlog")? };
        let Self { log, binlog } = self;
        let set = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {log}, GLOBAL sync_binlog = {binlog}");
        sqlx::query(AssertSqlSafe(set)).execute(pool).await?;
        Ok(before)
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: start this with scripts/bench"))
}

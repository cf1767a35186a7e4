//! Two MySQL servers that swap roles without losing anything, as a planned switch-over does it.

use std::{mem, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, MySqlConnection, Row,
    mysql::{MySqlConnectOptions, MySqlRow},
};

use crate::{eventually::eventually, own_stack::OwnStack};

/// Longer than a replica needs to catch up.
const SWITCH_TIME: Duration = Duration::from_secs(30);

/// A server whose replica can take over. Dropping it removes the one that was started as the replica.
pub struct MysqlPair {
    primary: Server,
    replica: Server,
    _second: OwnStack,
}

#[derive(Clone, Debug)]
struct Server {
    url: String,
}

/// Where a replica goes on.
struct LogPosition {
    file: String,
    offset: u64,
}

impl MysqlPair {
    /// Starts a replica of the server of `primary_url`, which has no data yet, with the same user and password.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn of(primary_url: &str) -> Self {
        let second = OwnStack::durable_mysql().await;
        let (user_info, _host) = credentials(primary_url);
        let (_own, host) = credentials(&second.mysql_url());
        let database = primary_url.rsplit_once('/').expect("mysql://…/database").1;
        let primary = Server { url: primary_url.to_owned() };
        let replica = Server { url: format!("mysql://{user_info}@{host}/{database}") };
        let (user, password) = user_info.split_once(':').expect("user:password");
        let mut admin = connect(&second.mysql_url()).await;
        run(&mut admin, "SET sql_log_bin = 0").await;
        let same_password =
            format!("ALTER USER '{user}'@'127.0.0.1' IDENTIFIED WITH mysql_native_password BY '{password}'");
        run(&mut admin, &same_password).await;
        run(&mut admin, "SET GLOBAL server_id = 2").await;
        let position = primary.log_position().await;
        replica.follow(&primary, &position).await;
        Self { primary, replica, _second: second }
    }

    /// Makes the primary read-only, and swaps the roles once the replica has everything. The old one keeps its
    /// connections, and refuses writes on them.
    ///
    /// # Panics
    /// If the servers do not.
    pub async fn switch_over(&mut self) {
        self.primary.stop_writes().await;
        let last = self.primary.log_position().await;
        self.replica.catch_up(&last).await;
        self.replica.take_over().await;
        let first = self.replica.log_position().await;
        self.primary.follow(&self.replica, &first).await;
        mem::swap(&mut self.primary, &mut self.replica);
    }

    /// `mysql://user:password@host:port/database` of the one that takes writes.
    pub fn url(&self) -> &str {
        &self.primary.url
    }
}

impl Server {
    /// Refuses writes from now on, of everybody. A transaction that does not end is killed, as tools for a switch-over
    /// do, since the server would wait for it.
    async fn stop_writes(&self) {
        let mut admin = connect(&self.url).await;
        run(&mut admin, "SET SESSION lock_wait_timeout = 2").await;
        eventually("the primary is read-only", SWITCH_TIME, async || {
            let read_only = sqlx::raw_sql("SET GLOBAL super_read_only = ON").execute(&mut admin).await;
            let Err(why) = read_only else { return Ok(()) };
            let open = "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx \
                        WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID())";
            for transaction in rows(&mut admin, open).await {
                let kill = format!("KILL {}", transaction.get::<u64, _>("id"));
                // It may have ended meanwhile.
                drop(sqlx::raw_sql(AssertSqlSafe(kill)).execute(&mut admin).await);
            }
            Err(why.to_string())
        })
        .await;
    }

    /// The end of what it has logged.
    async fn log_position(&self) -> LogPosition {
        let status = rows(&mut connect(&self.url).await, "SHOW MASTER STATUS").await;
        let status = status.first().expect("a binary log");
        LogPosition { file: status.get("File"), offset: status.get("Position") }
    }

    /// Copies `primary` from `from` on, and takes no other writes.
    async fn follow(&self, primary: &Self, from: &LogPosition) {
        let (user_info, address) = credentials(&primary.url);
        let (user, password) = user_info.split_once(':').expect("user:password");
        let (host, port) = address.split_once(':').expect("host:port");
        let LogPosition { file, offset } = from;
        let mut admin = connect(&self.url).await;
        let change = format!(
            "CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port}, MASTER_USER = '{user}', \
             MASTER_PASSWORD = '{password}', MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = {offset}"
        );
        run(&mut admin, &change).await;
        run(&mut admin, "START SLAVE").await;
        run(&mut admin, "SET GLOBAL super_read_only = ON").await;
    }

    /// Waits until it has applied everything up to `last`.
    async fn catch_up(&self, last: &LogPosition) {
        let mut admin = connect(&self.url).await;
        let wait = format!("SELECT MASTER_POS_WAIT('{}', {}, 1) AS events", last.file, last.offset);
        eventually("the replica has everything", SWITCH_TIME, async || {
            let waited = rows(&mut admin, &wait).await;
            let events: Option<i64> = waited.first().and_then(|row| row.get("events"));
            match events {
                Some(0..) => Ok(()),
                // It does not run yet, or 1 s has passed.
                None | Some(_) => Err(format!("{events:?}")),
            }
        })
        .await;
    }

    /// Follows nobody and takes writes.
    async fn take_over(&self) {
        let mut admin = connect(&self.url).await;
        run(&mut admin, "STOP SLAVE").await;
        run(&mut admin, "RESET SLAVE ALL").await;
        run(&mut admin, "SET GLOBAL read_only = OFF").await;
    }
}

/// `user:password` and `host:port` of a URL.
fn credentials(url: &str) -> (String, String) {
    let (head, _database) = url.rsplit_once('/').expect("mysql://…/database");
    let (_scheme, rest) = head.split_once("://").expect("mysql://…");
    let (user_info, address) = rest.rsplit_once('@').expect("user:password@host:port");
    (user_info.to_owned(), address.to_owned())
}

async fn connect(url: &str) -> MySqlConnection {
    let options: MySqlConnectOptions = url.parse().expect("a URL");
    MySqlConnection::connect_with(&options).await.unwrap_or_else(|why| panic!("MySQL does not answer: {why}"))
}

async fn run(admin: &mut MySqlConnection, statement: &str) {
    let ran = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(admin).await;
    ran.unwrap_or_else(|why| panic!("{statement}: {why}"));
}

async fn rows(admin: &mut MySqlConnection, query: &str) -> Vec<MySqlRow> {
    let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(admin).await;
    rows.unwrap_or_else(|why| panic!("{query}: {why}"))
}

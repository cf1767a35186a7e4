//! The contract suite on the MySQL that `FLASHGATE_MYSQL_URL` names. Each test has its own database there, which is
//! removed at its end.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test without its server must stop")]

mod changing;
mod expiring;
mod faults;
mod paying;
mod proxy;
mod scans;

use std::{
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use flashgate_order_store::{
    contract::Subject,
    server::{SchemaError, ServerSettings, ServerStore},
};
use flashgate_order_store_mysql::MySqlStore;
use flashgate_supervision::Supervisor;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

flashgate_order_store::order_store_contract!(fresh);

/// A database of one test.
pub(crate) struct Database {
    /// `mysql://user:password@host:port`
    pub(crate) server: String,
    name: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let url = env::var("FLASHGATE_MYSQL_URL")
            .expect("FLASHGATE_MYSQL_URL must name a MySQL server: see scripts/stack");
        let (server, _database) = url.rsplit_once('/').expect("FLASHGATE_MYSQL_URL must end in a database");
        let name = format!("flashgate_test_{}_{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let database = Self { server: server.to_owned(), name };
        database.run("DROP DATABASE IF EXISTS").await;
        database.run("CREATE DATABASE").await;
        database
    }

    async fn run(&self, statement: &str) {
        let mut connection = MySqlConnection::connect(&format!("{}/mysql", self.server)).await.unwrap();
        connection.execute(AssertSqlSafe(format!("{statement} {}", self.name))).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) fn store(&self, seed: u64) -> MySqlStore {
        self.store_by(&self.server, &ServerSettings::default(), seed)
    }

    /// A store on the database, through `server`.
    pub(crate) fn store_by(&self, server: &str, settings: &ServerSettings, seed: u64) -> MySqlStore {
        let options = format!("{server}/{}", self.name).parse().unwrap();
        MySqlStore::new(options, settings, seed, Supervisor::default())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A separate connection.
    pub(crate) async fn connect(&self) -> MySqlConnection {
        MySqlConnection::connect(&format!("{}/{}", self.server, self.name)).await.unwrap()
    }

    /// A migrated database.
    pub(crate) async fn migrated() -> Self {
        let database = Self::create().await;
        database.store(0).migrate().await.unwrap();
        database
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The test's own runtime is shutting down.
        thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.run("DROP DATABASE IF EXISTS"));
            });
        });
    }
}

async fn fresh() -> Subject {
    let database = Database::migrated().await;
    Subject {
        stores: [Arc::new(database.store(1)), Arc::new(database.store(2))],
        clean_up: Box::new(database),
    }
}

#[tokio::test]
async fn an_unmigrated_database_is_distinguished_from_a_migrated_one() {
    let database = Database::create().await;
    let store = database.store(1);
    assert!(matches!(store.check_schema().await, Err(SchemaError::Old { found: 0, .. })));
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
}

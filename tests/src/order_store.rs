//! Looks into MySQL, past the order worker.

use std::net::SocketAddr;

use flashgate_domain::{BatchId, OrderId, SaleId};
use sqlx::{AssertSqlSafe, MySqlPool, Row, mysql::MySqlPoolOptions};

use crate::secure::Secure;

/// The database of one deployment.
#[derive(Clone, Debug)]
pub struct OrderStore {
    pool: MySqlPool,
    database: String,
    url: String,
}

/// A row of `sales`, as far as stock goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleRow {
    /// Units at the start.
    pub initial: u64,
    /// Units that can still be given.
    pub saleable: u64,
    /// The part of them that orders have.
    pub reserved: u64,
    /// Units added since.
    pub restocked: u64,
    /// Units given back.
    pub returned: u64,
    /// The greatest number of units of one buyer.
    pub limit_per_buyer: u32,
}

/// A row of `orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its name.
    pub id: OrderId,
    /// Whose it is.
    pub buyer: String,
    /// The buyer's name for it.
    pub key: String,
    /// How many units.
    pub quantity: u32,
    /// The name of its state: `confirmed`, `paid`, …
    pub state: String,
    /// Why it was cancelled; empty if it was not.
    pub reason: String,
}

impl OrderRow {
    /// Whether it holds units.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state.as_str(), "confirmed" | "paid" | "shipped" | "finished")
    }

    /// Whether its units were taken when it was placed.
    pub fn was_confirmed(&self) -> bool {
        !matches!(self.reason.as_str(), "out_of_stock" | "duplicate_key")
    }
}

impl OrderStore {
    /// Creates a database called `database` on the server of `server_url`.
    ///
    /// # Panics
    /// If the server does not.
    pub async fn create(server_url: &str, database: &str) -> Self {
        let server = connect(server_url).await;
        let create = format!("CREATE DATABASE `{database}`");
        // The name is made of letters, digits and underscores here in the harness.
        sqlx::query(AssertSqlSafe(create)).execute(&server).await.expect("a database");
        let (head, _other_database) = server_url.rsplit_once('/').expect("mysql://…/database");
        let url = format!("{head}/{database}");
        Self { pool: connect(&url).await, database: database.to_owned(), url }
    }

    /// The database of a secure stack, as an administrator sees it.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn of_secure(url: &str, secure: &Secure) -> Self {
        let (_head, database) = url.rsplit_once('/').expect("mysql://…/database");
        let verified = format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", secure.authority());
        Self { pool: connect(&verified).await, database: database.to_owned(), url: url.to_owned() }
    }

    /// The same database on the server of `server_url`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn on(&self, server_url: &str) -> Self {
        let (head, _other_database) = server_url.rsplit_once('/').expect("mysql://…/database");
        let url = format!("{head}/{}", self.database);
        Self { pool: connect(&url).await, database: self.database.clone(), url }
    }

    /// Where its server listens.
    ///
    /// # Panics
    /// If that is no address.
    pub fn address(&self) -> SocketAddr {
        let (server, _database) = self.url.rsplit_once('/').expect("mysql://…/database");
        let (_user, address) = server.rsplit_once('@').expect("user:password@host:port");
        address.parse().expect("host:port")
    }

    /// `mysql://user:password@host:port/database`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is called.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The pool, for what no method here looks at.
    pub const fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// The sale.
    ///
    /// # Panics
    /// If it is not there.
    pub async fn sale(&self, sale: SaleId) -> SaleRow {
        let sql = "SELECT initial_stock, saleable, reserved, restocked, returned, limit_per_buyer FROM sales WHERE id = ?";
        let row = sqlx::query(sql).bind(sale.get()).fetch_one(&self.pool).await.expect("the sale");
        SaleRow {
            initial: row.get("initial_stock"),
            saleable: row.get("saleable"),
            reserved: row.get("reserved"),
            restocked: row.get("restocked"),
            returned: row.get("returned"),
            limit_per_buyer: row.get("limit_per_buyer"),
        }
    }

    /// All orders of the sale, by ascending id.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn orders(&self, sale: SaleId) -> Vec<OrderRow> {
        let sql = "SELECT id, buyer_id, idempotency_key, quantity, state, cancel_reason FROM orders \
                   WHERE sale_id = ? ORDER BY id";
        let rows = sqlx::query(sql).bind(sale.get()).fetch_all(&self.pool).await.expect("the orders");
        let order = |row: &sqlx::mysql::MySqlRow| OrderRow {
            id: OrderId::new(row.get("id")).unwrap(),
            buyer: row.get("buyer_id"),
            key: row.get("idempotency_key"),
            quantity: row.get("quantity"),
            state: row.get("state"),
            reason: row.get::<Option<String>, _>("cancel_reason").unwrap_or_default(),
        };
        rows.iter().map(order).collect()
    }

    /// Every batch that was decided.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn batches(&self) -> Vec<BatchId> {
        let rows = sqlx::query("SELECT batch_id FROM batches ORDER BY first_order_id").fetch_all(&self.pool);
        let batch = |row: &sqlx::mysql::MySqlRow| {
            let bytes: Vec<u8> = row.get("batch_id");
            BatchId::from_bytes(&bytes).unwrap()
        };
        rows.await.expect("the batches").iter().map(batch).collect()
    }

    /// Takes units away behind everybody's back, as an operator's slip would.
    ///
    /// # Panics
    /// If there are fewer.
    pub async fn lose_units(&self, sale: SaleId, units: u64) {
        let sql = "UPDATE sales SET saleable = saleable - ? WHERE id = ? AND saleable >= ?";
        let update = sqlx::query(sql).bind(units).bind(sale.get()).bind(units).execute(&self.pool);
        assert_eq!(update.await.unwrap().rows_affected(), 1);
    }

    /// Drops the database.
    ///
    /// # Panics
    /// If the server does not.
    pub async fn drop_database(&self) {
        let drop = format!("DROP DATABASE `{}`", self.database);
        sqlx::query(AssertSqlSafe(drop)).execute(&self.pool).await.expect("the database goes");
        self.pool.close().await;
    }
}

async fn connect(url: &str) -> MySqlPool {
    let pool = MySqlPoolOptions::new().max_connections(2).connect(url).await;
    pool.unwrap_or_else(|why| panic!("MySQL does not answer: {why}"))
}

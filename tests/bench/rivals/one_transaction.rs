//! Rival: one order a database transaction, all on one hot row.
//! `rival-one-transaction MYSQL_URL CONNECTIONS SECONDS` prints one line of JSON.
//!
//! The tables, the INSERT and the conditional UPDATE are those of the order worker; the database must be migrated.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use flashgate_output::print_line;
use serde::Serialize;
use sqlx::{MySqlPool, Row, mysql::MySqlPoolOptions};
use tokio::{task::JoinSet, time::Instant};

/// More than any run sells.
const STOCK: u64 = 1_000_000_000;

#[derive(Serialize)]
struct Told {
    connections: u32,
    orders: u64,
    seconds: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [url, connections, seconds] = words.as_slice() else {
        anyhow::bail!("usage: rival-one-transaction MYSQL_URL CONNECTIONS SECONDS");
    };
    let connections: u32 = connections.parse().context("CONNECTIONS")?;
    let time = Duration::from_secs_f64(seconds.parse().context("SECONDS")?);
    let pool = MySqlPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .connect(url)
        .await?;
    sqlx::query(include_str!("../sql/rival_sales_create.sql")).execute(&pool).await?;
    sqlx::query(include_str!("../sql/rival_orders_create.sql")).execute(&pool).await?;
    let made = sqlx::query(include_str!("../sql/rival_sale_insert.sql")).bind(STOCK).execute(&pool).await?;
    let sale = made.last_insert_id();

    // Ids of earlier runs are of earlier sales.
    let next = Arc::new(AtomicU64::new(sale << 32));
    let start = Instant::now();
    let mut sellers = JoinSet::new();
    for _ in 0..connections {
        sellers.spawn(sell(pool.clone(), sale, Arc::clone(&next), start + time));
    }
    let mut orders = 0;
    while let Some(sold) = sellers.join_next().await {
        orders += sold??;
    }
    let seconds = start.elapsed().as_secs_f64();

    let books = include_str!("../sql/rival_books.sql");
    let books = sqlx::query(books).bind(sale).bind(sale).fetch_one(&pool).await?;
    let (taken, rows): (u64, i64) = (books.try_get("taken")?, books.try_get("orders")?);
    ensure!(taken == orders && i64::try_from(orders)? == rows, "{orders} orders, {taken} units, {rows} rows");
    let line = serde_json::to_string(&Told { connections, orders, seconds })?;
    print_line(line)?;
    Ok(())
}

/// One order after the other until `end`; how many.
async fn sell(pool: MySqlPool, sale: u64, next: Arc<AtomicU64>, end: Instant) -> anyhow::Result<u64> {
    let mut sold = 0;
    while Instant::now() < end {
        let id = next.fetch_add(1, Ordering::Relaxed);
        let mut transaction = pool.begin().await?;
        sqlx::query(include_str!("../sql/rival_order_insert.sql"))
            .bind(id)
            .bind(sale)
            .bind(format!("buyer-{id}"))
            .bind(format!("key-{id}"))
            .execute(&mut *transaction)
            .await?;
        let taken = sqlx::query(include_str!("../sql/rival_take_unit.sql"))
            .bind(sale)
            .execute(&mut *transaction)
            .await?;
        ensure!(taken.rows_affected() == 1, "nothing is left");
        transaction.commit().await?;
        sold += 1;
    }
    Ok(sold)
}

//! How many orders a second the order store takes on one hot row, and cancels when they are not paid in time:
//! `FLASHGATE_MYSQL_URL=… cargo run --release -p flashgate-order-worker --example drain [ORDERS_A_CHUNK]...`,
//! or `FLASHGATE_SQLITE_FILE=…` instead of the URL.
//!
//! Needs a migrated database or a path for a file, and leaves a sale with its orders in it. One worker, one chunk
//! at a time, as in production; each chunk is made of batches of 64 orders or fewer. The processor time is that
//! of this process: with SQLite all of the store's, with MySQL the client's.

#![expect(clippy::print_stdout, reason = "prints its measurement")]

use std::{env, error::Error, fs, time::Duration};

use flashgate_domain::{
    Batch, BatchIds, BuyerId, Clock, IdempotencyKey, Intent, Node, Quantity, SaleDraft, SaleFields, SaleId,
    Shard, SystemClock, Timestamp,
};
use flashgate_order_store::{DEADLINE_PAGE_MAX, OrderStore, server::ServerSettings};
use flashgate_order_store_mysql::MySqlStore;
use flashgate_order_store_sqlite::{SqliteSettings, SqliteStore};
use flashgate_supervision::Supervisor;
use tokio::time::Instant;

const ORDERS_OF_A_RUN_MAX: usize = 50_000;
const CHUNKS_OF_A_RUN_MAX: usize = 2_000;
const BATCH_ORDERS_MAX: usize = 64;
const PAY_WITHIN: Duration = Duration::from_secs(1);
/// Of a tick of `/proc/self/stat`.
const TICK_US: f64 = 10_000.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sizes = env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let sizes = if sizes.is_empty() { vec![1, 64, 256, 512, 1_000, 1_024, 2_048] } else { sizes };
    if let Ok(file) = env::var("FLASHGATE_SQLITE_FILE") {
        let started = Instant::now();
        let store = SqliteStore::open(file, SqliteSettings::default()).await?;
        println!("opened in {:?}", started.elapsed());
        drain(&store, &sizes).await?;
        store.shutdown().await;
        return Ok(());
    }
    let options = env::var("FLASHGATE_MYSQL_URL")?.parse()?;
    drain(&MySqlStore::new(options, &ServerSettings::default(), 1, Supervisor::default()), &sizes).await
}

async fn drain(store: &dyn OrderStore, sizes: &[usize]) -> Result<(), Box<dyn Error>> {
    let now = SystemClock.now();
    let sale = store.create_sale(&draft(now)?, now).await?.id;
    // A node of its own for each run, so that order ids do not meet those of the run before.
    let mut ids = BatchIds::new(Shard::new(0)?, Node::of_start(now.as_millis()), now.as_millis());
    for chunk_orders in sizes {
        let chunks = (0..(ORDERS_OF_A_RUN_MAX / chunk_orders).min(CHUNKS_OF_A_RUN_MAX))
            .map(|_| chunk(&mut ids, sale, *chunk_orders))
            .collect::<Result<Vec<_>, _>>()?;
        let (started, ticks) = (Instant::now(), processor_ticks()?);
        for chunk in &chunks {
            store.apply(chunk, now).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let orders = f64::from(u32::try_from(chunks.len() * chunk_orders)?);
        let used = f64::from(processor_ticks()? - ticks) * TICK_US / orders;
        println!(
            "{chunk_orders:>5} orders a chunk: {:>8.0} orders/s, {used:>6.1} µs of processor time an order",
            orders / seconds
        );
        let started = Instant::now();
        let expired = expire(store, now.saturating_add(PAY_WITHIN)).await?;
        let (seconds, expired) = (started.elapsed().as_secs_f64(), f64::from(u32::try_from(expired)?));
        println!("{:>5} of these expired: {:>8.0} orders/s", expired, expired / seconds);
    }
    Ok(())
}

/// Cancels what is due, as a sweep does. Returns the number of orders.
async fn expire(store: &dyn OrderStore, now: Timestamp) -> Result<usize, Box<dyn Error>> {
    let mut expired = 0;
    loop {
        let page = store.deadlines(None, now, DEADLINE_PAGE_MAX).await?;
        if page.is_empty() {
            return Ok(expired);
        }
        expired += store.expire(&page, now).await?.len();
    }
}

/// What this process has used, in its own code and in the system's.
fn processor_ticks() -> Result<u32, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program is in parentheses; the times are the 12th and 13th field after it.
    let (_name, fields) = stat.rsplit_once(") ").ok_or("no times in /proc/self/stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    Ok(ticks.sum::<Result<u32, _>>()?)
}

fn draft(now: Timestamp) -> Result<SaleDraft, Box<dyn Error>> {
    let fields = SaleFields {
        title: "drain".to_owned(),
        price_minor: 1,
        pay_within: PAY_WITHIN,
        currency: "EUR".to_owned(),
        closes_at: now,
        stock: 1_000_000_000,
        limit_per_buyer: 1,
        quantity_max: 1,
        ..SaleFields::default()
    };
    Ok(fields.check()?)
}

fn chunk(ids: &mut BatchIds, sale: SaleId, orders: usize) -> Result<Vec<Batch>, Box<dyn Error>> {
    let mut chunk = Vec::new();
    for start in (0..orders).step_by(BATCH_ORDERS_MAX) {
        let id = ids.next(SystemClock.now());
        let intents = (start..orders.min(start + BATCH_ORDERS_MAX)).map(|i| {
            let buyer = BuyerId::new(format!("buyer-{}-{i}", id.base()))?;
            let key = IdempotencyKey::new(format!(
                "{:032x}",
                u128::from(id.nonce()) + u128::from(u32::try_from(i)?)
            ))?;
            Ok::<_, Box<dyn Error>>(Intent::new(sale, buyer, key, Quantity::ONE))
        });
        chunk
            .push(Batch::new(id, intents.collect::<Result<_, _>>()?).ok_or("a batch has 1 to 1024 intents")?);
    }
    Ok(chunk)
}

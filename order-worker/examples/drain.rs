//! How many orders a second the order store takes on one hot row:
//! `FLASHGATE_MYSQL_URL=… cargo run --release -p flashgate-order-worker --example drain [ORDERS_A_CHUNK]...`
//!
//! Needs a migrated database and leaves a sale with its orders in it. One worker, one chunk at a time, as in
//! production; each chunk is made of batches of 64 orders or fewer.

#![expect(clippy::print_stdout, reason = "prints its measurement")]

use std::{env, error::Error};

use flashgate_domain::{
    Batch, BatchIds, BuyerId, Clock, DeductPolicy, IdempotencyKey, Intent, Node, Quantity, SaleDraft, SaleId,
    Shard, SystemClock, Timestamp, Window,
};
use flashgate_order_worker::{
    config::{MySqlConfig, MySqlUrl},
    mysql::MySqlStore,
    store::OrderStore,
};
use tokio::time::Instant;

const ORDERS_OF_A_RUN: usize = 50_000;
const BATCH_ORDERS_MAX: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = MySqlUrl::try_from(env::var("FLASHGATE_MYSQL_URL")?)?;
    let store = MySqlStore::new(&MySqlConfig { url, ..MySqlConfig::default() }, 1);
    let now = SystemClock.now();
    let sale = store.create_sale(&draft(now)?, now).await?.id;
    // A node of its own for each run, so that order ids do not meet those of the run before.
    let mut ids = BatchIds::new(Shard::new(0)?, Node::of_start(now.as_millis()), now.as_millis());
    let sizes = env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    for chunk_orders in if sizes.is_empty() { vec![64, 256, 512, 1_000, 1_024, 2_048] } else { sizes } {
        let chunks = (0..ORDERS_OF_A_RUN / chunk_orders)
            .map(|_| chunk(&mut ids, sale, chunk_orders))
            .collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        for chunk in &chunks {
            store.apply(chunk, now).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let orders = f64::from(u32::try_from(chunks.len() * chunk_orders)?);
        println!("{chunk_orders:>5} orders a chunk: {:>8.0} orders/s", orders / seconds);
    }
    Ok(())
}

fn draft(now: Timestamp) -> Result<SaleDraft, Box<dyn Error>> {
    let window = Window::new(Timestamp::default(), now)?;
    Ok(SaleDraft::new("drain", 1, "EUR", window, 1_000_000_000, 1, 1, DeductPolicy::AtOrder)?)
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

//! Measures what the scripts cost Redis: microseconds per intent, and bytes per order.
//!
//! `FLASHGATE_REDIS_URL=redis://127.0.0.1:6379/ cargo run --release -p flashgate-ledger-redis --example script_cost`
//! against an otherwise idle server: the time is Redis's own measurement of EVALSHA, as the median.
#![expect(clippy::print_stdout, reason = "a tool for the terminal")]

use std::{error::Error, sync::Arc};

use flashgate_domain::{Clock, Intent, SaleId, SystemClock};
use flashgate_ledger::contract::{
    Subject,
    scene::{NO_LIMIT, Scene, all_confirmed, intent},
};
use flashgate_ledger_redis::{RedisConfig, RedisLedger};
use redis::Connection;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Intents per row of the table.
const INTENTS: usize = 60_000;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("FLASHGATE_REDIS_URL")?;
    let mut redis = redis::Client::open(url.as_str())?.get_connection()?;
    let mut config = RedisConfig::single(url.parse()?);
    config.prefix = format!("cost-{}", SystemClock.now().as_millis()).parse()?;
    let ledger = Arc::new(RedisLedger::new(&config)?);
    let scene = Scene::new(Subject { ledger, shards: config.shards });
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>12}",
        "a batch", "sales", "screen", "deduct", "settle", "bytes/order"
    );
    for (size, sales) in [(1, 1), (4, 1), (16, 1), (64, 1), (256, 1), (1_024, 1), (64, 8), (1_024, 1_000)] {
        measure(&scene, &mut redis, size, sales).await?;
    }
    Ok(())
}

async fn measure(scene: &Scene, redis: &mut Connection, size: usize, sales: usize) -> Result<()> {
    let mut ids = Vec::new();
    for _sale in 0..sales {
        ids.push(scene.on_sale(1_000_000, NO_LIMIT).await?);
    }
    let batches: Vec<Vec<Intent>> =
        (0..INTENTS / size).map(|batch| intents(&ids, batch, size)).collect::<Result<_>>()?;
    let (orders, size_u64) = (u64::try_from(batches.len() * size)?, u64::try_from(size)?);
    let shard = scene.shard(ids.first().copied().ok_or("a sale")?);

    scene.ledger().screen(shard, batches.first().ok_or("a batch")?).await?;
    reset(redis)?;
    for intents in &batches {
        scene.ledger().screen(shard, intents).await?;
    }
    let screen = nanoseconds(redis)? / size_u64;

    let memory = used_memory(redis)?;
    reset(redis)?;
    let mut deducted = Vec::new();
    for intents in batches {
        deducted.push(scene.deduct(intents).await?);
    }
    let deduct = nanoseconds(redis)? / size_u64;
    let bytes = used_memory(redis)?.saturating_sub(memory) / orders;

    reset(redis)?;
    for batch in &deducted {
        scene.ledger().settle(&all_confirmed(batch)).await?;
    }
    let settle = nanoseconds(redis)? / size_u64;
    println!("{size:>9} {sales:>7} {screen:>6} ns {deduct:>6} ns {settle:>6} ns {bytes:>12}");
    Ok(())
}

fn intents(sales: &[SaleId], batch: usize, size: usize) -> Result<Vec<Intent>> {
    let buyers = (0..size).map(|place| {
        let sale = sales.get(place % sales.len()).copied().ok_or("a sale")?;
        intent(sale, &format!("b{batch}-{place}"), "k", 1)
    });
    buyers.collect()
}

fn reset(redis: &mut Connection) -> Result<()> {
    Ok(redis::cmd("CONFIG").arg("RESETSTAT").query(redis)?)
}

/// The median duration of one script since the reset: the machine may be busy now and then.
fn nanoseconds(redis: &mut Connection) -> Result<u64> {
    let stats: String = redis::cmd("INFO").arg("latencystats").query(redis)?;
    let scripts = stats.lines().find_map(|line| line.strip_prefix("latency_percentiles_usec_evalsha:"));
    let median = scripts.and_then(|all| all.split(',').find_map(|field| field.strip_prefix("p50=")));
    let (whole, fraction) = median.ok_or("no script ran")?.split_once('.').ok_or("no fraction")?;
    Ok(whole.parse::<u64>()? * 1_000 + fraction.get(..3).ok_or("no fraction")?.parse::<u64>()?)
}

fn used_memory(redis: &mut Connection) -> Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query(redis)?;
    let used =
        info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).ok_or("no used_memory")?;
    Ok(used.trim().parse()?)
}

//! Measures the ledger on SQLite: calls and intents per second, processor time per intent, memory per order.
//!
//! `cargo run --release -p flashgate-ledger-sqlite --example sqlite_cost [FOLDER]`, where the folder (default: the
//! current one) is on the disk in question: every commit is synced.
#![expect(clippy::print_stdout, reason = "a tool for the terminal")]

use std::{env, error::Error, fs, num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use flashgate_domain::{Batch, SaleId, SystemClock, id::ShardCount};
use flashgate_ledger::{
    Deduction, Retention,
    contract::{
        Subject,
        scene::{NO_LIMIT, Scene, all_confirmed, intent},
    },
};
use flashgate_ledger_sqlite::SqliteLedger;
use futures::future::try_join_all;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The minimum duration of each row.
const ROW: Duration = Duration::from_secs(3);
const RETENTION: Retention =
    Retention { log: Duration::from_secs(86_400), sale: Duration::from_secs(86_400) };

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let path = folder.path().join("ledger.db");
    let open = || SqliteLedger::open(&path, Arc::new(SystemClock), ShardCount::ONE, RETENTION);
    let ledger = Arc::new(open()?);
    let shared: Arc<SqliteLedger> = Arc::clone(&ledger);
    let scene = Scene::new(Subject { ledger: shared, shards: ShardCount::ONE });
    let sale = scene.on_sale(1_000_000_000, NO_LIMIT).await?;
    println!(
        "{:>8} {:>6} {:>9} {:>10} {:>14} {:>14}",
        "a batch", "lanes", "calls/s", "intents/s", "deduct cpu", "screen cpu"
    );
    let (mut buyers, before) = (0, resident_kib()?);
    for lanes in [1, 2, 16] {
        for size in [1, 16, 64, 128, 256] {
            measure(&scene, sale, &mut buyers, lanes, size).await?;
        }
    }
    let grown = resident_kib()?.saturating_sub(before) * 1_024;
    let bytes = |total: u64| NonZeroU64::new(buyers).map_or(0, |orders| total / orders);
    ledger.shutdown().await?;
    let size = fs::metadata(&path)?.len();
    println!("{buyers} orders: {} bytes of memory and {} of the file each", bytes(grown), bytes(size));
    drop((scene, ledger));
    let started = Instant::now();
    open()?.shutdown().await?;
    println!("opened again in {:?}", started.elapsed());
    Ok(())
}

/// Deducts and settles batches on that many lanes, each of which waits for its answers.
async fn measure(scene: &Scene, sale: SaleId, buyers: &mut u64, lanes: usize, size: usize) -> Result<()> {
    let (mut calls, mut deducting) = (0_u64, Duration::ZERO);
    let [mut deduct_cpu, mut screen_cpu] = [Duration::ZERO; 2];
    while deducting < ROW {
        let mut batches = Vec::new();
        for _lane in 0..lanes * 64 {
            batches.push(batch(scene, sale, buyers, size)?);
        }
        let began = cpu()?;
        for batch in &batches {
            scene.ledger().screen(scene.shard(sale), batch.intents()).await?;
        }
        screen_cpu += cpu()? - began;

        let (began, started) = (cpu()?, Instant::now());
        let lane = |batches: &[Batch]| {
            let (ledger, batches) = (scene.shared(), batches.to_vec());
            tokio::spawn(async move {
                for batch in &batches {
                    let deduction = ledger.deduct(batch, &[]).await?;
                    assert!(matches!(deduction, Deduction::Applied { .. }), "{deduction:?}");
                }
                Result::Ok(())
            })
        };
        for ended in try_join_all(batches.chunks(64).map(lane)).await? {
            ended?;
        }
        deducting += started.elapsed();
        deduct_cpu += cpu()? - began;
        calls += u64::try_from(batches.len())?;
        try_join_all(
            batches.iter().map(|batch| async { scene.ledger().settle(&all_confirmed(batch)).await }),
        )
        .await?;
    }
    let intents = calls * u64::try_from(size)?;
    let each = |total: Duration| total / u32::try_from(intents).unwrap_or(u32::MAX);
    let rate = |count: u64| u128::from(count) * 1_000 / deducting.as_millis().max(1);
    let (calls, intents) = (rate(calls), rate(intents));
    println!(
        "{size:>8} {lanes:>6} {calls:>9} {intents:>10} {:>14?} {:>14?}",
        each(deduct_cpu),
        each(screen_cpu)
    );
    Ok(())
}

fn batch(scene: &Scene, sale: SaleId, buyers: &mut u64, size: usize) -> Result<Batch> {
    let mut intents = Vec::with_capacity(size);
    for _intent in 0..size {
        *buyers += 1;
        intents.push(intent(sale, &format!("b{buyers}"), "k", 1)?);
    }
    scene.batch(intents)
}

/// The processor time of this process, without the kernel's part.
fn cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields")?;
    let ticks: u64 = fields.split_whitespace().nth(11).ok_or("no user time")?.parse()?;
    // Linux reports it in hundredths of a second.
    Ok(Duration::from_millis(ticks * 10))
}

fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

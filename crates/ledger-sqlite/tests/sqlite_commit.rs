//! A failed commit is never acknowledged. The ledger runs in a process of its own, this test binary started again,
//! under a shell that limits files to a few hundred kilobytes: small transactions then fail when they are committed,
//! not before.
#![expect(clippy::print_stdout, reason = "the process under the shell prints its progress")]

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::{SaleId, SystemClock, id::ShardCount};
use flashgate_ledger::{
    Retention,
    contract::{
        Fact, Subject,
        scene::{NO_LIMIT, Scene, intent},
    },
};
use flashgate_ledger_sqlite::SqliteLedger;

const PATH: &str = "FLASHGATE_LEDGER_TO_FILL";
/// In blocks of 512 bytes: larger than an empty ledger, and smaller than a write-ahead log grows to.
const LIMIT_BLOCKS: u32 = 1_200;
const BATCHES_MAX: u64 = 2_000;
const RETENTION: Retention = Retention { log: Duration::from_secs(3_600), sale: Duration::from_secs(3_600) };

fn open(path: &Path) -> Result<Scene, Box<dyn std::error::Error + Send + Sync>> {
    let ledger = SqliteLedger::open(path, Arc::new(SystemClock), ShardCount::ONE, RETENTION)?;
    Ok(Scene::new(Subject { ledger: Arc::new(ledger), shards: ShardCount::ONE }))
}

/// Deducts until the file can grow no more, and prints the number of acknowledged deductions.
async fn fill(path: &Path) -> Fact {
    let scene = open(path)?;
    let sale = scene.on_sale(1_000_000, NO_LIMIT).await?;
    for number in 0..BATCHES_MAX {
        let intents = (0..20).map(|place| intent(sale, &format!("b{number}-{place}"), "k", 1));
        if scene.deduct(intents.collect::<Result<_, _>>()?).await.is_err() {
            println!("\nacknowledged {number}");
            return Ok(());
        }
    }
    println!("\nacknowledged {BATCHES_MAX}");
    Ok(())
}

#[tokio::test]
async fn a_commit_that_failed_is_never_acknowledged() -> Fact {
    if let Ok(path) = env::var(PATH) {
        return fill(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    // A write beyond the limit fails instead of killing the process, as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT_BLOCKS}; exec \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(env::current_exe()?)
        .args(["--exact", "a_commit_that_failed_is_never_acknowledged", "--nocapture"])
        .env(PATH, &path)
        .stdin(Stdio::null())
        .output()?;
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let acknowledged =
        output.lines().find_map(|line| line.strip_prefix("acknowledged ")).map(str::parse::<u64>);
    let acknowledged =
        acknowledged.unwrap_or_else(|| panic!("{output}{}", String::from_utf8_lossy(&child.stderr)))?;
    assert!(acknowledged < BATCHES_MAX, "the file never came to its limit");

    let stored = open(&path)?.snapshot(SaleId::new(1)?).await?.totals.deducted / 20;
    // At most the last one is in doubt.
    assert!(
        (acknowledged..=acknowledged + 1).contains(&stored),
        "{acknowledged} acknowledged, {stored} stored"
    );
    Ok(())
}

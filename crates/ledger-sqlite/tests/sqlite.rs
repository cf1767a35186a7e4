//! The contract suite on a file of SQLite, and tests of the file alone.
#![expect(clippy::unwrap_used, reason = "a test without its file must stop")]

#[path = "sqlite/commits.rs"]
mod commits;
#[path = "sqlite/evidence.rs"]
mod evidence;
#[path = "sqlite/killed.rs"]
mod killed;
#[path = "sqlite/opening.rs"]
mod opening;
#[path = "sqlite/room.rs"]
mod room;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::{SystemClock, id::ShardCount};
use flashgate_ledger::{
    Retention,
    contract::{Subject, scene::Scene},
};
use flashgate_ledger_sqlite::{SqliteLedger, SqliteOpenError};
use tempfile::TempDir;

const RETENTION: Retention =
    Retention { log: Duration::from_secs(7 * 24 * 3_600), sale: Duration::from_secs(24 * 3_600) };

fn open(path: &Path, shards: ShardCount) -> Result<SqliteLedger, SqliteOpenError> {
    SqliteLedger::open(path, Arc::new(SystemClock), shards, RETENTION)
}

async fn fresh() -> Subject {
    let shards = ShardCount::new(4).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("ledger.db"), shards).unwrap();
    // An open file stays usable without its name, and goes with the process.
    drop(folder);
    Subject { ledger: Arc::new(ledger), shards }
}

flashgate_ledger::ledger_contract!(fresh);

/// A folder with one file, for a test that opens it more than once.
struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        Self { _folder: folder, path }
    }

    /// The ledger of one shard in the file.
    fn ledger(&self) -> Arc<SqliteLedger> {
        Arc::new(open(&self.path, ShardCount::ONE).unwrap())
    }
}

/// The scene on a ledger of one shard.
fn scene(ledger: &Arc<SqliteLedger>) -> Scene {
    let ledger: Arc<SqliteLedger> = Arc::clone(ledger);
    Scene::new(Subject { ledger, shards: ShardCount::ONE })
}

//! The two stores of the deployment, each a file of its own: the gateway's ledger and the order worker's orders.

use std::sync::Arc;

use flashgate_domain::{Clock, SystemClock, id::ShardCount};
use flashgate_ledger_sqlite::{SqliteLedger, SqliteOpenError, Unusable};
use flashgate_order_store_sqlite::{OpenFault, SqliteSettings, SqliteStore};
use flashgate_output::exit::Failed;
use tracing::warn;

use super::{config::LedgerConfig, folder::DataFolder};

/// Both stores, open.
pub(crate) struct Stores {
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) orders: Arc<SqliteStore>,
    pub(crate) shards: ShardCount,
}

impl Stores {
    /// Opens both, or makes them.
    ///
    /// # Errors
    /// [`Failed::Damaged`], [`Failed::Newer`] and others that name the file. What was there is as it was.
    pub(crate) async fn open(folder: &DataFolder, config: &LedgerConfig) -> Result<Self, Failed> {
        let shards = ShardCount::ONE;
        let (path, retention) = (folder.ledger(), config.retention());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Reading the whole file blocks.
        let opened =
            tokio::task::spawn_blocking(move || SqliteLedger::open(&path, clock, shards, retention)).await;
        let ledger = Arc::new(opened.map_err(Failed::because)?.map_err(refused_ledger)?);
        match SqliteStore::open(folder.orders(), SqliteSettings::default()).await {
            Ok(orders) => Ok(Self { ledger, orders: Arc::new(orders), shards }),
            Err(fault) => {
                close_ledger(&ledger).await;
                Err(refused_orders(fault))
            }
        }
    }

    /// Finishes what is asked of both, and closes their files.
    pub(crate) async fn close(self) {
        close_ledger(&self.ledger).await;
        self.orders.shutdown().await;
    }
}

async fn close_ledger(ledger: &SqliteLedger) {
    if let Err(fault) = ledger.shutdown().await {
        warn!(error = %fault, "closing the ledger failed; no data is lost");
    }
}

fn refused_ledger(fault: SqliteOpenError) -> Failed {
    let text = fault.to_string();
    match fault.reason {
        Unusable::NotADatabase | Unusable::NotALedger | Unusable::Damaged(_) => Failed::Damaged(text),
        Unusable::NewerSchema { .. } => Failed::Newer(text),
        Unusable::Locked => Failed::FolderInUse(text),
        Unusable::ReadOnly | Unusable::Io(_) => Failed::NotWritable(text),
        Unusable::OtherShards { .. } => Failed::Failed(text),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused_orders(fault: OpenFault) -> Failed {
    let text = fault.to_string();
    match fault {
        OpenFault::Foreign { .. } | OpenFault::Corrupted { .. } => Failed::Damaged(text),
        OpenFault::Newer { .. } => Failed::Newer(text),
        OpenFault::Held { .. } => Failed::FolderInUse(text),
        OpenFault::Full { .. } => Failed::DiskFull(text),
        OpenFault::Unusable { .. } | OpenFault::Io { .. } => Failed::NotWritable(text),
    }
}

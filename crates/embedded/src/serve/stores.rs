//! The two stores of the deployment, each a file of its own: the gateway's ledger and the order worker's orders.

use std::sync::Arc;

use flashgate_domain::{Clock, SystemClock, id::ShardCount};
use flashgate_ledger_sqlite::{SqliteLedger, SqliteOpenError, Unusable};
use flashgate_order_store_sqlite::{OpenError, SqliteSettings, SqliteStore};
use flashgate_output::exit::CliError;
use tracing::warn;

use super::{config::LedgerConfig, folder::DataFolder};

/// Both stores, open.
pub(crate) struct Stores {
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) orders: Arc<SqliteStore>,
    pub(crate) shards: ShardCount,
}

impl Stores {
    /// Opens both, or creates them.
    ///
    /// # Errors
    /// [`CliError::Damaged`], [`CliError::Newer`] and others that name the file. Existing data is unchanged.
    pub(crate) async fn open(folder: &DataFolder, config: &LedgerConfig) -> Result<Self, CliError> {
        let shards = ShardCount::ONE;
        let (path, retention) = (folder.ledger(), config.retention());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Reading the whole file blocks.
        let opened =
            tokio::task::spawn_blocking(move || SqliteLedger::open(&path, clock, shards, retention)).await;
        let ledger = Arc::new(opened.map_err(CliError::other)?.map_err(refused_ledger)?);
        match SqliteStore::open(folder.orders(), SqliteSettings::default()).await {
            Ok(orders) => Ok(Self { ledger, orders: Arc::new(orders), shards }),
            Err(fault) => {
                close_ledger(&ledger).await;
                Err(refused_orders(fault))
            }
        }
    }

    /// Finishes the pending calls of both, and closes their files.
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

fn refused_ledger(fault: SqliteOpenError) -> CliError {
    let text = fault.to_string();
    match fault.reason {
        Unusable::NotADatabase | Unusable::NotALedger | Unusable::Damaged(_) => CliError::Damaged(text),
        Unusable::NewerSchema { .. } => CliError::Newer(text),
        Unusable::Locked => CliError::FolderInUse(text),
        Unusable::ReadOnly | Unusable::Io(_) => CliError::NotWritable(text),
        Unusable::OtherShards { .. } => CliError::Other(text),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused_orders(fault: OpenError) -> CliError {
    let text = fault.to_string();
    match fault {
        OpenError::Foreign { .. } | OpenError::Corrupted { .. } => CliError::Damaged(text),
        OpenError::Newer { .. } => CliError::Newer(text),
        OpenError::Held { .. } => CliError::FolderInUse(text),
        OpenError::Full { .. } => CliError::DiskFull(text),
        OpenError::Unusable { .. } | OpenError::Io { .. } => CliError::NotWritable(text),
    }
}

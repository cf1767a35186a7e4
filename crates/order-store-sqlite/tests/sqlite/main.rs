//! The contract suite on SQLite, and tests of the file alone.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

mod full;
mod killed;
mod opening;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use flashgate_order_store::contract::Subject;
use flashgate_order_store_sqlite::{OpenError, SqliteSettings, SqliteStore};
use tempfile::TempDir;

flashgate_order_store::order_store_contract!(fresh);

/// Both workers share one store: no other process can open the file.
async fn fresh() -> Subject {
    let folder = Folder::new();
    let store = Arc::new(folder.store().await);
    Subject { stores: [store.clone(), store], clean_up: Box::new(folder) }
}

/// A folder of one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("orders.db")
    }

    async fn store(&self) -> SqliteStore {
        open(&self.file()).await.unwrap()
    }
}

async fn open(file: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(file, SqliteSettings::default()).await
}

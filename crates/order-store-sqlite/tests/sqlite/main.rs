//! The order store on SQLite: the contract that MySQL keeps too, and what only a file can suffer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

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

/// Both workers share one store: nobody else can have the file.
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

//! Opening the file: it resumes, or reports what an operator must fix and changes nothing.

use std::fs;

use flashgate_order_store::{
    OrderRepository, SaleRepository, StoreError,
    contract::scene::{NOW, draft, singles},
};
use flashgate_order_store_sqlite::OpenError;
use rusqlite::Connection;

use crate::{Folder, open};

#[tokio::test]
async fn a_reopened_store_resumes() {
    let folder = Folder::new();
    let store = folder.store().await;
    let sale = store.create_sale(&draft("A thing", 10).unwrap(), NOW).await.unwrap().id;
    let chunk = [singles(1, sale, 4).unwrap()];
    let placed = store.apply(&chunk, NOW).await.unwrap();
    store.shutdown().await;
    assert!(matches!(store.sale(sale).await, Err(StoreError::Unavailable(_))), "it is shut down");

    let store = folder.store().await;
    assert_eq!(store.apply(&chunk, NOW).await.unwrap(), placed, "decided once");
    assert_eq!(store.sale(sale).await.unwrap().unwrap().saleable, 6);
    let second = store.create_sale(&draft("Another", 10).unwrap(), NOW).await.unwrap().id;
    assert!(second > sale, "an id is used once");
}

#[tokio::test]
async fn a_store_that_was_closed_in_order_is_one_file() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.create_sale(&draft("A thing", 10).unwrap(), NOW).await.unwrap();
    store.shutdown().await;
    let files: Vec<_> = fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [folder.file()]);
}

#[tokio::test]
async fn calls_that_wait_when_it_is_shut_down_are_done() {
    let folder = Folder::new();
    let store = folder.store().await;
    let sale = store.create_sale(&draft("A thing", 100).unwrap(), NOW).await.unwrap().id;
    let chunk = [singles(1, sale, 64).unwrap()];
    let (placed, ()) = tokio::join!(biased; store.apply(&chunk, NOW), store.shutdown());
    placed.unwrap();
    let store = folder.store().await;
    assert_eq!(store.sale(sale).await.unwrap().unwrap().saleable, 36);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_was() {
    let folder = Folder::new();
    for text in ["x", "# not a database\n", &"not a database ".repeat(1_000)] {
        fs::write(folder.file(), text).unwrap();
        let fault = open(&folder.file()).await.unwrap_err();
        assert!(matches!(fault, OpenError::Foreign { .. }), "{fault}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_left_as_it_was() {
    for mark in ["", "PRAGMA application_id = 7;"] {
        let folder = Folder::new();
        let theirs = Connection::open(folder.file()).unwrap();
        theirs.execute_batch(&format!("{mark} CREATE TABLE cats (name TEXT)")).unwrap();
        drop(theirs);
        let before = fs::read(folder.file()).unwrap();
        let fault = open(&folder.file()).await.unwrap_err();
        assert!(matches!(fault, OpenError::Foreign { .. }), "{fault}");
        assert_eq!(fs::read(folder.file()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_was() {
    let folder = Folder::new();
    let store = folder.store().await;
    let sale = store.create_sale(&draft("A thing", 10_000).unwrap(), NOW).await.unwrap().id;
    store.apply(&[singles(1, sale, 1_000).unwrap()], NOW).await.unwrap();
    store.shutdown().await;
    let whole = fs::read(folder.file()).unwrap();
    let last_page = whole.len() - 1_024;
    // A zeroed page, a missing page, and half a page.
    let mut zeroed = whole.clone();
    zeroed[last_page..].fill(0);
    for damaged in [zeroed, whole[..last_page].to_vec(), whole[..last_page + 512].to_vec()] {
        fs::write(folder.file(), &damaged).unwrap();
        let fault = open(&folder.file()).await.unwrap_err();
        assert!(matches!(fault, OpenError::Corrupted { .. }), "{fault}");
        assert_eq!(fs::read(folder.file()).unwrap(), damaged);
    }
    fs::write(folder.file(), whole).unwrap();
    folder.store().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let folder = Folder::new();
    folder.store().await.shutdown().await;
    let later = Connection::open(folder.file()).unwrap();
    later.pragma_update(None, "user_version", 9_999).unwrap();
    later.close().unwrap();
    let before = fs::read(folder.file()).unwrap();
    let fault = open(&folder.file()).await.unwrap_err();
    assert!(matches!(fault, OpenError::Newer { found: 9_999, known: 12, .. }), "{fault}");
    assert_eq!(fs::read(folder.file()).unwrap(), before);
}

/// Root may write into any folder, so none of these relies on permissions.
#[tokio::test]
async fn a_path_that_cannot_be_written_is_reported_with_the_reason() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("file"), "").unwrap();
    fs::create_dir(folder.0.path().join("folder")).unwrap();
    for (path, expected) in [
        ("file/orders.db", "its folder is a file"),
        ("nowhere/orders.db", "its folder does not exist, or is not accessible"),
        ("folder", "it is a folder"),
    ] {
        let fault = open(&folder.0.path().join(path)).await.unwrap_err();
        assert!(matches!(&fault, OpenError::Unusable { why, .. } if *why == expected), "{path}: {fault}");
    }
    // The system's own read-only folder.
    let fault = open("/proc/orders.db".as_ref()).await.unwrap_err();
    assert!(matches!(fault, OpenError::Unusable { .. }), "{fault}");
}

#[tokio::test]
async fn a_file_in_use_is_refused_until_it_is_closed() {
    let folder = Folder::new();
    let store = folder.store().await;
    for _ in 0..2 {
        let fault = open(&folder.file()).await.unwrap_err();
        assert!(matches!(fault, OpenError::Held { .. }), "{fault}");
    }
    store.create_sale(&draft("A thing", 10).unwrap(), NOW).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    assert!(other.query_row("SELECT count(*) FROM sales", (), |row| row.get::<_, i64>(0)).is_err());
    drop(other);
    store.shutdown().await;
    folder.store().await;
}

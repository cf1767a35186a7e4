//! The process is killed while it writes: acknowledged batches are stored, and no batch is stored in part.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use flashgate_domain::{Batch, SaleId};
use flashgate_order_store::{
    OrderRepository, SaleRepository,
    contract::scene::{NOW, decided, draft, singles},
};
use flashgate_order_store_sqlite::SqliteStore;

use crate::{Folder, open};

/// The writer is this test itself, in a process of its own that has this variable.
const FILE: &str = "FLASHGATE_TEST_KILLED_FILE";
const NAME: &str = "killed::a_killed_process_loses_nothing_that_it_acknowledged";
const STOCK: u64 = 1_000_000_000;
const ORDERS_OF_A_BATCH: usize = 50;
const KILLS: u64 = 5;

fn batch(number: u64, sale: SaleId) -> Batch {
    singles(number, sale, ORDERS_OF_A_BATCH).unwrap()
}

/// Continues after the last batch of the previous process, and prints each number once the store has answered.
#[expect(clippy::disallowed_methods, reason = "printed past the harness, line by line, until it is killed")]
async fn write_for_ever(file: PathBuf) {
    let store = open(&file).await.unwrap();
    let sale = SaleId::new(1).unwrap();
    let units = STOCK - store.sale(sale).await.unwrap().unwrap().saleable;
    let done = units / u64::try_from(ORDERS_OF_A_BATCH).unwrap();
    let mut out = io::stdout();
    for number in done + 1.. {
        store.apply(&[batch(number, sale)], NOW).await.unwrap();
        writeln!(out, "printed {number}").unwrap();
    }
}

/// Lets a writer print some batches, and kills it; returns the last printed number.
fn kill_a_writer(folder: &Folder, after: u64) -> u64 {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(FILE, folder.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = 0;
    let mut lines = 0;
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let Some(number) = line.unwrap().strip_prefix("printed ").and_then(|text| text.parse().ok()) else {
            continue;
        };
        printed = number;
        lines += 1;
        if lines == after {
            // SIGKILL; what it printed until then is still in the pipe.
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(lines >= after, "the writer ended by itself");
    printed
}

async fn check(store: &SqliteStore, sale: SaleId, printed: u64) {
    let orders_of_a_batch = u64::try_from(ORDERS_OF_A_BATCH).unwrap();
    let taken = STOCK - store.sale(sale).await.unwrap().unwrap().saleable;
    assert_eq!(taken % orders_of_a_batch, 0, "a batch by half");
    let stored = taken / orders_of_a_batch;
    assert!(stored >= printed, "{printed} printed, {stored} stored");
    // The last one may be stored and not printed; no other.
    assert!(stored <= printed + 1, "{printed} printed, {stored} stored");
    for number in 1..=stored {
        let batch = batch(number, sale);
        let outcomes = decided(store.apply(std::slice::from_ref(&batch), NOW).await.unwrap()).unwrap();
        assert_eq!(outcomes[0].orders.len(), ORDERS_OF_A_BATCH);
    }
    let after = STOCK - store.sale(sale).await.unwrap().unwrap().saleable;
    assert_eq!(after, taken, "known batches were decided again");
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(file) = env::var_os(FILE) {
        return write_for_ever(file.into()).await;
    }
    let folder = Folder::new();
    let store = folder.store().await;
    let sale = store.create_sale(&draft("A thing", STOCK).unwrap(), NOW).await.unwrap().id;
    store.shutdown().await;
    for kill in 1..=KILLS {
        let printed = kill_a_writer(&folder, 10 * kill);
        let store = folder.store().await;
        check(&store, sale, printed).await;
        store.shutdown().await;
    }
}

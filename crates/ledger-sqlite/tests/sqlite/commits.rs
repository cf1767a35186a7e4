//! Group commit, observed in the write-ahead log.

use std::{
    fs,
    path::Path,
    sync::{Arc, Condvar, Mutex},
};

use flashgate_domain::{Clock, SystemClock, Timestamp, id::ShardCount};
use flashgate_ledger::{
    Deduction, Probing, SaleLifecycle, Selling,
    contract::{
        Fact, Subject,
        scene::{NO_LIMIT, Scene, intent},
    },
};
use flashgate_ledger_sqlite::SqliteLedger;
use futures::{FutureExt, future::join_all};

use super::{Place, RETENTION};

/// A clock whose callers wait while it is stopped: it holds the ledger's thread.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        let shut = self.shut.lock().unwrap();
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
        SystemClock.now()
    }
}

/// The number of commit marks in the write-ahead log. A frame is a header of 24 bytes and a page; the second number in
/// the header is 0 unless the frame ends a transaction (sqlite.org/fileformat2.html, 4.1).
fn commits(database: &Path) -> usize {
    let mut log = database.to_owned().into_os_string();
    log.push("-wal");
    let log = fs::read(log).unwrap();
    let salt = &log[16..24];
    let page = usize::try_from(u32::from_be_bytes(log[8..12].try_into().unwrap())).unwrap();
    let frames = log[32..].chunks_exact(24 + page).take_while(|frame| &frame[8..16] == salt);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn calls_that_wait_share_one_commit() -> Fact {
    let place = Place::new();
    let gate = Arc::new(Gate::default());
    let ledger = SqliteLedger::open(&place.path, Arc::<Gate>::clone(&gate), ShardCount::ONE, RETENTION)?;
    let ledger = Arc::new(ledger);
    let subject = Subject { ledger: Arc::<SqliteLedger>::clone(&ledger), shards: ShardCount::ONE };
    let stage = Scene::new(subject);
    let sale = stage.on_sale(10_000, NO_LIMIT).await?;
    let before = commits(&place.path);

    let batches = (0..65).map(|number| stage.batch(vec![intent(sale, &format!("b{number}"), "k", 1)?]));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    gate.set(true);
    let mut calls: Vec<_> = batches.iter().map(|batch| ledger.deduct(batch, &[])).collect();
    // Polled once, each is in the queue; the first holds the thread at the gate, or will.
    for call in &mut calls {
        assert!(call.now_or_never().is_none(), "nothing is answered before the commit");
    }
    gate.set(false);
    let deductions = join_all(calls).await;
    assert!(deductions.into_iter().all(|answer| matches!(answer, Ok(Deduction::Applied { .. }))));
    let made = commits(&place.path) - before;
    assert!((1..=2).contains(&made), "{made} commits for 65 calls");
    assert_eq!(stage.available(sale).await?, 10_000 - 65);
    Ok(())
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = super::scene(&ledger);
    let sale = stage.on_sale(1, 5).await?;
    let batch = stage.deduct(vec![intent(sale, "ada", "k", 1)?]).await?;
    let before = commits(&place.path);
    ledger.deduct(&batch, &[]).await?;
    ledger.check_back(batch.id()).await?;
    ledger.activate(sale, 1).await?;
    stage.screen(&[intent(sale, "bob", "k", 1)?]).await?;
    ledger.ping().await?;
    let refused = stage.batch(vec![intent(sale, "bob", "k", 1)?])?;
    assert!(matches!(ledger.deduct(&refused, &[]).await?, Deduction::Refused(_)));
    assert_eq!(commits(&place.path), before);
    Ok(())
}

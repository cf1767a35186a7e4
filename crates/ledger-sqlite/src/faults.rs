//! SQLite fails in the middle: what the callers get, and what is stored. The failures are made with triggers that live
//! as long as the connection.

use std::{path::Path, sync::Arc, time::Duration};

use flashgate_domain::{SystemClock, id::ShardCount};
use flashgate_ledger::{
    Deduction, Fate, IntentResult, LedgerError, Observing, Probing, Retention, Selling,
    contract::{
        Fact, Subject,
        scene::{Scene, crowd, intent},
    },
};

use super::SqliteLedger;

/// The commit of a transaction that inserts a batch fails, for another reason than a full disk.
const COMMIT_FAILS: &str = "PRAGMA foreign_keys = ON; CREATE TEMP TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TEMP TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
    CREATE TEMP TRIGGER orphan AFTER INSERT ON main.batches BEGIN INSERT INTO children VALUES (1); END";
/// The second batch of a transaction cannot be inserted.
const SECOND_FAILS: &str = "CREATE TEMP TABLE inserted (number INTEGER);
    CREATE TEMP TRIGGER second BEFORE INSERT ON main.batches WHEN EXISTS (SELECT 1 FROM inserted)
    BEGIN SELECT RAISE(ABORT, 'no second one'); END;
    CREATE TEMP TRIGGER first AFTER INSERT ON main.batches BEGIN INSERT INTO inserted VALUES (new.number); END";

fn stage(folder: &Path) -> Result<(Arc<SqliteLedger>, Scene), super::SqliteOpenError> {
    let retention = Retention { log: Duration::from_secs(3_600), sale: Duration::from_secs(3_600) };
    let path = folder.join("ledger.db");
    let ledger = Arc::new(SqliteLedger::open(&path, Arc::new(SystemClock), ShardCount::ONE, retention)?);
    let shared: Arc<SqliteLedger> = Arc::clone(&ledger);
    Ok((ledger, Scene::new(Subject { ledger: shared, shards: ShardCount::ONE })))
}

async fn sabotage(ledger: &SqliteLedger, sql: &'static str) -> Result<(), LedgerError> {
    let broken = |error: rusqlite::Error| LedgerError::Refused(error.to_string());
    ledger.read("sabotage", move |store| store.connection().execute_batch(sql).map_err(broken)).await
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_no_answer_and_the_file_is_reopened() -> Fact {
    let folder = tempfile::tempdir()?;
    let (ledger, scene) = stage(folder.path())?;
    let sale = scene.on_sale(10, 5).await?;
    scene.deduct(vec![intent(sale, "ada", "k", 2)?]).await?;
    let before = scene.snapshot(sale).await?;
    sabotage(&ledger, COMMIT_FAILS).await?;

    let batch = scene.batch(crowd(sale, 3)?)?;
    let fault = ledger.deduct(&batch, &[]).await.unwrap_err();
    assert!(matches!(fault, LedgerError::NoAnswer(_)), "{fault}");
    assert!(!fault.nothing_done());
    assert_eq!(scene.snapshot(sale).await?, before, "what is not known to be committed is not shown");

    // The next call reads the file: the batch was never stored.
    assert_eq!(ledger.check_back(batch.id()).await?, Fate::Fenced);
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(scene.screen(&[intent(sale, "ada", "k", 2)?]).await?.len(), 1);
    scene.deduct(crowd(sale, 3)?).await?;
    assert_eq!(scene.available(sale).await?, 5);
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_reopened_is_unreachable_until_it_can() -> Fact {
    let folder = tempfile::tempdir()?;
    let (ledger, scene) = stage(folder.path())?;
    let sale = scene.on_sale(10, 5).await?;
    sabotage(&ledger, COMMIT_FAILS).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    assert!(ledger.deduct(&batch, &[]).await.is_err());
    // Another process opens the file first.
    let thief = rusqlite::Connection::open(folder.path().join("ledger.db"))?;
    thief.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE")?;
    for _time in 0..2 {
        let fault = ledger.deduct(&batch, &[]).await.unwrap_err();
        assert!(matches!(fault, LedgerError::Unreachable(_)), "{fault}");
        assert!(ledger.ping().await.is_err());
    }
    drop(thief);
    ledger.ping().await?;
    assert!(matches!(ledger.deduct(&batch, &[]).await?, Deduction::Applied { .. }));
    assert_eq!(scene.available(sale).await?, 7);
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_fails_in_its_middle_leaves_nothing_of_any_call() -> Fact {
    let folder = tempfile::tempdir()?;
    let (ledger, scene) = stage(folder.path())?;
    let sale = scene.on_sale(10, 5).await?;
    let before = scene.snapshot(sale).await?;
    sabotage(&ledger, SECOND_FAILS).await?;
    let [one, two] = ["ada", "bob"].map(|buyer| scene.batch(vec![intent(sale, buyer, "k", 1)?]));
    let (one, two) = (one?, two?);

    // Both in one transaction, however fast the thread takes them.
    let (first, second) = (one.clone(), two.clone());
    let both = ledger.write("both", move |round| {
        let intents = |batch: &flashgate_domain::Batch| {
            let intents = super::Intents::new(ShardCount::ONE, batch.id().shard(), batch.intents().iter());
            intents.map_err(super::CallError::Refused)
        };
        round.deduct(first.id(), &intents(&first)?)?;
        round.deduct(second.id(), &intents(&second)?)
    });
    let fault = both.await.unwrap_err();
    assert!(matches!(fault, LedgerError::Refused(_)), "{fault}");
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(ledger.order(one.id().base()).await?, None);

    // Each alone is the first one of its transaction.
    assert!(matches!(ledger.deduct(&one, &[]).await?, Deduction::Applied { .. }));
    let replay = IntentResult::Replay(one.id().base());
    assert_eq!(scene.screen(&[intent(sale, "ada", "k", 1)?]).await?, [replay]);
    Ok(())
}

//! Opening the file.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use flashgate_domain::{
    BatchId, CancelReason, Decision, OrderState, SaleId, Timestamp, audit::LedgerStep, id::ShardCount,
};
use flashgate_ledger::{
    Compensated, Deduction, Fate, IntentResult, Ledger, LedgerError, LedgerState, Observing, Probing,
    Repairing, Returned, Returning, Selling, Settled, Snapshot, Watching,
    contract::{
        Fact,
        scene::{NO_LIMIT, all_confirmed, cancelled, cancelled_order, crowd, intent, outcome},
    },
};
use flashgate_ledger_sqlite::Unusable;
use rusqlite::Connection;

use super::{Place, open, scene};

fn refusal(path: &Path) -> Unusable {
    let error = open(path, ShardCount::ONE).err().unwrap();
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    error.reason
}

async fn snapshots(ledger: &dyn Ledger, sales: &[SaleId]) -> Vec<Snapshot> {
    let mut found = Vec::new();
    for sale in sales {
        let snapshot = ledger.snapshot(*sale).await.unwrap().unwrap();
        found.push(Snapshot { taken_at: Timestamp::default(), ..snapshot });
    }
    found
}

#[tokio::test]
async fn a_restart_on_the_same_file_resumes() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let (sale, paused) = (stage.on_sale(1_000, 2).await?, stage.on_sale(5, 5).await?);
    let settled = stage.deduct(vec![intent(sale, "ada", "k", 2)?, intent(sale, "bob", "k", 1)?]).await?;
    let decided = outcome(&settled, |place| match place {
        0 => Decision::Confirmed,
        _ => cancelled(CancelReason::Timeout),
    });
    stage.ledger().settle(&decided).await?;
    let open = stage.deduct(crowd(sale, 300)?).await?;
    let late = stage.batch(vec![intent(sale, "cyd", "k", 2)?])?;
    stage.ledger().settle(&all_confirmed(&late)).await?;
    let fenced = stage.batch(vec![intent(sale, "dan", "k", 1)?])?;
    stage.ledger().check_back(fenced.id()).await?;
    stage.ledger().pause(paused).await?;
    assert_eq!(stage.ledger().next_node().await?.get(), 0);
    let before = snapshots(&*ledger, &[sale, paused]).await;
    let keys = ledger.keys(sale).await?.len();
    ledger.shutdown().await?;

    let ledger = place.ledger();
    let stage = scene(&ledger);
    assert_eq!(snapshots(&*ledger, &[sale, paused]).await, before);
    assert_eq!(ledger.keys(sale).await?.len(), keys);
    assert_eq!(stage.ledger().next_node().await?.get(), 1);
    assert_eq!(ledger.deduct(&open, &[]).await?, Deduction::Applied { stocks: vec![] });
    assert_eq!(ledger.deduct(&fenced, &[]).await?, Deduction::Fenced);
    let asked = [
        intent(sale, "ada", "k", 2)?,
        intent(sale, "ada", "l", 1)?,
        intent(sale, "bob", "l", 2)?,
        intent(sale, "cyd", "k", 2)?,
        intent(sale, "crowd-299", "k", 1)?,
    ];
    let screening = ledger.screen(stage.shard(sale), &asked).await?;
    let replay = |id: BatchId, place| IntentResult::Replay(id.order(place).unwrap());
    let expected = [
        replay(settled.id(), 0),
        IntentResult::OverLimit,
        IntentResult::Pass,
        replay(late.id(), 0),
        replay(open.id(), 299),
    ];
    assert_eq!(screening.results, expected);
    assert_eq!(screening.open_orders, 300);
    let order = ledger.order(settled.id().order(1).ok_or("a place")?).await?.ok_or("an order")?;
    assert_eq!(order.state, OrderState::Cancelled(CancelReason::Timeout));
    assert!(matches!(ledger.settle(&all_confirmed(&open)).await?, Settled::Applied(_)));
    assert_eq!(stage.snapshot(paused).await?.state, LedgerState::Paused);
    assert_eq!(stage.snapshot(sale).await?.open, []);
    Ok(())
}

#[tokio::test]
async fn a_key_keeps_the_order_that_it_had_before_the_restart() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(100, NO_LIMIT).await?;
    // Created first and applied last: neither the ids nor the clock show the order.
    let [confirmed_late, cancelled_late] = ["ada", "bob"].map(|buyer| intent(sale, buyer, "k", 1));
    let (confirmed_late, cancelled_late) =
        (stage.batch(vec![confirmed_late?])?, stage.batch(vec![cancelled_late?])?);
    let first = stage.deduct(vec![intent(sale, "ada", "k", 1)?, intent(sale, "bob", "k", 1)?]).await?;
    stage.ledger().settle(&all_confirmed(&confirmed_late)).await?;
    stage.ledger().settle(&outcome(&cancelled_late, |_place| cancelled(CancelReason::DuplicateKey))).await?;
    let expected = [
        IntentResult::Replay(confirmed_late.id().base()),
        IntentResult::Replay(first.id().order(1).ok_or("a place")?),
    ];
    let asked = [intent(sale, "ada", "k", 1)?, intent(sale, "bob", "k", 1)?];
    assert_eq!(stage.screen(&asked).await?, expected);
    ledger.shutdown().await?;
    assert_eq!(scene(&place.ledger()).screen(&asked).await?, expected);
    Ok(())
}

#[tokio::test]
async fn what_was_released_before_a_restart_stays_so() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(10, 5).await?;
    let asked = [intent(sale, "ada", "k", 2)?, intent(sale, "ada", "l", 1)?, intent(sale, "bob", "k", 4)?];
    let batch = stage.deduct(asked.to_vec()).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    for gives_up in [0, 2] {
        ledger.return_units(&cancelled_order(&batch, gives_up)?).await?;
    }
    let before = stage.snapshot(sale).await?;
    assert_eq!((before.totals.released, before.totals.available, before.buyers), (6, 9, 1));
    ledger.shutdown().await?;

    let ledger = place.ledger();
    let stage = scene(&ledger);
    assert_eq!(stage.snapshot(sale).await?, before);
    assert_eq!(ledger.holdings(sale, &asked.each_ref().map(|asked| asked.buyer_digest())).await?, [1, 1, 0]);
    let replays = batch.orders().map(|(order, _intent)| IntentResult::Replay(order));
    assert_eq!(stage.screen(&asked).await?, replays.collect::<Vec<_>>());
    for gave_up in [0, 2] {
        assert_eq!(ledger.return_units(&cancelled_order(&batch, gave_up)?).await?, Returned::Already);
    }
    assert!(matches!(ledger.return_units(&cancelled_order(&batch, 1)?).await?, Returned::Done(_)));
    Ok(())
}

#[tokio::test]
async fn a_sale_prepared_after_a_late_settlement_has_none_of_it_after_a_restart() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.unused()?;
    let stray = stage.batch(crowd(sale, 3)?)?;
    assert_eq!(stage.ledger().settle(&all_confirmed(&stray)).await?, Settled::AppliedLate(vec![]));
    stage.sell(sale, 10, 1).await?;
    let before = stage.snapshot(sale).await?;
    ledger.shutdown().await?;
    let stage = scene(&place.ledger());
    assert_eq!(stage.snapshot(sale).await?, before);
    assert_eq!(stage.screen(&crowd(sale, 3)?).await?, [IntentResult::Pass; 3]);
    assert_eq!(stage.ledger().check_back(stray.id()).await?, Fate::Deducted);
    Ok(())
}

#[tokio::test]
async fn what_is_asked_after_the_shutdown_is_unreachable() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(10, 5).await?;
    ledger.shutdown().await?;
    let faults = [
        ledger.ping().await.unwrap_err(),
        ledger.deduct(&stage.batch(crowd(sale, 1)?)?, &[]).await.unwrap_err(),
        ledger.screen(stage.shard(sale), &crowd(sale, 1)?).await.unwrap_err(),
        ledger.shutdown().await.unwrap_err(),
    ];
    assert!(faults.iter().all(|fault| matches!(fault, LedgerError::Unreachable(_))), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_opening_of_the_file_is_refused_and_the_first_stays_open() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(10, 5).await?;
    assert!(matches!(refusal(&place.path), Unusable::Locked));
    stage.deduct(crowd(sale, 3)?).await?;
    assert!(matches!(refusal(&place.path), Unusable::Locked), "still");
    ledger.shutdown().await?;
    assert_eq!(scene(&place.ledger()).available(sale).await?, 7);
    Ok(())
}

#[test]
fn text_is_not_a_database() {
    let place = Place::new();
    fs::write(&place.path, "units,price\n".repeat(1_000)).unwrap();
    assert!(matches!(refusal(&place.path), Unusable::NotADatabase));
    assert!(fs::read_to_string(&place.path).unwrap().starts_with("units,price"), "it was left as it is");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let place = Place::new();
    Connection::open(&place.path).unwrap().execute_batch("CREATE TABLE cats (name)").unwrap();
    assert!(matches!(refusal(&place.path), Unusable::NotALedger));
    let connection = Connection::open(&place.path).unwrap();
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!((tables, &*mode), (1, "delete"));
}

#[tokio::test]
async fn a_newer_schema_is_reported_with_its_number() -> Fact {
    let place = Place::new();
    place.ledger().shutdown().await?;
    Connection::open(&place.path)?.pragma_update(None, "user_version", 99)?;
    let reason = refusal(&place.path);
    assert!(matches!(reason, Unusable::NewerSchema { found: 99, known: 4 }), "{reason}");
    Ok(())
}

#[tokio::test]
async fn another_number_of_shards_is_refused() -> Fact {
    let place = Place::new();
    place.ledger().shutdown().await?;
    let reason = open(&place.path, ShardCount::new(2)?).err().ok_or("it was opened")?.reason;
    assert!(matches!(reason, Unusable::OtherShards { found: 1, asked: 2 }), "{reason}");
    Ok(())
}

#[tokio::test]
async fn overwritten_pages_are_damage() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(10_000, 5).await?;
    for batch in crowd(sale, 2_000)?.chunks(500) {
        stage.deduct(batch.to_vec()).await?;
    }
    ledger.shutdown().await?;
    let mut file = OpenOptions::new().write(true).open(&place.path)?;
    file.seek(SeekFrom::Start(4_096))?;
    file.write_all(&[0xA5; 3 * 4_096])?;
    drop(file);
    let reason = refusal(&place.path);
    assert!(matches!(reason, Unusable::Damaged(_)), "{reason}");
    Ok(())
}

#[tokio::test]
async fn numbers_that_do_not_agree_are_damage() -> Fact {
    for tampered in [
        "UPDATE sales SET available = available + 1, initial = initial + 1, pending_units = 4",
        "UPDATE sales SET written_off = deducted + 1",
        "UPDATE sales SET released = returned + 1",
        "DELETE FROM batches",
        "UPDATE batches SET intents = substr(intents, 2)",
    ] {
        let place = Place::new();
        let ledger = place.ledger();
        let stage = scene(&ledger);
        let sale = stage.on_sale(10, 5).await?;
        stage.deduct(crowd(sale, 3)?).await?;
        ledger.shutdown().await?;
        Connection::open(&place.path)?.execute_batch(tampered)?;
        let reason = refusal(&place.path);
        assert!(matches!(reason, Unusable::Damaged(_)), "{tampered}: {reason}");
    }
    Ok(())
}

#[test]
fn a_path_that_cannot_be_is_an_io_error() {
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    let under_a_file = place.path.join("ledger.db");
    assert!(matches!(refusal(&under_a_file), Unusable::Io(_)));
    let folder = place.path.parent().unwrap();
    assert!(matches!(refusal(folder), Unusable::Io(_)));
    assert!(matches!(refusal(&folder.join("missing/ledger.db")), Unusable::Io(_)));
}

/// Not even root can create a file in sysfs.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_read_only() {
    let reason = refusal(Path::new("/sys/kernel/ledger.db"));
    assert!(matches!(reason, Unusable::ReadOnly), "{reason}");
}

#[tokio::test]
async fn a_path_that_looks_like_an_address_is_a_path() -> Fact {
    let place = Place::new();
    let path = place.path.with_file_name("file:ledger.db?mode=memory");
    let ledger = Arc::new(open(&path, ShardCount::ONE)?);
    let sale = scene(&ledger).on_sale(10, 5).await?;
    ledger.shutdown().await?;
    let ledger = Arc::new(open(&path, ShardCount::ONE)?);
    assert_eq!(scene(&ledger).available(sale).await?, 10);
    Ok(())
}

/// Takes away what each version has added to the one before, the newest first.
const DOWNGRADES: [&str; 3] = [
    "ALTER TABLE sales DROP COLUMN released; DROP TABLE returns; PRAGMA user_version = 3;",
    "ALTER TABLE ledger DROP COLUMN ledger_id; ALTER TABLE ledger DROP COLUMN store_id; \
     PRAGMA user_version = 2;",
    "ALTER TABLE sales DROP COLUMN adjustments; PRAGMA user_version = 1;",
];

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_to_this_one() -> Fact {
    for versions in 1..=DOWNGRADES.len() {
        upgraded(&DOWNGRADES[..versions].concat()).await?;
    }
    Ok(())
}

async fn upgraded(downgrade: &str) -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(10, 5).await?;
    let batch = stage.deduct(vec![intent(sale, "ada", "k", 4)?]).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    ledger.shutdown().await?;
    let file = Connection::open(&place.path)?;
    file.execute_batch(downgrade)?;
    drop(file);

    let ledger = place.ledger();
    let snapshot = scene(&ledger).snapshot(sale).await?;
    assert_eq!((snapshot.adjustments, snapshot.totals.released), (0, 0));
    let step = LedgerStep { generation: 1, adjustments: 0, in_ledger: 0, across: -2 };
    let done = ledger.compensate(sale, &step).await?;
    assert!(matches!(done, Compensated::Done { .. }), "{done:?}");
    let returned = ledger.return_units(&cancelled_order(&batch, 0)?).await?;
    assert!(matches!(returned, Returned::Done(_)), "{returned:?}");
    ledger.shutdown().await?;
    let ledger = place.ledger();
    let again = ledger.compensate(sale, &step).await?;
    assert_eq!(again, Compensated::Conflict { generation: 1, adjustments: 1, in_ledger: 0 }, "it is kept");
    assert_eq!(ledger.return_units(&cancelled_order(&batch, 0)?).await?, Returned::Already);
    assert_eq!(scene(&ledger).available(sale).await?, 12);
    Ok(())
}

//! Retention.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Clock, Timestamp, id::ShardCount};
use flashgate_ledger::{
    Deduction, Fate, IntentResult, Observing, Probing, Returned, Returning, SaleLifecycle, Selling, Settled,
    contract::{
        Fact, Subject,
        scene::{Scene, all_confirmed, cancelled_order, crowd, intent},
    },
};
use flashgate_ledger_sqlite::SqliteLedger;
use rusqlite::Connection;

use super::{Place, RETENTION};

/// A clock that the test sets.
struct SetClock(AtomicU64);

impl SetClock {
    fn advance(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn timed(place: &Place) -> (Arc<SetClock>, Arc<SqliteLedger>, Scene) {
    let clock = Arc::new(SetClock(AtomicU64::new(2_000_000_000_000)));
    let ledger = SqliteLedger::open(&place.path, Arc::<SetClock>::clone(&clock), ShardCount::ONE, RETENTION);
    let ledger = Arc::new(ledger.unwrap());
    let subject = Subject { ledger: Arc::<SqliteLedger>::clone(&ledger), shards: ShardCount::ONE };
    (clock, ledger, Scene::new(subject))
}

/// The number of rows of each table, of a closed file.
fn rows(path: &Path) -> [i64; 5] {
    let connection = Connection::open(path).unwrap();
    ["sales", "batches", "outcomes", "fences", "returns"].map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    })
}

/// The step runs with a call; the next call finds it done.
async fn sweep(ledger: &SqliteLedger) -> Fact {
    for _call in 0..2 {
        ledger.ping().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_fence_lasts_for_its_retention_and_is_then_removed() -> Fact {
    let place = Place::new();
    let (clock, ledger, stage) = timed(&place);
    let sale = stage.on_sale(10, 5).await?;
    let batch = stage.batch(crowd(sale, 1)?)?;
    assert_eq!(ledger.check_back(batch.id()).await?, Fate::Fenced);
    clock.advance(RETENTION.log - Duration::from_secs(1));
    sweep(&ledger).await?;
    assert_eq!(ledger.deduct(&batch, &[]).await?, Deduction::Fenced);
    clock.advance(Duration::from_secs(60));
    sweep(&ledger).await?;
    ledger.shutdown().await?;
    assert_eq!(rows(&place.path), [1, 0, 0, 0, 0]);
    Ok(())
}

#[tokio::test]
async fn a_closed_sale_is_removed_after_its_retention_with_its_batches() -> Fact {
    let place = Place::new();
    let (clock, ledger, stage) = timed(&place);
    let sale = stage.on_sale(10, 5).await?;
    let batch = stage.deduct(crowd(sale, 3)?).await?;
    ledger.close(sale).await?;
    clock.advance(RETENTION.log * 3);
    sweep(&ledger).await?;
    assert_eq!(stage.snapshot(sale).await?.open.len(), 1, "something of it is open");

    ledger.settle(&all_confirmed(&batch)).await?;
    clock.advance(RETENTION.sale - Duration::from_secs(60));
    sweep(&ledger).await?;
    assert_eq!(stage.screen(&crowd(sale, 1)?).await?, [IntentResult::Replay(batch.id().base())]);

    clock.advance(Duration::from_secs(120));
    sweep(&ledger).await?;
    assert_eq!(ledger.snapshot(sale).await?, None);
    assert_eq!(ledger.settle(&all_confirmed(&batch)).await?, Settled::Already, "the log is kept longer");
    clock.advance(RETENTION.log);
    sweep(&ledger).await?;
    ledger.shutdown().await?;
    assert_eq!(rows(&place.path), [0, 0, 0, 0, 0]);
    Ok(())
}

#[tokio::test]
async fn a_batch_stays_as_long_as_one_of_its_sales() -> Fact {
    let place = Place::new();
    let (clock, ledger, stage) = timed(&place);
    let (over, lasting) = (stage.on_sale(10, 5).await?, stage.on_sale(10, 1).await?);
    let batch = stage.deduct(vec![intent(over, "ada", "k", 1)?, intent(lasting, "ada", "k", 1)?]).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    ledger.close(over).await?;
    for _week in 0..3 {
        clock.advance(RETENTION.log);
        sweep(&ledger).await?;
    }
    assert_eq!(ledger.snapshot(over).await?, None);
    ledger.shutdown().await?;
    assert_eq!(rows(&place.path), [1, 1, 1, 0, 0]);

    let (_clock, _ledger, stage) = timed(&place);
    let asked = [intent(lasting, "ada", "k", 1)?, intent(lasting, "ada", "l", 1)?];
    let replay = IntentResult::Replay(batch.id().order(1).ok_or("a place")?);
    assert_eq!(stage.screen(&asked).await?, [replay, IntentResult::OverLimit]);
    Ok(())
}

#[tokio::test]
async fn units_of_a_batch_whose_retention_is_over_come_back_once() -> Fact {
    let place = Place::new();
    let (clock, ledger, stage) = timed(&place);
    let (over, lasting) = (stage.on_sale(10, 5).await?, stage.on_sale(10, 5).await?);
    let batch = stage.deduct(vec![intent(over, "ada", "k", 1)?, intent(lasting, "ada", "k", 4)?]).await?;
    let orders = [cancelled_order(&batch, 0)?, cancelled_order(&batch, 1)?];
    ledger.settle(&all_confirmed(&batch)).await?;
    ledger.return_units(&orders[0]).await?;
    ledger.close(over).await?;
    for _week in 0..2 {
        clock.advance(RETENTION.log);
        sweep(&ledger).await?;
    }
    assert_eq!(ledger.return_units(&orders[0]).await?, Returned::Missing);
    assert!(matches!(ledger.return_units(&orders[1]).await?, Returned::Done(_)));
    let after = stage.snapshot(lasting).await?;
    assert_eq!(after.totals.available, 10);
    ledger.shutdown().await?;
    assert_eq!(rows(&place.path), [1, 1, 1, 0, 2], "kept as long as one of the sales");

    let (_clock, ledger, stage) = timed(&place);
    assert_eq!(ledger.return_units(&orders[1]).await?, Returned::Already);
    assert_eq!(ledger.settle(&all_confirmed(&batch)).await?, Settled::Already);
    assert_eq!(stage.snapshot(lasting).await?, after);
    Ok(())
}

#[tokio::test]
async fn the_returns_of_a_batch_are_removed_with_it() -> Fact {
    let place = Place::new();
    let (clock, ledger, stage) = timed(&place);
    let (over, lasting) = (stage.on_sale(2_000, 1).await?, stage.on_sale(10, 5).await?);
    let (first, second) = (
        stage.deduct(crowd(over, 1_024)?).await?,
        stage.deduct(vec![intent(lasting, "ada", "k", 1)?]).await?,
    );
    for (batch, places) in [(&first, [0, 1_023].as_slice()), (&second, &[0])] {
        ledger.settle(&all_confirmed(batch)).await?;
        for place in places {
            let returned = ledger.return_units(&cancelled_order(batch, *place)?).await?;
            assert!(matches!(returned, Returned::Done(_)), "{returned:?}");
        }
    }
    ledger.close(over).await?;
    for _week in 0..2 {
        clock.advance(RETENTION.log);
        sweep(&ledger).await?;
    }
    ledger.shutdown().await?;
    assert_eq!(rows(&place.path), [1, 1, 1, 0, 1]);
    Ok(())
}

//! Tests of rebuilding a sale from the order store.

use flashgate_domain::{CancelReason, Decision, Sale, SaleId};

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, cancelled, crowd, intent, open_window, outcome},
};
use crate::{IntentResult, LedgerState, Rebuilding, Rebuilt, Restored, Settled};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ACTIVE: Rebuilt = Rebuilt::Done { state: LedgerState::Active };

/// The sale in the order store after that many rebuilds.
fn stored(scene: &Scene, id: SaleId, stock: u64, generation: u32) -> Result<Sale> {
    Ok(Sale { generation, ..scene.sale(id, stock, 5, open_window()?)? })
}

/// An emptied ledger: the orders of the store are the sold units, and the rest is sold to the last unit.
pub async fn a_lost_sale_is_rebuilt_and_sells_what_is_left(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let first = scene.batch(vec![intent(id, "ada", "k", 4)?, intent(id, "bob", "k", 3)?])?;
    let second = scene.batch(vec![intent(id, "cyd", "k", 2)?, intent(id, "ada", "k2", 5)?])?;
    let short = outcome(&second, |place| match place {
        0 => Decision::Confirmed,
        _ => cancelled(CancelReason::OutOfStock),
    });
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 11, 2)?).await?, Rebuilding::Begun);
    assert_eq!(scene.screen(&crowd(id, 1)?).await?, [IntentResult::Paused], "it sells nothing meanwhile");
    for _time in 0..2 {
        assert_eq!(ledger.restore(id, 2, &all_confirmed(&first)).await?, Restored::Done);
        assert_eq!(ledger.restore(id, 2, &short).await?, Restored::Done);
    }
    assert_eq!(ledger.end_rebuild(id, 2, 2).await?, ACTIVE);
    assert_eq!(ledger.end_rebuild(id, 2, 2).await?, ACTIVE, "a second time changes nothing");

    let snapshot = scene.snapshot(id).await?;
    assert_eq!((snapshot.state, snapshot.generation), (LedgerState::Active, 2));
    assert_eq!((snapshot.totals.available, snapshot.open.len()), (2, 0));
    let replays = [intent(id, "ada", "k", 4)?, intent(id, "ada", "k2", 5)?];
    let orders = [first.id().order(0).ok_or("an order")?, second.id().order(1).ok_or("an order")?];
    assert_eq!(scene.screen(&replays).await?, orders.map(IntentResult::Replay), "keys keep answering");
    let held = [intent(id, "ada", "k3", 2)?, intent(id, "ada", "k4", 1)?];
    assert_eq!(scene.screen(&held[..1]).await?, [IntentResult::OverLimit], "4 of 5 are held");
    assert_eq!(scene.screen(&held[1..]).await?, [IntentResult::Pass]);
    scene.deduct(crowd(id, 2)?).await?;
    assert_eq!(scene.screen(&[intent(id, "eve", "k", 1)?]).await?, [IntentResult::SoldOut]);
    Ok(())
}

/// Late or repeated outcomes count nothing twice.
pub async fn an_outcome_after_the_rebuild_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let batch = scene.batch(crowd(id, 3)?)?;
    ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?;
    ledger.restore(id, 2, &all_confirmed(&batch)).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, ACTIVE);
    assert_eq!(ledger.settle(&all_confirmed(&batch)).await?, Settled::Already);
    assert_eq!(ledger.check_back(batch.id()).await?, crate::Fate::Deducted, "the evidence is back");
    assert_eq!(scene.available(id).await?, 7);
    let late = scene.batch(vec![intent(id, "late", "k", 2)?])?;
    ledger.settle(&all_confirmed(&late)).await?;
    assert_eq!(scene.available(id).await?, 5, "one that the rebuild never saw is deducted");
    Ok(())
}

/// With the units restocked and returned since the start.
pub async fn a_rebuilt_sale_has_what_was_restocked_and_returned(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let sale = Sale { restocked: 5, returned: 2, ..stored(&scene, id, 10, 3)? };
    ledger.begin_rebuild(&sale).await?;
    assert_eq!(ledger.end_rebuild(id, 3, 17).await?, ACTIVE);
    let totals = scene.snapshot(id).await?.totals;
    assert_eq!((totals.initial, totals.restocked, totals.returned, totals.available), (10, 5, 2, 17));
    Ok(())
}

/// A sale that sells, that is closed, or that has open batches is unchanged.
pub async fn only_a_stopped_sale_without_open_batches_is_rebuilt(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.on_sale(10, 5).await?, scene.ledger());
    let state = LedgerState::Active;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::NotStopped { state });
    let batch = scene.deduct(crowd(id, 3)?).await?;
    ledger.pause(id).await?;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::Open { orders: 3 });
    ledger.settle(&all_confirmed(&batch)).await?;
    let same = ledger.begin_rebuild(&stored(&scene, id, 10, 1)?).await?;
    assert_eq!(same, Rebuilding::OtherGeneration { generation: 1 });
    assert_eq!(scene.available(id).await?, 7, "nothing has changed");

    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::Begun);
    ledger.restore(id, 2, &all_confirmed(&batch)).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, ACTIVE);
    assert_eq!(scene.available(id).await?, 7);
    ledger.close(id).await?;
    let state = LedgerState::Closed;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 3)?).await?, Rebuilding::NotStopped { state });
    Ok(())
}

/// It sells again only if as many units are left as in the store, and only in its generation.
pub async fn a_rebuild_that_does_not_add_up_stays_stopped(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let batch = scene.batch(crowd(id, 3)?)?;
    assert_eq!(ledger.end_rebuild(id, 2, 10).await?, Rebuilt::Missing);
    assert_eq!(ledger.restore(id, 2, &all_confirmed(&batch)).await?, Restored::Missing);
    ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, Rebuilt::Differs { available: 10 });
    assert_eq!(ledger.end_rebuild(id, 3, 10).await?, Rebuilt::OtherGeneration { generation: 2 });
    assert_eq!(ledger.restore(id, 3, &all_confirmed(&batch)).await?, Restored::Missing);
    assert_eq!(scene.snapshot(id).await?.state, LedgerState::Paused);
    ledger.restore(id, 2, &all_confirmed(&batch)).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, ACTIVE);
    assert_eq!(ledger.restore(id, 2, &all_confirmed(&batch)).await?, Restored::Missing, "it is over");
    Ok(())
}

/// A batch of two sales, of which one was lost.
pub async fn restoring_one_sale_leaves_the_others_alone(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let other = scene.on_sale(10, 5).await?;
    let (id, ledger) = (scene.unused_of(scene.shard(other))?, scene.ledger());
    scene.sell(id, 10, 5).await?;
    let batch = scene.deduct(vec![intent(id, "ada", "k", 4)?, intent(other, "ada", "k", 3)?]).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    let before = scene.snapshot(other).await?;
    ledger.pause(id).await?;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::Begun);
    ledger.restore(id, 2, &all_confirmed(&batch)).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 6).await?, ACTIVE);
    assert_eq!(scene.snapshot(other).await?, before);
    Ok(())
}

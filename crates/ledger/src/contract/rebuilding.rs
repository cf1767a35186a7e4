//! Tests of rebuilding a sale from the order store.

use flashgate_domain::{CancelReason, Decision, Intent, OrderState, Sale, SaleId};

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, cancelled, cancelled_order, crowd, intent, open_window, outcome},
};
use crate::{Fate, IntentResult, LedgerState, Rebuilding, Rebuilt, Restored, Returned, Settled, Totals};

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
    assert_eq!(ledger.check_back(batch.id()).await?, Fate::Deducted, "the evidence is back");
    assert_eq!(scene.available(id).await?, 7);
    let late = scene.batch(vec![intent(id, "late", "k", 2)?])?;
    ledger.settle(&all_confirmed(&late)).await?;
    assert_eq!(scene.available(id).await?, 5, "one that the rebuild never saw is deducted");
    Ok(())
}

/// With the units restocked since the start. Units that the order store counts as returned come with their orders.
pub async fn a_rebuilt_sale_has_what_was_restocked_and_released(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let sale = Sale { restocked: 5, returned: 7, ..stored(&scene, id, 10, 3)? };
    let intents = vec![
        intent(id, "ada", "k", 4)?,
        intent(id, "ada", "l", 1)?,
        intent(id, "bob", "k", 2)?,
        intent(id, "cyd", "k", 1)?,
        intent(id, "dan", "k", 3)?,
    ];
    let batch = scene.batch(intents.clone())?;
    let present = outcome(&batch, |place| match place {
        0 => cancelled(CancelReason::ByBuyer),
        1 => Decision::Confirmed,
        2 => cancelled(CancelReason::Timeout),
        3 => cancelled(CancelReason::ByOperator),
        _ => cancelled(CancelReason::DuplicateKey),
    });
    ledger.begin_rebuild(&sale).await?;
    let begun = scene.snapshot(id).await?.totals;
    assert_eq!(begun, Totals { initial: 10, restocked: 5, available: 15, ..Totals::default() });
    for _time in 0..2 {
        assert_eq!(ledger.restore(id, 3, &present).await?, Restored::Done);
    }
    assert_eq!(ledger.end_rebuild(id, 3, 14).await?, ACTIVE);

    let totals = scene.snapshot(id).await?.totals;
    assert_eq!((totals.released, totals.available), (7, 14));
    let held = ledger.holdings(id, &intents.iter().map(Intent::buyer_digest).collect::<Vec<_>>()).await?;
    assert_eq!(held, [1, 1, 0, 0, 0]);
    let orders = batch.orders().map(|(order, _intent)| IntentResult::Replay(order));
    assert_eq!(scene.screen(&intents).await?, orders.collect::<Vec<_>>(), "keys keep answering");
    for place in [0, 2, 3] {
        let returned = ledger.return_units(&cancelled_order(&batch, place)?).await?;
        assert_eq!(returned, Returned::Already, "order {place}");
    }
    assert!(matches!(ledger.return_units(&cancelled_order(&batch, 1)?).await?, Returned::Done(_)));
    let entry = ledger.entry(batch.id()).await?.ok_or("the evidence")?;
    let placed = entry.orders.iter().map(|order| order.state == OrderState::Confirmed);
    assert_eq!(placed.collect::<Vec<_>>(), [true, true, true, true, false], "as they were placed");
    Ok(())
}

/// The order was cancelled during the rebuild. Its event may come before the second call, or after it.
pub async fn an_order_restored_as_confirmed_is_released_by_the_next_restore(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let batch = scene.batch(crowd(id, 3)?)?;
    ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?;
    assert_eq!(ledger.return_units(&cancelled_order(&batch, 0)?).await?, Returned::NotSettled);
    ledger.restore(id, 2, &all_confirmed(&batch)).await?;
    let first = ledger.return_units(&cancelled_order(&batch, 0)?).await?;
    assert!(matches!(first, Returned::Done(_)), "{first:?}");
    let present = outcome(&batch, |place| match place {
        0 | 1 => cancelled(CancelReason::ByBuyer),
        _ => Decision::Confirmed,
    });
    for _time in 0..2 {
        ledger.restore(id, 2, &present).await?;
    }
    assert_eq!(ledger.return_units(&cancelled_order(&batch, 1)?).await?, Returned::Already);
    assert_eq!(ledger.end_rebuild(id, 2, 9).await?, ACTIVE);
    let snapshot = scene.snapshot(id).await?;
    let totals =
        Totals { initial: 10, deducted: 3, returned: 2, released: 2, available: 9, ..Totals::default() };
    assert_eq!((snapshot.totals, snapshot.buyers, snapshot.keys), (totals, 1, 3));
    Ok(())
}

/// The ledger had lost the deduction when the broker asked; the message was delivered all the same.
pub async fn a_fenced_batch_is_restored_and_its_orders_give_their_units_up(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.on_sale(10, 5).await?, scene.ledger());
    let batch = scene.batch(crowd(id, 3)?)?;
    assert_eq!(ledger.check_back(batch.id()).await?, Fate::Fenced);
    assert_eq!(ledger.settle(&all_confirmed(&batch)).await?, Settled::Contradiction);
    ledger.pause(id).await?;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::Begun);
    for _time in 0..2 {
        assert_eq!(ledger.restore(id, 2, &all_confirmed(&batch)).await?, Restored::Done);
    }
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, ACTIVE);

    assert_eq!(ledger.check_back(batch.id()).await?, Fate::Deducted, "the evidence is back");
    assert_eq!(ledger.settle(&all_confirmed(&batch)).await?, Settled::Already);
    let order = cancelled_order(&batch, 1)?;
    assert!(matches!(ledger.return_units(&order).await?, Returned::Done(_)));
    assert_eq!(ledger.return_units(&order).await?, Returned::Already);
    assert_eq!(scene.available(id).await?, 8);
    Ok(())
}

/// Of a sale that the ledger still has.
pub async fn what_was_released_stays_so_in_a_rebuild(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.on_sale(10, 5).await?, scene.ledger());
    let batch = scene.deduct(vec![intent(id, "ada", "k", 4)?, intent(id, "bob", "k", 3)?]).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    ledger.return_units(&cancelled_order(&batch, 0)?).await?;
    let before = scene.snapshot(id).await?;
    ledger.pause(id).await?;
    assert_eq!(ledger.begin_rebuild(&stored(&scene, id, 10, 2)?).await?, Rebuilding::Begun);
    let present = outcome(&batch, |place| match place {
        0 => cancelled(CancelReason::OutboundFailed),
        _ => Decision::Confirmed,
    });
    ledger.restore(id, 2, &present).await?;
    assert_eq!(ledger.end_rebuild(id, 2, 7).await?, ACTIVE);
    let after = scene.snapshot(id).await?;
    assert_eq!((after.totals, after.buyers, after.keys), (before.totals, before.buyers, before.keys));
    assert_eq!(ledger.return_units(&cancelled_order(&batch, 0)?).await?, Returned::Already);
    assert_eq!(scene.screen(&[intent(id, "ada", "l", 5)?]).await?, [IntentResult::Pass]);
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

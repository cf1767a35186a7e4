//! Tests of outcomes: what the order store decided.

use flashgate_domain::{BatchId, CancelReason, Decision, OrderState};

use super::{
    Fact, Subject,
    scene::{NO_LIMIT, Scene, all_cancelled, all_confirmed, cancelled, crowd, intent, outcome},
};
use crate::{Deduction, IntentResult, SaleStock, Settled, Totals};

/// The units are sold.
pub async fn confirmed_orders_stay_deducted(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 1).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let settled = scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(settled, Settled::Applied(vec![SaleStock { sale, available: 7, epoch: 0 }]));
    let snapshot = scene.snapshot(sale).await?;
    assert_eq!(snapshot.totals, Totals { initial: 10, deducted: 3, available: 7, ..Totals::default() });
    assert_eq!((snapshot.open, snapshot.buyers, snapshot.keys), (vec![], 3, 3));
    let screening = scene.ledger().screen(scene.shard(sale), &[intent(sale, "crowd-0", "l", 1)?]).await?;
    assert_eq!((screening.results, screening.open_orders), (vec![IntentResult::OverLimit], 0));
    Ok(())
}

/// Outcomes are delivered at least once.
pub async fn settling_twice_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 4)?).await?;
    let outcome = outcome(&batch, |place| match place {
        0 => Decision::Confirmed,
        1 => cancelled(CancelReason::OutOfStock),
        2 => cancelled(CancelReason::DuplicateKey),
        _ => cancelled(CancelReason::Timeout),
    });
    assert!(matches!(scene.ledger().settle(&outcome).await?, Settled::Applied(_)));
    let before = scene.snapshot(sale).await?;
    let totals =
        Totals { initial: 10, deducted: 4, returned: 2, written_off: 1, available: 8, ..Totals::default() };
    assert_eq!(before.totals, totals);
    for _time in 0..2 {
        assert_eq!(scene.ledger().settle(&outcome).await?, Settled::Already);
    }
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { stocks: vec![] });
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// And the epoch increases, so that a gateway that cached the sale as sold out reads it again.
pub async fn returned_units_are_sold_again(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    assert_eq!(scene.screen(&[intent(sale, "late", "k", 1)?]).await?, [IntentResult::SoldOut]);
    let settled = scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert_eq!(settled, Settled::Applied(vec![SaleStock { sale, available: 3, epoch: 1 }]));
    assert_eq!(scene.screen(&[intent(sale, "late", "k", 3)?]).await?, [IntentResult::Pass]);
    Ok(())
}

/// Otherwise they would be sold and cancelled repeatedly.
pub async fn written_off_units_never_come_back(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let settled = scene.ledger().settle(&all_cancelled(&batch, CancelReason::OutOfStock)).await?;
    assert_eq!(settled, Settled::Applied(vec![SaleStock { sale, available: 0, epoch: 0 }]));
    assert_eq!(scene.screen(&[intent(sale, "late", "k", 1)?]).await?, [IntentResult::SoldOut]);
    assert_eq!(scene.snapshot(sale).await?.totals.written_off, 3);
    Ok(())
}

/// The buyer may buy again, with another key.
pub async fn a_cancelled_order_gives_the_allowance_back_and_keeps_its_key(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    for reason in CancelReason::ALL {
        let sale = scene.on_sale(100, 2).await?;
        let [first, second] = [intent(sale, "ada", "first", 2)?, intent(sale, "ada", "second", 2)?];
        let batch = scene.deduct(vec![first.clone()]).await?;
        assert_eq!(scene.screen(std::slice::from_ref(&second)).await?, [IntentResult::OverLimit]);
        scene.ledger().settle(&all_cancelled(&batch, reason)).await?;
        let results = scene.screen(&[first, second]).await?;
        assert_eq!(results, [IntentResult::Replay(batch.id().base()), IntentResult::Pass], "{reason}");
        let order = scene.ledger().order(batch.id().base()).await?.ok_or("the order")?;
        assert_eq!(order.state, OrderState::Cancelled(reason));
    }
    Ok(())
}

/// A ledger that lost the batch restores it from the outcome.
pub async fn an_unknown_batch_is_deducted_at_settle(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 2).await?;
    let batch = scene.batch(vec![intent(sale, "ada", "k", 2)?, intent(sale, "bob", "k", 1)?])?;
    let settled = scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(settled, Settled::AppliedLate(vec![SaleStock { sale, available: 7, epoch: 0 }]));
    assert_eq!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::Already);
    let snapshot = scene.snapshot(sale).await?;
    assert_eq!(snapshot.totals, Totals { initial: 10, deducted: 3, available: 7, ..Totals::default() });
    assert_eq!((snapshot.open, snapshot.buyers, snapshot.keys), (vec![], 2, 2));
    let again = [intent(sale, "ada", "k", 2)?, intent(sale, "ada", "l", 1)?];
    let expected = [IntentResult::Replay(batch.id().base()), IntentResult::OverLimit];
    assert_eq!(scene.screen(&again).await?, expected);
    let order = scene.ledger().order(batch.id().base()).await?.ok_or("the order")?;
    assert_eq!((order.quantity, order.state), (2, OrderState::Confirmed));
    Ok(())
}

/// Cancelled units are deducted and returned; no buyer holds them.
pub async fn an_unknown_batch_can_return_units(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    let mixed = outcome(&batch, |place| match place {
        0 => Decision::Confirmed,
        1 => cancelled(CancelReason::ByBuyer),
        _ => cancelled(CancelReason::OutOfStock),
    });
    let settled = scene.ledger().settle(&mixed).await?;
    assert_eq!(settled, Settled::AppliedLate(vec![SaleStock { sale, available: 8, epoch: 1 }]));
    let snapshot = scene.snapshot(sale).await?;
    let totals =
        Totals { initial: 10, deducted: 3, returned: 1, written_off: 1, available: 8, ..Totals::default() };
    assert_eq!((snapshot.totals, snapshot.buyers, snapshot.keys), (totals, 1, 3));
    Ok(())
}

/// Otherwise a missing sale would be created with nothing but a deduction.
pub async fn an_unknown_batch_passes_over_missing_sales(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let there = scene.on_sale(10, 5).await?;
    let missing = scene.unused_of(scene.shard(there))?;
    let batch = scene.batch(vec![intent(missing, "ada", "k", 1)?, intent(there, "ada", "k", 1)?])?;
    let settled = scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(settled, Settled::AppliedLate(vec![SaleStock { sale: there, available: 9, epoch: 0 }]));
    assert_eq!(scene.ledger().snapshot(missing).await?, None);
    assert_eq!(scene.ledger().keys(missing).await?, Vec::<[u8; 8]>::new());
    assert_eq!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::Already);
    Ok(())
}

/// Its entry exists, so a later deduction finds it.
pub async fn a_batch_settled_late_cannot_be_deducted_again(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { stocks: vec![] });
    assert_eq!(scene.available(sale).await?, 7);
    Ok(())
}

/// The ledger lost a batch of 4 and sold its units a second time. The order store gave them to the lost batch, so the
/// second is out of stock and written off; when the outcome of the lost one arrives, the totals match.
pub async fn a_late_deduction_reclaims_written_off_units(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, NO_LIMIT).await?;
    let lost = scene.batch(vec![intent(sale, "ada", "k", 4)?])?;
    let second = scene.deduct(vec![intent(sale, "bob", "k", 4)?, intent(sale, "cyd", "k", 6)?]).await?;
    let shortage = outcome(&second, |place| match place {
        0 => cancelled(CancelReason::OutOfStock),
        _ => Decision::Confirmed,
    });
    scene.ledger().settle(&shortage).await?;
    let settled = scene.ledger().settle(&all_confirmed(&lost)).await?;
    assert_eq!(settled, Settled::AppliedLate(vec![SaleStock { sale, available: 0, epoch: 1 }]));
    assert_eq!(scene.snapshot(sale).await?.totals, reclaimed_totals());
    Ok(())
}

/// The same, with the outcomes in the opposite order: below zero at first.
pub async fn a_write_off_after_a_late_deduction_is_reclaimed(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, NO_LIMIT).await?;
    let lost = scene.batch(vec![intent(sale, "ada", "k", 4)?])?;
    let second = scene.deduct(vec![intent(sale, "bob", "k", 4)?, intent(sale, "cyd", "k", 6)?]).await?;
    let settled = scene.ledger().settle(&all_confirmed(&lost)).await?;
    assert_eq!(settled, Settled::AppliedLate(vec![SaleStock { sale, available: -4, epoch: 0 }]));
    assert_eq!(scene.screen(&[intent(sale, "dan", "k", 1)?]).await?, [IntentResult::SoldOut]);
    let shortage = outcome(&second, |place| match place {
        0 => cancelled(CancelReason::OutOfStock),
        _ => Decision::Confirmed,
    });
    scene.ledger().settle(&shortage).await?;
    assert_eq!(scene.snapshot(sale).await?.totals, reclaimed_totals());
    Ok(())
}

fn reclaimed_totals() -> Totals {
    Totals {
        initial: 10,
        restocked: 0,
        returned: 4,
        deducted: 14,
        written_off: 4,
        reclaimed: 4,
        released: 0,
        available: 0,
    }
}

/// An operator must resolve it; the ledger chooses no side.
pub async fn settling_a_fenced_batch_is_a_contradiction(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    scene.ledger().check_back(batch.id()).await?;
    assert_eq!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::Contradiction);
    assert_eq!(scene.available(sale).await?, 10);
    Ok(())
}

/// The order store has orders under the id that the ledger did not deduct.
pub async fn settling_other_intents_is_a_contradiction(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let before = scene.snapshot(sale).await?;
    let other = scene.batch_as(batch.id(), crowd(sale, 2)?)?;
    assert_eq!(scene.ledger().settle(&all_confirmed(&other)).await?, Settled::Contradiction);
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// Two gateways created the same base.
pub async fn settling_another_batch_of_the_same_base_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let before = scene.snapshot(sale).await?;
    let twin = BatchId::from_parts(batch.id().base(), !batch.id().nonce());
    let twin = scene.batch_as(twin, crowd(sale, 3)?)?;
    assert_eq!(scene.ledger().settle(&all_confirmed(&twin)).await?, Settled::IdTaken);
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// A partial outcome would leave a part of the batch open for ever.
pub async fn an_outcome_that_lacks_orders_is_refused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let mut outcome = all_confirmed(&batch);
    outcome.orders.remove(0);
    let fault = scene.ledger().settle(&outcome).await.err().ok_or("half an outcome was taken")?;
    assert!(fault.nothing_done(), "{fault}");
    assert_eq!(scene.snapshot(sale).await?.open.len(), 1);
    Ok(())
}

//! Tests of the compensating step: it corrects units while a sale sells, and is applied once.

use std::time::Duration;

use flashgate_domain::{CancelReason, SaleId, audit::LedgerStep};
use futures::{StreamExt, future::join_all};
use tokio::time::timeout;

use super::{
    Fact, Subject,
    scene::{Scene, all_cancelled, all_confirmed, crowd, intent},
};
use crate::{Compensated, IntentResult, LedgerEvent, LedgerState, Totals};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Maximum time until an event arrives.
const EVENT_WAIT: Duration = Duration::from_secs(5);

/// A step for a sale of the first generation whose totals are consistent.
const fn step(adjustments: u64, across: i64) -> LedgerStep {
    LedgerStep { generation: 1, adjustments, in_ledger: 0, across }
}

/// Applies the step; returns the units left, and the deferred ones.
async fn done(scene: &Scene, sale: SaleId, step: &LedgerStep) -> Result<(i64, u64)> {
    match scene.ledger().compensate(sale, step).await? {
        Compensated::Done { stock, deferred_units } => Ok((stock.available, deferred_units)),
        refused @ (Compensated::Conflict { .. } | Compensated::Missing) => Err(format!("{refused:?}").into()),
    }
}

/// Leaked units are sold again, at once: sold-out marks are dropped.
pub async fn missing_units_come_back_on_sale(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 5).await?;
    scene.deduct(crowd(sale, 3)?).await?;
    let before = scene.snapshot(sale).await?;
    let another = intent(sale, "ada", "k", 2)?;
    assert_eq!(scene.screen(std::slice::from_ref(&another)).await?, [IntentResult::SoldOut]);
    let mut events = scene.ledger().events().await?;
    assert_eq!(done(&scene, sale, &step(0, -2)).await?, (2, 0));
    let after = scene.snapshot(sale).await?;
    assert_eq!(after.totals, Totals { returned: 2, available: 2, ..before.totals });
    assert_eq!((after.epoch, after.adjustments), (before.epoch + 1, 1));
    assert!(after.sequence > before.sequence);
    let event = timeout(EVENT_WAIT, events.next()).await?.ok_or("an event")?;
    assert!(matches!(event, LedgerEvent::Returned(stock) if (stock.sale, stock.available) == (sale, 2)));
    assert_eq!(scene.screen(&[another]).await?, [IntentResult::Pass]);
    Ok(())
}

/// Units that the order store does not have leave the sale, and totals only grow.
pub async fn a_surplus_is_taken_off_sale(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.deduct(crowd(sale, 3)?).await?;
    let before = scene.snapshot(sale).await?;
    assert_eq!(done(&scene, sale, &step(0, 4)).await?, (3, 0));
    let after = scene.snapshot(sale).await?;
    assert_eq!(after.totals, Totals { deducted: 7, available: 3, ..before.totals });
    assert_eq!(after.epoch, before.epoch, "nothing came back");
    assert_eq!((after.open, after.buyers, after.keys), (before.open, before.buyers, before.keys));
    Ok(())
}

/// However many operators apply it.
pub async fn a_step_happens_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let same = step(0, -2);
    let results = join_all((0..16).map(|_desk| scene.ledger().compensate(sale, &same))).await;
    let results = results.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let was_done = |answer: &&Compensated| matches!(answer, Compensated::Done { .. });
    assert_eq!(results.iter().filter(was_done).count(), 1);
    let moved = Compensated::Conflict { generation: 1, adjustments: 1, in_ledger: 0 };
    assert_eq!(results.iter().filter(|answer| **answer == moved).count(), 15, "{results:?}");
    assert_eq!(scene.available(sale).await?, 12);
    assert_eq!(done(&scene, sale, &step(1, 2)).await?, (10, 0), "the next one names the first");
    Ok(())
}

/// Deductions and settlements change nothing that a step names.
pub async fn traffic_does_not_come_in_the_way_of_a_step(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(20, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    let planned = step(scene.snapshot(sale).await?.adjustments, -1);
    scene.deduct(vec![intent(sale, "ada", "k", 4)?]).await?;
    scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert_eq!(done(&scene, sale, &planned).await?, (17, 0));
    let totals = scene.snapshot(sale).await?.totals;
    assert_eq!((totals.deducted, totals.returned), (7, 4));
    Ok(())
}

/// And returns the present values.
pub async fn a_step_that_saw_other_totals_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (sale, ledger) = (scene.on_sale(10, 5).await?, scene.ledger());
    let before = scene.snapshot(sale).await?;
    let others = [
        LedgerStep { generation: 2, ..step(0, -2) },
        LedgerStep { in_ledger: -1, ..step(0, -2) },
        step(1, -2),
    ];
    for other in others {
        let moved = Compensated::Conflict { generation: 1, adjustments: 0, in_ledger: 0 };
        assert_eq!(ledger.compensate(sale, &other).await?, moved, "{other:?}");
    }
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(ledger.compensate(scene.unused()?, &step(0, -2)).await?, Compensated::Missing);
    Ok(())
}

/// Sold units of a surplus are taken if the order store has not provided them.
pub async fn a_step_never_brings_a_sale_below_zero(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(5, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    assert_eq!(done(&scene, sale, &step(0, 4)).await?, (0, 2), "two are sold and not decided");
    let before = scene.snapshot(sale).await?;
    assert_eq!(done(&scene, sale, &step(1, 2)).await?, (0, 2));
    assert_eq!(scene.snapshot(sale).await?, before, "there is nothing to take");
    scene.ledger().settle(&all_cancelled(&batch, CancelReason::OutOfStock)).await?;
    assert_eq!(done(&scene, sale, &step(1, 2)).await?, (0, 0));
    let totals = scene.snapshot(sale).await?.totals;
    assert_eq!((totals.written_off, totals.reclaimed, totals.available), (3, 2, 0));
    assert_eq!(scene.screen(&[intent(sale, "ada", "k", 1)?]).await?, [IntentResult::SoldOut]);
    Ok(())
}

/// A closed or paused sale stays so; a rebuilt one has no steps.
pub async fn a_step_leaves_the_state_of_the_sale_alone(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (sale, ledger) = (scene.on_sale(10, 5).await?, scene.ledger());
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    ledger.settle(&all_confirmed(&batch)).await?;
    ledger.pause(sale).await?;
    assert_eq!(done(&scene, sale, &step(0, -1)).await?, (9, 0));
    assert_eq!(scene.snapshot(sale).await?.state, LedgerState::Paused);
    assert_eq!(scene.screen(&crowd(sale, 3)?[2..]).await?, [IntentResult::Paused]);
    let stored = scene.sale(sale, 10, 5, super::scene::open_window()?)?;
    ledger.begin_rebuild(&flashgate_domain::Sale { generation: 2, ..stored }).await?;
    assert_eq!(scene.snapshot(sale).await?.adjustments, 0);
    Ok(())
}

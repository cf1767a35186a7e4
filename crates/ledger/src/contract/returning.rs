//! Tests of units that confirmed orders give up.

use std::time::Duration;

use flashgate_domain::{Batch, BatchId, OrderState, SaleId};
use futures::{StreamExt, future::join_all};
use tokio::time::timeout;

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, cancelled_order, crowd, intent},
};
use crate::{
    CancelledOrder, Deduction, IntentResult, LedgerEvent, LedgerState, Returned, SaleStock, Settled, Totals,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Maximum time until an event arrives.
const EVENT_WAIT: Duration = Duration::from_secs(5);

/// A confirmed batch of these buyers with their units; the key of each is `k`.
async fn confirmed(scene: &Scene, sale: SaleId, buyers: &[(&str, u32)]) -> Result<Batch> {
    let intents = buyers.iter().map(|(buyer, units)| intent(sale, buyer, "k", *units));
    let batch = scene.deduct(intents.collect::<Result<_>>()?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    Ok(batch)
}

/// However often the event is delivered.
pub async fn released_units_come_back_once_and_are_sold_again(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 3).await?;
    let batch = confirmed(&scene, sale, &[("ada", 2), ("bob", 1)]).await?;
    let order = cancelled_order(&batch, 0)?;
    assert_eq!(scene.screen(&[intent(sale, "cyd", "k", 1)?]).await?, [IntentResult::SoldOut]);

    let stock = SaleStock { sale, available: 2, epoch: 1 };
    assert_eq!(scene.ledger().return_units(&order).await?, Returned::Done(stock));
    let after = scene.snapshot(sale).await?;
    for _time in 0..2 {
        assert_eq!(scene.ledger().return_units(&order).await?, Returned::Already);
    }
    assert_eq!(scene.snapshot(sale).await?, after);
    let totals =
        Totals { initial: 3, deducted: 3, returned: 2, released: 2, available: 2, ..Totals::default() };
    assert_eq!((after.totals, after.buyers, after.keys), (totals, 1, 2));
    assert_eq!((after.written.buyers, after.written.keys), (1, 2));

    scene.deduct(vec![intent(sale, "cyd", "k", 2)?]).await?;
    assert_eq!(scene.screen(&[intent(sale, "dan", "k", 1)?]).await?, [IntentResult::SoldOut]);
    Ok(())
}

/// They would be sold without end. The allowance comes back all the same.
pub async fn units_that_do_not_exist_are_written_off(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 3).await?;
    let batch = confirmed(&scene, sale, &[("ada", 2), ("bob", 1)]).await?;
    let order = CancelledOrder { is_written_off: true, ..cancelled_order(&batch, 0)? };
    assert!(
        matches!(scene.ledger().return_units(&order).await?, Returned::Done(stock) if stock.available == 0)
    );
    for again in [true, false] {
        let again = CancelledOrder { is_written_off: again, ..order.clone() };
        assert_eq!(scene.ledger().return_units(&again).await?, Returned::Already);
    }
    let after = scene.snapshot(sale).await?;
    let totals = Totals { initial: 3, deducted: 3, written_off: 2, released: 2, ..Totals::default() };
    assert_eq!((after.totals, after.buyers, after.keys), (totals, 1, 2));
    assert_eq!(scene.screen(&[intent(sale, "cyd", "k", 1)?]).await?, [IntentResult::SoldOut]);
    let bob = cancelled_order(&batch, 1)?;
    assert!(
        matches!(scene.ledger().return_units(&bob).await?, Returned::Done(stock) if stock.available == 1)
    );
    assert_eq!(scene.screen(&[intent(sale, "ada", "k2", 1)?]).await?, [IntentResult::Pass]);
    Ok(())
}

/// The buyer may buy again, with another key. The log keeps the decision of the placing.
pub async fn the_allowance_comes_back_and_the_key_keeps_replaying(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 2).await?;
    let batch = confirmed(&scene, sale, &[("ada", 2)]).await?;
    let [same, other, fewer] =
        [intent(sale, "ada", "k", 2)?, intent(sale, "ada", "l", 2)?, intent(sale, "ada", "k", 1)?];
    assert_eq!(scene.screen(std::slice::from_ref(&other)).await?, [IntentResult::OverLimit]);
    scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?;
    let replay = IntentResult::Replay(batch.id().base());
    assert_eq!(scene.screen(&[same.clone(), other.clone()]).await?, [replay, IntentResult::Pass]);
    assert_eq!(scene.screen(&[fewer]).await?, [IntentResult::KeyReused]);
    assert_eq!(scene.ledger().holdings(sale, &[same.buyer_digest()]).await?, [0]);
    assert_eq!(scene.ledger().keys(sale).await?.len(), 1);
    let order = scene.ledger().order(batch.id().base()).await?.ok_or("the order")?;
    assert_eq!(order.state, OrderState::Confirmed);
    scene.deduct(vec![other]).await?;
    Ok(())
}

/// Of one batch.
pub async fn two_orders_of_a_buyer_are_released_one_by_one(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let orders = vec![intent(sale, "ada", "k", 3)?, intent(sale, "ada", "l", 2)?];
    let batch = scene.deduct(orders).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let buyer = [intent(sale, "ada", "k", 1)?.buyer_digest()];
    for (place, held, buyers, available) in [(1, 3, 1, 7), (0, 0, 0, 10)] {
        scene.ledger().return_units(&cancelled_order(&batch, place)?).await?;
        assert_eq!(scene.ledger().holdings(sale, &buyer).await?, [held]);
        let snapshot = scene.snapshot(sale).await?;
        assert_eq!((snapshot.buyers, snapshot.totals.available), (buyers, available));
    }
    assert_eq!(scene.snapshot(sale).await?.totals.released, 5);
    Ok(())
}

/// The event overtook the outcome; a later call returns the units.
pub async fn an_order_is_not_released_before_it_is_settled(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    let order = cancelled_order(&batch, 1)?;
    let before = scene.snapshot(sale).await?;
    assert_eq!(scene.ledger().return_units(&order).await?, Returned::NotSettled);
    assert_eq!(scene.snapshot(sale).await?, before);
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert!(matches!(scene.ledger().return_units(&order).await?, Returned::Done(_)));
    assert_eq!(scene.available(sale).await?, 9);
    Ok(())
}

/// The batch is unknown or fenced, or another order has the key, or another batch the base.
pub async fn an_unknown_order_gives_nothing_up(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = confirmed(&scene, sale, &[("ada", 2)]).await?;
    let unknown = scene.batch(vec![intent(sale, "bob", "k", 1)?])?;
    let fenced = scene.batch(vec![intent(sale, "bob", "k", 1)?])?;
    scene.ledger().check_back(fenced.id()).await?;
    let same_key = scene.batch(vec![intent(sale, "ada", "k", 2)?])?;
    let known = cancelled_order(&batch, 0)?;
    let twin = BatchId::from_parts(batch.id().base(), !batch.id().nonce());
    let before = scene.snapshot(sale).await?;
    for order in [
        cancelled_order(&unknown, 0)?,
        cancelled_order(&fenced, 0)?,
        cancelled_order(&same_key, 0)?,
        CancelledOrder { intent: intent(sale, "ada", "k", 1)?, ..known.clone() },
        CancelledOrder { order: batch.id().order(1).ok_or("a place")?, ..known.clone() },
        CancelledOrder { batch: twin, ..known.clone() },
    ] {
        assert_eq!(scene.ledger().return_units(&order).await?, Returned::NotSettled, "{order:?}");
    }
    assert_eq!(scene.snapshot(sale).await?, before);
    assert!(matches!(scene.ledger().return_units(&known).await?, Returned::Done(_)));
    Ok(())
}

/// It is over, or lost, and is not recreated.
pub async fn an_order_of_a_missing_sale_gives_nothing_up(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.unused()?;
    let batch = scene.batch(crowd(sale, 1)?)?;
    assert_eq!(scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?, Returned::Missing);
    assert_eq!(scene.ledger().snapshot(sale).await?, None);
    assert_eq!(scene.ledger().keys(sale).await?, Vec::<[u8; 8]>::new());
    Ok(())
}

/// And stays in it.
pub async fn a_sale_gets_its_units_back_in_every_state(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    for state in [LedgerState::Paused, LedgerState::Closed] {
        let sale = scene.on_sale(10, 5).await?;
        let batch = confirmed(&scene, sale, &[("ada", 4)]).await?;
        if state == LedgerState::Paused {
            scene.ledger().pause(sale).await?;
        } else {
            scene.ledger().close(sale).await?;
        }
        let before = scene.snapshot(sale).await?.sequence;
        let returned = scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?;
        assert_eq!(returned, Returned::Done(SaleStock { sale, available: 10, epoch: 1 }));
        let snapshot = scene.snapshot(sale).await?;
        assert_eq!((snapshot.state, snapshot.sequence), (state, before + 1));
    }
    Ok(())
}

/// The event is delivered to several gateways.
pub async fn concurrent_calls_return_units_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = confirmed(&scene, sale, &[("ada", 3)]).await?;
    let order = cancelled_order(&batch, 0)?;
    let calls = (0..16).map(|_call| {
        let (ledger, order) = (scene.shared(), order.clone());
        tokio::spawn(async move { ledger.return_units(&order).await })
    });
    let mut done = 0;
    for call in join_all(calls).await {
        let returned = call??;
        assert!(matches!(returned, Returned::Done(_) | Returned::Already), "{returned:?}");
        done += u8::from(returned != Returned::Already);
    }
    assert_eq!((done, scene.available(sale).await?), (1, 10));
    Ok(())
}

/// So that a gateway that cached the sale as sold out reads it again.
pub async fn released_units_increase_the_epoch_and_are_an_event(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(4, 5).await?;
    let batch = confirmed(&scene, sale, &[("ada", 3), ("bob", 1)]).await?;
    let mut events = scene.ledger().events().await?;
    for (place, available, epoch) in [(0, 3, 1), (1, 4, 2)] {
        let order = cancelled_order(&batch, place)?;
        let stock = SaleStock { sale, available, epoch };
        assert_eq!(scene.ledger().return_units(&order).await?, Returned::Done(stock));
        scene.ledger().return_units(&order).await?;
        assert_eq!(scene.ledger().stock(sale).await?, Some(stock));
        // The event of the settlement may come first.
        let mut event = LedgerEvent::Settled(batch.id());
        while event == LedgerEvent::Settled(batch.id()) {
            event = timeout(EVENT_WAIT, events.next()).await?.ok_or("the stream ended")?;
        }
        assert_eq!(event, LedgerEvent::Returned(stock));
    }
    Ok(())
}

/// The ledger lost the deduction, and restored it from the outcome.
pub async fn an_order_that_was_settled_late_gives_its_units_up(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(vec![intent(sale, "ada", "k", 4)?])?;
    let order = cancelled_order(&batch, 0)?;
    assert_eq!(scene.ledger().return_units(&order).await?, Returned::NotSettled);
    assert!(matches!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::AppliedLate(_)));
    assert!(matches!(scene.ledger().return_units(&order).await?, Returned::Done(_)));
    let totals =
        Totals { initial: 10, deducted: 4, returned: 4, released: 4, available: 10, ..Totals::default() };
    assert_eq!(scene.snapshot(sale).await?.totals, totals);
    Ok(())
}

/// Messages are delivered at least once.
pub async fn settling_or_deducting_after_a_return_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = confirmed(&scene, sale, &[("ada", 4), ("bob", 1)]).await?;
    scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?;
    let before = scene.snapshot(sale).await?;
    assert_eq!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::Already);
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { stocks: vec![] });
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// Whether an order is settled is known from its batch.
pub async fn an_order_of_another_batch_is_refused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = confirmed(&scene, sale, &[("ada", 4)]).await?;
    let other = CancelledOrder { batch: scene.batch_id(sale)?, ..cancelled_order(&batch, 0)? };
    let fault = scene.ledger().return_units(&other).await.err().ok_or("it was not refused")?;
    assert!(fault.nothing_done(), "{fault}");
    assert_eq!(scene.available(sale).await?, 6);
    Ok(())
}

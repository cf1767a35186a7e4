//! Edited sales and orders are corrected, once, while chunks are applied.

use flashgate_domain::{CancelReason, OrderState, SaleId, audit::StoreStep};

use super::{
    Broken, Fact, Subject,
    scene::{NOW, batch, intent, singles},
};
use crate::{Compensated, Correction, OrderSnapshot};

const fn confirmed(quantity: u32) -> OrderSnapshot {
    OrderSnapshot { quantity, state: OrderState::Confirmed }
}

async fn saleable(subject: &Subject, sale: SaleId) -> Result<(u64, u64), Broken> {
    let snapshot = subject.store().snapshot(sale, &[]).await?.ok_or("the sale is gone")?;
    Ok((snapshot.saleable, snapshot.adjustments))
}

/// From either worker: the step names the number of earlier steps.
pub async fn a_step_corrects_what_is_saleable_once(subject: &Subject) -> Fact {
    let [desk, other_desk] = &subject.stores;
    let sale = subject.sale(10).await?;
    let step = StoreStep { adjustments: 0, in_store: -3 };
    let done = desk.compensate(sale, &step, NOW).await?;
    assert_eq!(done, Some(Compensated::Done { saleable: 13, adjustments: 1 }));
    for desk in [desk, other_desk] {
        let again = desk.compensate(sale, &step, NOW).await?;
        assert_eq!(again, Some(Compensated::Conflict { saleable: 13, adjustments: 1 }));
    }
    let back = StoreStep { adjustments: 1, in_store: 3 };
    let done = other_desk.compensate(sale, &back, NOW).await?;
    assert_eq!(done, Some(Compensated::Done { saleable: 10, adjustments: 2 }));
    assert_eq!(saleable(subject, sale).await?, (10, 2));
    assert_eq!(desk.compensate(SaleId::new(999_999)?, &step, NOW).await?, None);
    Ok(())
}

/// No unit is sold that does not exist.
pub async fn a_step_never_brings_what_is_saleable_below_zero(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    subject.apply(&[singles(1, sale, 3)?]).await?;
    let step = StoreStep { adjustments: 0, in_store: 3 };
    let refused = subject.store().compensate(sale, &step, NOW).await?;
    assert_eq!(refused, Some(Compensated::Insufficient { saleable: 2, adjustments: 0 }));
    let all = StoreStep { adjustments: 0, in_store: 2 };
    let done = subject.store().compensate(sale, &all, NOW).await?;
    assert_eq!(done, Some(Compensated::Done { saleable: 0, adjustments: 1 }));
    Ok(())
}

/// Every chunk is counted, and so is every step.
pub async fn steps_and_chunks_do_not_lose_each_other(subject: &Subject) -> Fact {
    let sale = subject.sale(1_000).await?;
    let [writer, desk] = &subject.stores;
    let writing = async {
        for number in 1..=40 {
            writer.apply(&[singles(number, sale, 5)?], NOW).await?;
        }
        Ok::<_, Broken>(())
    };
    let compensating = async {
        for adjustments in 0..20 {
            let step = StoreStep { adjustments, in_store: if adjustments % 2 == 0 { 7 } else { -7 } };
            let done = desk.compensate(sale, &step, NOW).await?;
            assert!(matches!(done, Some(Compensated::Done { .. })), "{done:?}");
        }
        Ok::<_, Broken>(())
    };
    let (written, compensated) = tokio::join!(writing, compensating);
    written.and(compensated)?;
    assert_eq!(saleable(subject, sale).await?, (800, 20));
    Ok(())
}

/// It gets the settled values, if it is as the caller saw it.
pub async fn an_order_that_was_changed_is_corrected_once(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let placed = batch(1, vec![intent(sale, "ann", "k", 2)?, intent(sale, "bob", "k", 1)?])?;
    let outcome = subject.apply(std::slice::from_ref(&placed)).await?.swap_remove(0);
    let order = placed.id().order(0).ok_or("an order")?;
    let cancelled = OrderSnapshot { quantity: 3, state: OrderState::Cancelled(CancelReason::OutOfStock) };
    // The edit, and its correction.
    let change = Correction { order, sale, seen: confirmed(2), settled: cancelled };
    let correction = Correction { order, sale, seen: cancelled, settled: confirmed(2) };
    let store = subject.store();
    assert!(!store.correct_order(&correction, NOW).await?, "it is not as it was seen");
    assert!(store.correct_order(&change, NOW).await?);
    let changed = store.order(order).await?.ok_or("the order is gone")?;
    assert_eq!((changed.intent.quantity().get(), changed.state), (3, cancelled.state));
    assert!(store.correct_order(&correction, NOW).await?);
    assert!(!store.correct_order(&correction, NOW).await?, "a second time changes nothing");
    assert_eq!(store.outcome(placed.id()).await?, Some(outcome));
    Ok(())
}

/// What was settled of it is its first state: it would have its units again, which are on sale.
pub async fn an_order_that_a_transition_moved_is_not_corrected(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let order = subject.place(1, sale, &[2]).await?[0];
    let cancelled = OrderState::Cancelled(CancelReason::ByBuyer);
    subject.walk(order, &[OrderState::Confirmed, cancelled]).await?;
    let seen = OrderSnapshot { quantity: 2, state: cancelled };
    let correction = Correction { order, sale, seen, settled: confirmed(2) };
    assert!(!subject.store().correct_order(&correction, NOW).await?);
    assert_eq!(subject.store().order(order).await?.map(|order| order.state), Some(cancelled));
    Ok(())
}

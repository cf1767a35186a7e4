//! Tests of judging intents.

use flashgate_domain::Timestamp;

use super::{
    Fact, Subject,
    scene::{NO_LIMIT, Scene, all_cancelled, crowd, future_window, intent, open_window, past_window},
};
use crate::IntentResult;

/// A buyer whose first call took the last unit gets the same order again, not "sold out".
pub async fn a_duplicate_is_found_before_the_stock_is_looked_at(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(1, 1).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 1)?]).await?;
    let again = scene.screen(&[intent(sale, "ada", "k", 1)?, intent(sale, "bob", "k", 1)?]).await?;
    assert_eq!(again, [IntentResult::Replay(batch.id().base()), IntentResult::SoldOut]);
    Ok(())
}

/// A key belongs to one purchase, and another quantity is another purchase.
pub async fn a_known_key_with_another_quantity_is_reused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.deduct(vec![intent(sale, "ada", "k", 1)?]).await?;
    assert_eq!(scene.screen(&[intent(sale, "ada", "k", 2)?]).await?, [IntentResult::KeyReused]);
    Ok(())
}

/// The first of them is judged; the others wait for it, whatever they request.
pub async fn one_key_twice_in_a_call_passes_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let twice = [intent(sale, "ada", "k", 1)?, intent(sale, "ada", "k", 1)?, intent(sale, "ada", "k", 2)?];
    assert_eq!(
        scene.screen(&twice).await?,
        [IntentResult::Pass, IntentResult::Repeated, IntentResult::Repeated]
    );
    Ok(())
}

/// A buyer's holdings and its units in the call are added up.
pub async fn the_limit_counts_the_same_call(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 3).await?;
    scene.deduct(vec![intent(sale, "ada", "held", 1)?]).await?;
    let call = [
        intent(sale, "ada", "a", 1)?,
        intent(sale, "ada", "b", 2)?,
        intent(sale, "ada", "c", 1)?,
        intent(sale, "bob", "a", 3)?,
    ];
    assert_eq!(
        scene.screen(&call).await?,
        [IntentResult::Pass, IntentResult::OverLimit, IntentResult::Pass, IntentResult::Pass]
    );
    Ok(())
}

/// Two intents cannot both take the last unit.
pub async fn the_stock_counts_the_same_call(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2, NO_LIMIT).await?;
    let results = scene.screen(&crowd(sale, 3)?).await?;
    assert_eq!(results, [IntentResult::Pass, IntentResult::Pass, IntentResult::SoldOut]);
    Ok(())
}

/// An intent that does not pass takes nothing from the next one.
pub async fn a_refused_intent_takes_nothing_from_those_after_it(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2, 5).await?;
    let call = [
        intent(sale, "ada", "a", 3)?,
        intent(sale, "bob", "a", 6)?,
        intent(sale, "ada", "b", 2)?,
        intent(sale, "cyd", "a", 1)?,
    ];
    let results = scene.screen(&call).await?;
    assert_eq!(
        results,
        [IntentResult::SoldOut, IntentResult::SoldOut, IntentResult::Pass, IntentResult::SoldOut]
    );
    Ok(())
}

/// A sale that was never prepared.
pub async fn a_missing_sale_is_missing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.unused()?;
    let screening = scene.ledger().screen(scene.shard(sale), &crowd(sale, 2)?).await?;
    assert_eq!(screening.results, [IntentResult::Missing; 2]);
    assert_eq!(screening.stocks, []);
    assert_eq!(scene.ledger().snapshot(sale).await?, None);
    Ok(())
}

/// Not before it is activated.
pub async fn a_prepared_sale_sells_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.unused()?;
    scene.ledger().prepare(&scene.sale(sale, 10, 5, open_window()?)?).await?;
    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::NotReady]);
    Ok(())
}

/// Until it is rebuilt.
pub async fn a_paused_sale_sells_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.ledger().pause(sale).await?;
    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Paused]);
    Ok(())
}

/// By the operator's command, within the window.
pub async fn a_closed_sale_has_ended(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.ledger().close(sale).await?;
    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Ended]);
    Ok(())
}

/// The buyer has an order, whatever the state of the sale or of the order is.
pub async fn a_replay_is_answered_whatever_the_state(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let [paused, closed] = [scene.on_sale(10, 5).await?, scene.on_sale(10, 5).await?];
    let of_paused = scene.deduct(crowd(paused, 1)?).await?;
    let of_closed = scene.deduct(crowd(closed, 1)?).await?;
    scene.ledger().pause(paused).await?;
    scene.ledger().close(closed).await?;
    scene.ledger().settle(&all_cancelled(&of_closed, flashgate_domain::CancelReason::ByBuyer)).await?;
    assert_eq!(scene.screen(&crowd(paused, 1)?).await?, [IntentResult::Replay(of_paused.id().base())]);
    assert_eq!(scene.screen(&crowd(closed, 1)?).await?, [IntentResult::Replay(of_closed.id().base())]);
    Ok(())
}

/// A sold-out sale that has not begun counts as not begun.
pub async fn the_window_is_looked_at_before_the_stock(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let ended = scene.sell_in(scene.unused()?, 1, 5, past_window()?).await?;
    let to_come = scene.sell_in(scene.unused()?, 1, 5, future_window()?).await?;
    assert_eq!(scene.screen(&[intent(ended, "ada", "k", 2)?]).await?, [IntentResult::Ended]);
    let opens_at: Timestamp = future_window()?.opens_at();
    assert_eq!(scene.screen(&[intent(to_come, "ada", "k", 2)?]).await?, [IntentResult::NotOpen { opens_at }]);
    Ok(())
}

/// However often.
pub async fn screening_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2, 5).await?;
    let before = scene.snapshot(sale).await?;
    for _round in 0..3 {
        assert_eq!(scene.screen(&crowd(sale, 2)?).await?, [IntentResult::Pass; 2]);
    }
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

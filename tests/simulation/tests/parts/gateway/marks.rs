//! Sold-out marks.

use std::{sync::Arc, time::Duration};

use flashgate_ledger::contract::Fact;
use tokio::time::sleep;

use super::scene::{MEANWHILE, NOW, Stage};

const REREAD: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_mark_refuses_newcomers_and_never_the_one_who_has_the_unit() -> Fact {
    let stage = Stage::new().await?;
    assert!(!stage.is_sold_out_for_a_newcomer(), "nobody has looked yet");
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    assert!(stage.is_sold_out_for_a_newcomer());
    assert!(!stage.entry().is_sold_out_for(stage.winner().key_digest(), NOW));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_lifted_by_the_first_answer_after_a_unit_came_back() -> Fact {
    let stage = Stage::new().await?;
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    stage.unit_comes_back().await;
    stage.watch.observe(stage.stock().await);
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_lifted_although_the_note_of_the_unit_was_lost() -> Fact {
    let stage = Stage::new().await?;
    let _rereading = tokio::spawn(Arc::clone(&stage.watch).reread(REREAD));
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    stage.unit_comes_back().await;
    assert!(stage.is_sold_out_for_a_newcomer(), "nobody was told");
    sleep(REREAD + MEANWHILE).await;
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

/// The answer that said "sold out" is older than the unit that came back since.
#[tokio::test(start_paused = true)]
async fn a_mark_is_not_set_once_the_unit_is_back() -> Fact {
    let stage = Stage::new().await?;
    let late_answer = stage.stock().await;
    stage.unit_comes_back().await;
    stage.watch.observe(late_answer);
    sleep(MEANWHILE).await;
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

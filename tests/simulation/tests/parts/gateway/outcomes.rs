//! Outcomes and check-backs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::{BatchOutcome, LedgerId};
use flashgate_gateway::{
    buy::sold_out::SoldOutWatch,
    outcomes::{check_back::CheckBack, lag::Counted, member::Member, settle::Settlement},
    sales::{belonging::Belonging, catalogue::Catalogue},
};
use flashgate_ledger::contract::{
    Fact,
    scene::{all_confirmed, crowd, intent},
};
use flashgate_messaging::{CheckBackHandler, CheckedMessage, Resolution};
use flashgate_proto::body;
use flashgate_simulation::flaw;
use flashgate_supervision::Supervisor;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::scene::{Messages, NOW, distant_scene_of, joining, ledger_of, scene_of, server};

fn outcome_body(outcome: &BatchOutcome) -> Bytes {
    body::encode_outcomes(std::slice::from_ref(outcome), None)
}

#[tokio::test(start_paused = true)]
async fn outcomes_in_hand_count_as_waiting_until_they_are_settled() -> Fact {
    let server = server();
    let scene = distant_scene_of(&server);
    let sale = scene.on_sale(10, 1).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    let sold_out = SoldOutWatch::new(scene.shared(), Arc::new(Catalogue::default()), Supervisor::default());
    let (acknowledged, mut heard) = watch::channel(0);
    let coming = [outcome_body(&all_confirmed(&batch))].into();
    let (outcomes, lag) = Counted::share(Box::new(Messages { coming, taken: 0, acknowledged }));
    server.stall(Duration::from_secs(60));
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Member::new(Settlement::new(scene.shared(), sold_out), belonging);
    let settling = tokio::spawn(settlement.run(joining(outcomes), leave.clone()));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(lag.lag().await?, 1, "the ledger has not answered");
    timeout(Duration::from_secs(300), heard.wait_for(|acknowledged| *acknowledged == 1)).await??;
    assert_eq!(lag.lag().await?, 0);
    leave.cancel();
    settling.await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_the_ledger_refuses_stays_open_and_does_not_keep_the_others_for_ever() -> Fact {
    let server = server();
    let scene = scene_of(&server);
    let sale = scene.on_sale(10, 1).await?;
    let refused = scene.deduct(crowd(sale, 2)?).await?;
    let intents = (0..3).map(|i| intent(sale, &format!("later-{i}"), "k", 1)).collect::<Result<_, _>>()?;
    let behind = scene.deduct(intents).await?;
    let ledger = flaw::refusing(ledger_of(&server), refused.id());
    let sold_out = SoldOutWatch::new(ledger.clone(), Arc::new(Catalogue::default()), Supervisor::default());
    let (acknowledged, mut heard) = watch::channel(0);
    let coming = [&refused, &behind].map(|batch| outcome_body(&all_confirmed(batch))).into();
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Member::new(Settlement::new(ledger, sold_out), belonging);
    let outcomes = joining(Messages { coming, taken: 0, acknowledged });
    let settling = tokio::spawn(settlement.run(outcomes, leave.clone()));

    sleep(Duration::from_secs(30)).await;
    assert_eq!(*heard.borrow_and_update(), 0, "it may still come to terms");
    let both = timeout(Duration::from_mins(2), heard.wait_for(|offset| *offset == 2));
    both.await.expect("the one behind is settled").unwrap();
    let open = scene.ledger().snapshot(sale).await?.unwrap().open;
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [refused.id()]);
    leave.cancel();
    settling.await.unwrap();
    Ok(())
}

/// A gateway that shares the producer group with those of another ledger.
#[tokio::test(start_paused = true)]
async fn a_check_back_for_another_ledger_gets_no_answer_and_leaves_no_fence() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 1).await?;
    let batch = scene.batch(crowd(sale, 2)?)?;
    let (ours, other) = (LedgerId::MIN, LedgerId::from_bytes([2; 16])?);
    let asked = |of| CheckedMessage {
        key: batch.id().to_string(),
        properties: Vec::new(),
        body: body::encode_batch(&batch, Some(of), NOW),
        asked_before: 0,
        born_at: NOW,
    };
    let nobody = CheckBack::new(scene.shared(), Arc::default());
    assert_eq!(nobody.check_back(asked(ours)).await, Resolution::Unknown, "it does not know its ledger yet");
    let gateway = CheckBack::new(scene.shared(), Arc::new(Belonging::agreed_on(ours)));
    assert_eq!(gateway.check_back(asked(other)).await, Resolution::Unknown);
    assert_eq!(scene.ledger().entry(batch.id()).await?, None, "no fence");
    assert_eq!(gateway.check_back(asked(ours)).await, Resolution::Rollback);
    Ok(())
}

//! Tests of check-back.

use flashgate_domain::BatchId;

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, crowd},
};
use crate::{Deduction, Fate, IntentResult};

/// The race that would leak units: check-back returns "roll back", and then the deduction arrives.
pub async fn late_deduct_after_check_back_is_refused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 2)?)?;
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Fenced);
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Fenced);
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Fenced);
    assert_eq!(scene.available(sale).await?, 10);
    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Pass], "no key of it is left");
    assert_eq!(scene.ledger().order(batch.id().base()).await?, None);
    Ok(())
}

/// As often as the broker asks.
pub async fn check_back_finds_a_deducted_batch(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    for _time in 0..2 {
        assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Deducted);
    }
    assert_eq!(scene.available(sale).await?, 8);
    Ok(())
}

/// A check-back can come after the settlement.
pub async fn check_back_finds_a_settled_batch(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Deducted);
    Ok(())
}

/// Two gateways created the same base: the batch that is not in the log can never be deducted.
pub async fn check_back_of_another_nonce_is_fenced(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    let twin = BatchId::from_parts(batch.id().base(), !batch.id().nonce());
    assert_eq!(scene.ledger().check_back(twin).await?, Fate::Fenced);
    let twin = scene.batch_as(twin, crowd(sale, 1)?)?;
    assert_eq!(scene.ledger().deduct(&twin, &[]).await?, Deduction::IdTaken);
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Deducted, "the first is as it was");
    Ok(())
}

/// It was not applied, so check-back finds nothing and fences it.
pub async fn a_refused_batch_leaves_no_trace(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(1, 5).await?;
    let batch = scene.batch(crowd(sale, 2)?)?;
    assert!(matches!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Refused(_)));
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Fenced);
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Fenced);
    Ok(())
}

//! Tests of the identity of a ledger, and of calls that expect another one.

use flashgate_domain::{LedgerId, StoreId};

use super::{
    Fact, Subject,
    scene::{MESSAGE, Scene, all_confirmed, cancelled_order, crowd, intent},
};
use crate::{LedgerError, LedgerIdentity};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn identity(number: u8) -> Result<LedgerIdentity> {
    Ok(LedgerIdentity {
        ledger: LedgerId::from_bytes([number; 16])?,
        store: StoreId::from_bytes([number + 100; 16])?,
    })
}

async fn establish_everywhere(scene: &Scene, given: LedgerIdentity) -> Fact {
    for shard in scene.shards() {
        assert_eq!(scene.ledger().establish(shard, given).await?, given);
    }
    Ok(())
}

/// A second call returns the identity of the first.
pub async fn an_identity_is_given_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (first, second) = (identity(1)?, identity(2)?);
    for shard in scene.shards() {
        assert_eq!(scene.ledger().identity(shard).await?, None, "a new ledger has none");
    }
    establish_everywhere(&scene, first).await?;
    for shard in scene.shards() {
        assert_eq!(scene.ledger().establish(shard, second).await?, first);
        assert_eq!(scene.ledger().identity(shard).await?, Some(first));
    }
    Ok(())
}

/// A process that expects another ledger gets no verdict, and its call leaves no trace.
pub async fn a_call_for_another_ledger_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let settled = scene.deduct(vec![intent(sale, "ada", "k", 1)?]).await?;
    scene.ledger().settle(&all_confirmed(&settled)).await?;
    let (open, other) = (scene.deduct(crowd(sale, 2)?).await?, scene.batch(crowd(sale, 3)?)?);
    let before = scene.snapshot(sale).await?;
    let here = identity(1)?;
    establish_everywhere(&scene, here).await?;
    scene.ledger().expect_ledger(identity(2)?.ledger);

    let is_other = |fault: LedgerError| {
        let found = Some(here.ledger);
        assert!(matches!(fault, LedgerError::OtherLedger { found: there } if there == found), "{fault}");
        assert!(fault.nothing_done());
    };
    let refused = |answer: std::result::Result<(), LedgerError>| answer.err().ok_or("a verdict was given");
    let ledger = scene.ledger();
    is_other(refused(ledger.screen(scene.shard(sale), other.intents()).await.map(drop))?);
    is_other(refused(ledger.deduct(&other, MESSAGE).await.map(drop))?);
    is_other(refused(ledger.check_back(other.id()).await.map(drop))?);
    is_other(refused(ledger.check_back(open.id()).await.map(drop))?);
    is_other(refused(ledger.settle(&all_confirmed(&open)).await.map(drop))?);
    is_other(refused(ledger.return_units(&cancelled_order(&settled, 0)?).await.map(drop))?);
    assert_eq!(ledger.entry(other.id()).await?, None, "nothing is fenced");
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// A process that was not given an expected ledger.
pub async fn a_process_that_expects_no_identity_is_refused_by_a_ledger_with_one(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    establish_everywhere(&scene, identity(1)?).await?;
    let fault = scene.ledger().check_back(batch.id()).await.err().ok_or("a verdict was given")?;
    assert!(matches!(fault, LedgerError::OtherLedger { found: Some(_) }), "{fault}");
    scene.ledger().expect_ledger(identity(1)?.ledger);
    scene.ledger().check_back(batch.id()).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    Ok(())
}

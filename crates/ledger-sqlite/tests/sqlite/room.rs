//! A full disk, and free space again.

use flashgate_ledger::{
    Deduction, Fate, LedgerError, Selling,
    contract::{
        Fact,
        scene::{Scene, crowd, intent},
    },
};

use super::{Place, scene};

/// More pages than the disk has.
const NO_BOUND: u32 = 1 << 30;

async fn fill(stage: &Scene, sale: flashgate_domain::SaleId) -> Result<(u64, LedgerError), String> {
    for number in 0..1_000_u64 {
        let intents = (0..100).map(|place| intent(sale, &format!("b{number}-{place}"), "k", 1));
        let batch = intents.collect::<Result<_, _>>().and_then(|intents| stage.batch(intents));
        match stage.ledger().deduct(&batch.map_err(|error| error.to_string())?, &[]).await {
            Ok(Deduction::Applied { .. }) => {}
            Ok(other) => return Err(format!("{other:?}")),
            Err(fault) => return Ok((number, fault)),
        }
    }
    Err("the disk was never full".to_owned())
}

#[tokio::test]
async fn a_full_disk_refuses_calls_until_space_is_free() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    let stage = scene(&ledger);
    let sale = stage.on_sale(1_000_000, 5).await?;
    ledger.limit_pages(60).await?;
    let (applied, fault) = fill(&stage, sale).await?;
    assert!(matches!(fault, LedgerError::Refused(_)), "{fault}");
    assert!(fault.nothing_done());
    let full = stage.snapshot(sale).await?;
    assert_eq!(
        (full.totals.deducted, full.keys),
        (applied * 100, applied * 100),
        "the refused one left nothing"
    );

    let again = stage.batch(crowd(sale, 500)?)?;
    let fault = ledger.deduct(&again, &[]).await.unwrap_err();
    assert!(fault.nothing_done(), "{fault}");
    assert_eq!(
        stage.screen(&crowd(sale, 1)?).await?,
        [flashgate_ledger::IntentResult::Pass],
        "reads still work"
    );
    assert_eq!(stage.snapshot(sale).await?, full);

    ledger.limit_pages(NO_BOUND).await?;
    assert!(matches!(ledger.deduct(&again, &[]).await?, Deduction::Applied { .. }));
    assert_eq!(ledger.check_back(again.id()).await?, Fate::Deducted);
    assert_eq!(stage.snapshot(sale).await?.totals.deducted, full.totals.deducted + 500);
    let after = stage.snapshot(sale).await?;
    ledger.shutdown().await?;
    assert_eq!(scene(&place.ledger()).snapshot(sale).await?, after, "the file says the same");
    Ok(())
}

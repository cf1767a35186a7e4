//! What each buyer of a sale holds in the ledger, compared with its orders: all buyers, page by page.

use flashgate_domain::{
    BuyerDigest, SaleId,
    audit::{BuyerUnits, Finding, Holdings, LedgerSnapshot},
};
use tokio::time::sleep;

use super::{
    examine::Plan,
    sides::{LedgerSide, SideError, StoreSide},
};

/// Maximum buyers of one call to the order store.
const PAGE: u32 = 20_000;
/// Maximum buyers of one call to the ledger: it is blocked meanwhile.
const DIGESTS: usize = 1_000;

/// Compares the holdings, and once more if they differ. `before`: the ledger, read before.
pub(crate) async fn compare(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    before: &LedgerSnapshot,
    plan: &Plan,
) -> Result<Vec<Finding>, SideError> {
    let Some(first) = differences(sale, ledger, store, before).await? else { return Ok(Vec::new()) };
    sleep(plan.pause).await;
    let Some(again) = ledger.snapshot(sale).await? else { return Ok(Vec::new()) };
    let Some(second) = differences(sale, ledger, store, &again).await? else { return Ok(Vec::new()) };
    let is_same = before.generation == again.generation;
    Ok(if is_same { first.agreed(&second).findings() } else { Vec::new() })
}

/// The differences of one reading; `None` if all agree.
async fn differences(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    before: &LedgerSnapshot,
) -> Result<Option<Holdings>, SideError> {
    let (mut read, mut after) = (Holdings::default(), None);
    while !read.is_full() {
        let page = store.buyers(sale, after.as_ref(), PAGE).await?;
        for buyers in page.chunks(DIGESTS) {
            let digests: Vec<BuyerDigest> = buyers.iter().map(|buyer| buyer.buyer.digest()).collect();
            let held = ledger.holdings(sale, &digests).await?;
            for ((BuyerUnits { units, .. }, digest), held) in buyers.iter().zip(&digests).zip(held) {
                read.add(*digest, *units, held);
            }
        }
        let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
        after = page.last().map(|last| last.buyer.clone());
        if is_last {
            break;
        }
    }
    if read.agrees(before) {
        return Ok(None);
    }
    let after = ledger.snapshot(sale).await?;
    Ok(after.map(|after| read.confirmed(before, &after)))
}

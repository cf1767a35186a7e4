//! What gateways cache.

use flashgate_domain::SaleId;
use flashgate_ledger::SaleStock;
use redis::Value;

use super::Fields;

/// The columns `available` and `epoch` of a sale.
pub(crate) fn stock_of(value: &Value, sale: SaleId) -> Option<Option<SaleStock>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(2) {
        return Some(None);
    }
    Some(Some(SaleStock { sale, available: fields.signed()?, epoch: fields.number()? }))
}

/// One step of HSCAN on the keys of a sale: adds to `found`, and returns the cursor of the next step.
pub(crate) fn scanned(value: &Value, found: &mut Vec<[u8; 8]>) -> Option<u64> {
    let mut fields = Fields::new(value)?;
    let cursor = fields.number()?;
    let mut pairs = Fields::new(fields.0.next()?)?;
    while !pairs.is_empty() {
        let digest = pairs.bytes()?;
        let _order = pairs.bytes()?;
        found.push(digest.get(..8)?.try_into().ok()?);
    }
    Some(cursor)
}

//! Recorded orders, batches and sales.

use flashgate_domain::{
    BatchId, SaleId, Timestamp,
    audit::{Amount, LostEntry},
};
use flashgate_ledger::{
    LedgerOrder, LedgerState, LogEntry, LogStatus, OpenBatch, Snapshot, Totals, WrittenCounts,
    intents::{INTENT_BYTES, IntentFields},
};
use redis::Value;

use super::Fields;
use crate::pack::state_of_byte;

/// The size of a sale in the column `sales` of a log entry.
const SHARE_BYTES: usize = 16;

/// Units held, one number per buyer, from HMGET.
pub(crate) fn holdings(value: &Value) -> Option<Vec<u64>> {
    let mut fields = Fields::new(value)?;
    let mut units = Vec::new();
    while !fields.is_empty() {
        units.push(if fields.next_is_nil(1) { 0 } else { fields.number()? });
    }
    Some(units)
}

/// The reply of `order.lua`.
pub(crate) fn order(value: &Value) -> Option<Option<LedgerOrder>> {
    if *value == Value::Nil {
        return Some(None);
    }
    let mut fields = Fields::new(value)?;
    let sale = u64::from_be_bytes(fields.bytes()?.try_into().ok()?);
    let IntentFields { quantity, buyer, .. } = IntentFields::unpack(fields.bytes()?.try_into().ok()?)?;
    let state = state_of_byte(*fields.bytes()?.first()?)?;
    Some(Some(LedgerOrder { sale: SaleId::new(sale).ok()?, buyer, quantity, state }))
}

/// One reply of `snapshot.lua`.
#[derive(Debug)]
pub(crate) struct SnapshotPage {
    /// The sale at the time of the call, with the open batches of the page.
    pub(crate) snapshot: Snapshot,
    /// The deduction time of the last batch of the page, if there may be more batches.
    pub(crate) next_from: Option<Timestamp>,
}

/// The reply of `snapshot.lua`.
pub(crate) fn snapshot(value: &Value) -> Option<Option<SnapshotPage>> {
    if *value == Value::Nil {
        return Some(None);
    }
    let mut fields = Fields::new(value)?;
    let state = LedgerState::parse(fields.text()?)?;
    let generation = fields.number()?;
    let totals = Totals {
        initial: fields.number()?,
        restocked: fields.number()?,
        returned: fields.number()?,
        deducted: fields.number()?,
        written_off: fields.number()?,
        reclaimed: fields.number()?,
        released: fields.number()?,
        available: fields.signed()?,
    };
    let (epoch, sequence, adjustments) = (fields.number()?, fields.number()?, fields.number()?);
    let (pending_orders, _pending_units) = (fields.signed()?, fields.signed()?);
    let written = WrittenCounts { buyers: fields.number()?, keys: fields.number()? };
    let (buyers, keys) = (fields.number()?, fields.number()?);
    let taken_at = Timestamp::from_millis(fields.number()?);
    let next_from = Some(fields.number()?).filter(|at| *at > 0).map(Timestamp::from_millis);
    let lost_count: u64 = fields.number()?;
    let mut lost = Vec::new();
    for _entry in 0..lost_count {
        let batch = fields.text()?.parse::<BatchId>().ok()?;
        lost.push(LostEntry { batch, deducted_at: Timestamp::from_millis(fields.number()?) });
    }
    let mut open = Vec::new();
    while !fields.is_empty() {
        open.push(OpenBatch {
            id: fields.text()?.parse::<BatchId>().ok()?,
            deducted_at: Timestamp::from_millis(fields.number()?),
            amount: Amount { orders: fields.number()?, units: fields.number()? },
        });
    }
    let snapshot = Snapshot {
        state,
        generation,
        totals,
        epoch,
        sequence,
        adjustments,
        buyers,
        keys,
        written,
        pending_orders,
        taken_at,
        open,
        lost,
    };
    Some(Some(SnapshotPage { snapshot, next_from }))
}

/// The columns `status`, `nonce`, `sales`, `intents` and `states` of the log entry of `batch`.
pub(crate) fn entry(value: &Value, batch: BatchId) -> Option<Option<LogEntry>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(5) {
        return Some(None);
    }
    let status = LogStatus::parse(fields.text()?)?;
    if u64::from_str_radix(fields.text()?, 16).ok()? != batch.nonce() {
        return Some(None);
    }
    let orders = match status {
        LogStatus::Fenced => Vec::new(),
        LogStatus::Deducted | LogStatus::Acknowledged => {
            logged_orders(fields.bytes()?, fields.bytes()?, fields.bytes()?)?
        }
    };
    Some(Some(LogEntry { status, orders }))
}

/// The columns `status`, `nonce` and `body` of the log entry of `batch`.
pub(crate) fn message(value: &Value, batch: BatchId) -> Option<Option<Vec<u8>>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(3) {
        return Some(None);
    }
    let is_open = LogStatus::parse(fields.text()?)? == LogStatus::Deducted;
    let is_it = u64::from_str_radix(fields.text()?, 16).ok()? == batch.nonce();
    if !is_open || !is_it || fields.next_is_nil(1) {
        return Some(None);
    }
    Some(Some(fields.bytes()?.to_vec()))
}

/// The orders of a log entry: for each sale id u64, orders u32 and units u32; the intents; a state each.
fn logged_orders(sales: &[u8], intents: &[u8], states: &[u8]) -> Option<Vec<LedgerOrder>> {
    let (intents, rest) = intents.as_chunks::<INTENT_BYTES>();
    (rest.is_empty() && intents.len() == states.len()).then_some(())?;
    let order = |(intent, state): (&[u8; INTENT_BYTES], &u8)| {
        let IntentFields { sale, quantity, buyer, .. } = IntentFields::unpack(intent)?;
        let sale = u64::from_be_bytes(*sales.get(usize::from(sale) * SHARE_BYTES..)?.first_chunk()?);
        Some(LedgerOrder { sale: SaleId::new(sale).ok()?, buyer, quantity, state: state_of_byte(*state)? })
    };
    intents.iter().zip(states).map(order).collect()
}

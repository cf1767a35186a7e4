//! The snapshots of ledger and order store on the wire, converted to and from the types of the audit.

use flashgate_domain::{
    BuyerId, SaleState, Timestamp, Totals,
    audit::{
        Amount, BatchSums, BuyerUnits, DecidedBatch, LedgerSnapshot, LostEntry, OpenBatch, StoreSnapshot,
        Sums, WrittenCounts,
    },
};

use crate::{
    body::{BodyError, batch_id},
    v1,
};

const fn amount_message(amount: Amount) -> Option<v1::Amount> {
    Some(v1::Amount { orders: amount.orders, units: amount.units })
}

fn amount(message: Option<v1::Amount>) -> Amount {
    message.map_or_else(Amount::default, |amount| Amount { orders: amount.orders, units: amount.units })
}

/// Encodes sums.
pub const fn sums_message(sums: &Sums) -> v1::DecisionSums {
    v1::DecisionSums {
        pending: amount_message(sums.pending),
        confirmed: amount_message(sums.confirmed),
        written_off: amount_message(sums.written_off),
        returned: amount_message(sums.returned),
    }
}

/// Decodes sums.
pub fn sums(message: Option<v1::DecisionSums>) -> Sums {
    let message = message.unwrap_or_default();
    Sums {
        pending: amount(message.pending),
        confirmed: amount(message.confirmed),
        written_off: amount(message.written_off),
        returned: amount(message.returned),
    }
}

/// Decodes a snapshot of the ledger.
pub fn ledger_snapshot(message: v1::LedgerSnapshot) -> Result<LedgerSnapshot, BodyError> {
    let held = |held: v1::HeldBatch| {
        Ok(OpenBatch {
            id: batch_id(&held.batch_id)?,
            deducted_at: Timestamp::from_millis(held.deducted_at_ms),
            amount: Amount { orders: held.orders, units: held.units },
        })
    };
    let lost = |lost: v1::LostEntry| {
        let deducted_at = Timestamp::from_millis(lost.deducted_at_ms);
        Ok(LostEntry { batch: batch_id(&lost.batch_id)?, deducted_at })
    };
    Ok(LedgerSnapshot {
        generation: message.generation,
        sequence: message.sequence,
        adjustments: message.adjustments,
        totals: Totals {
            initial: message.initial,
            restocked: message.restocked,
            returned: message.returned,
            deducted: message.deducted,
            written_off: message.written_off,
            reclaimed: message.reclaimed,
            released: message.released,
            available: message.available,
        },
        keys: message.keys,
        buyers: message.buyers,
        written: message.written.map(|fields| WrittenCounts { buyers: fields.buyers, keys: fields.keys }),
        taken_at: Timestamp::from_millis(message.taken_at_ms),
        open: message.open.into_iter().map(held).collect::<Result<_, BodyError>>()?,
        lost: message.lost.into_iter().map(lost).collect::<Result<_, BodyError>>()?,
    })
}

fn batch_sums_message(of_sale: &BatchSums, orders: u32) -> v1::BatchSums {
    let batch_id = of_sale.batch.to_bytes().to_vec();
    v1::BatchSums { batch_id, sums: Some(sums_message(&of_sale.sums)), orders }
}

fn batch_sums(message: v1::BatchSums) -> Result<BatchSums, BodyError> {
    Ok(BatchSums { batch: batch_id(&message.batch_id)?, sums: sums(message.sums) })
}

/// Encodes a snapshot of the order store.
pub fn store_snapshot_message(snapshot: &StoreSnapshot) -> v1::StoreSnapshot {
    v1::StoreSnapshot {
        state: snapshot.state.as_str().to_owned(),
        generation: snapshot.generation,
        initial: snapshot.initial,
        restocked: snapshot.restocked,
        returned: snapshot.returned,
        saleable: snapshot.saleable,
        reserved: snapshot.reserved,
        adjustments: snapshot.adjustments,
        orders_counted: snapshot.counted,
        orders: Some(sums_message(&snapshot.orders)),
        decided: snapshot.decided.iter().map(|decided| batch_sums_message(decided, 0)).collect(),
    }
}

/// Decodes a snapshot of the order store; an incomplete one is an error.
pub fn store_snapshot(message: v1::StoreSnapshot) -> Result<StoreSnapshot, BodyError> {
    let snapshot = StoreSnapshot {
        state: SaleState::parse(&message.state).ok_or(BodyError::of("state"))?,
        generation: message.generation,
        initial: message.initial,
        restocked: message.restocked,
        returned: message.returned,
        saleable: message.saleable,
        reserved: message.reserved,
        adjustments: message.adjustments,
        counted: message.orders_counted,
        orders: sums(message.orders),
        decided: message.decided.into_iter().map(batch_sums).collect::<Result<_, _>>()?,
    };
    if snapshot.is_whole() { Ok(snapshot) } else { Err(BodyError::of("orders_counted")) }
}

/// Encodes a page of decided batches.
pub fn batches_message(batches: &[DecidedBatch]) -> v1::ListBatchesResponse {
    let message = |batch: &DecidedBatch| batch_sums_message(&batch.of_sale, batch.orders);
    v1::ListBatchesResponse { batches: batches.iter().map(message).collect() }
}

/// Decodes a page of decided batches.
pub fn batches(message: v1::ListBatchesResponse) -> Result<Vec<DecidedBatch>, BodyError> {
    let decided = |batch: v1::BatchSums| {
        let orders = batch.orders;
        Ok(DecidedBatch { of_sale: batch_sums(batch)?, orders })
    };
    message.batches.into_iter().map(decided).collect()
}

/// Encodes a page of buyers.
pub fn buyers_message(buyers: &[BuyerUnits]) -> v1::ListBuyersResponse {
    let message =
        |buyer: &BuyerUnits| v1::BuyerUnits { buyer_id: buyer.buyer.as_str().to_owned(), units: buyer.units };
    v1::ListBuyersResponse { buyers: buyers.iter().map(message).collect() }
}

/// Decodes a page of buyers.
pub fn buyers(message: v1::ListBuyersResponse) -> Result<Vec<BuyerUnits>, BodyError> {
    let units = |told: v1::BuyerUnits| {
        let buyer = BuyerId::new(&told.buyer_id).map_err(|_invalid| BodyError::of("buyer_id"))?;
        Ok(BuyerUnits { buyer, units: told.units })
    };
    message.buyers.into_iter().map(units).collect()
}

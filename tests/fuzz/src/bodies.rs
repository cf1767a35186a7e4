//! Bodies of messages on the topics, and ids as texts and bytes.

use bytes::Bytes;
use flashgate_domain::{BatchId, BuyerId, IdempotencyKey, OrderId, SaleId, Timestamp};
use flashgate_proto::{body, event, timer};

const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// A half-message: what was read is read again from what is written of it.
pub fn batch(bytes: &[u8]) -> bool {
    let Ok(batch) = body::decode_batch(Bytes::copy_from_slice(bytes)) else { return false };
    let again = body::decode_batch(body::encode_batch(&batch.batch, batch.ledger, NOW));
    assert_eq!(again.ok().as_ref(), Some(&batch));
    true
}

/// Outcomes: likewise.
pub fn outcomes(bytes: &[u8]) -> bool {
    let Ok(outcomes) = body::decode_outcomes(Bytes::copy_from_slice(bytes)) else { return false };
    let again = body::decode_outcomes(body::encode_outcomes(&outcomes.batches, outcomes.ledger));
    assert_eq!(again.ok().as_ref(), Some(&outcomes));
    true
}

/// A transition of an order: likewise.
pub fn lifecycle(bytes: &[u8]) -> bool {
    let Ok((event, ledger)) = event::decode_event(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(event::decode_event(event::encode_event(&event, ledger)).ok(), Some((event, ledger)));
    true
}

/// A timer of payment deadlines: likewise.
pub fn timer(bytes: &[u8]) -> bool {
    let Ok(timer) = timer::decode_timer(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(timer::decode_timer(timer::encode_timer(&timer)).ok(), Some(timer));
    true
}

/// A sale that changed: likewise.
pub fn sale_event(bytes: &[u8]) -> bool {
    let Ok(sale) = body::decode_sale_event(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(body::decode_sale_event(body::encode_sale_event(sale)).ok(), Some(sale));
    true
}

/// Ids, keys and names: what they are written as is read as the same.
pub fn ids(bytes: &[u8]) -> bool {
    if let Ok(batch) = BatchId::from_bytes(bytes) {
        assert_eq!(batch.to_bytes(), bytes);
        assert_eq!(batch.to_string().parse().ok(), Some(batch));
        return true;
    }
    let named = BuyerId::new(bytes).is_ok() | IdempotencyKey::new(bytes).is_ok();
    let Ok(text) = std::str::from_utf8(bytes) else { return named };
    if let Ok(batch) = text.parse::<BatchId>() {
        assert_eq!(BatchId::from_bytes(&batch.to_bytes()).ok(), Some(batch));
    }
    if let Ok(order) = text.parse::<OrderId>() {
        assert_eq!(order.to_string().parse().ok(), Some(order));
        assert_eq!(OrderId::new(order.get()).ok(), Some(order));
    }
    if let Ok(sale) = text.parse::<SaleId>() {
        assert_eq!(sale.to_string().parse().ok(), Some(sale));
    }
    named
}

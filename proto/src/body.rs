//! The bodies of the messages on the topics, converted to and from domain types.

use bytes::Bytes;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, CancelReason, Decision, IdempotencyKey, Intent, LedgerId,
    OrderOutcome, OrderState, Quantity, SaleId, Timestamp,
};
use prost::Message;
use thiserror::Error;

use crate::v1;

/// A body that is not a message of this version. Such a message becomes a dead letter.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The body is not the protobuf message of the topic.
    #[error("the body is not a message of this topic: {0}")]
    NotProtobuf(#[from] prost::DecodeError),
    /// A field has an invalid value.
    #[error("the field {field} of the body is wrong")]
    WrongField {
        /// The field, as in the .proto file.
        field: &'static str,
    },
}

impl BodyError {
    pub(crate) const fn of(field: &'static str) -> Self {
        Self::WrongField { field }
    }
}

fn wrong<E>(field: &'static str) -> impl FnOnce(E) -> BodyError {
    move |_why| BodyError::of(field)
}

/// Encodes `intent` for a body.
pub fn intent_body(intent: &Intent) -> v1::BatchIntent {
    v1::BatchIntent {
        sale_id: intent.sale().get(),
        buyer_id: intent.buyer().as_str().to_owned(),
        idempotency_key: intent.key().as_str().to_owned(),
        quantity: intent.quantity().get(),
    }
}

/// Decodes the intent in a body.
pub fn intent(body: v1::BatchIntent) -> Result<Intent, BodyError> {
    Ok(Intent::new(
        SaleId::new(body.sale_id).map_err(wrong("sale_id"))?,
        BuyerId::new(body.buyer_id).map_err(wrong("buyer_id"))?,
        IdempotencyKey::new(body.idempotency_key).map_err(wrong("idempotency_key"))?,
        Quantity::new(body.quantity).map_err(wrong("quantity"))?,
    ))
}

/// Decodes the reason of a cancellation; `None` if the field is empty.
pub fn cancel_reason(name: &str) -> Result<Option<CancelReason>, BodyError> {
    if name.is_empty() {
        return Ok(None);
    }
    CancelReason::parse(name).map(Some).ok_or(BodyError::of("cancel_reason"))
}

/// Encodes the reason of a cancelled order; empty if it is not cancelled.
pub(crate) fn reason_name(state: OrderState) -> String {
    state.reason().map_or("", CancelReason::as_str).to_owned()
}

/// Decodes a batch id.
pub fn batch_id(bytes: &[u8]) -> Result<BatchId, BodyError> {
    BatchId::from_bytes(bytes).map_err(wrong("batch_id"))
}

/// Decodes a ledger id; `None` if the field is empty.
pub fn ledger_id(bytes: &[u8]) -> Result<Option<LedgerId>, BodyError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.try_into().map_err(wrong("ledger_id"))?;
    LedgerId::from_bytes(bytes).map(Some).map_err(wrong("ledger_id"))
}

pub(crate) fn ledger_bytes(ledger: Option<LedgerId>) -> Vec<u8> {
    ledger.map_or_else(Vec::new, |ledger| ledger.to_bytes().to_vec())
}

/// A batch, and the ledger that it was deducted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerBatch {
    /// `None` in a message of a version without identities.
    pub ledger: Option<LedgerId>,
    /// The batch.
    pub batch: Batch,
}

/// Outcomes, and the ledger that they are settled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerOutcomes {
    /// `None` in a message of a version without identities.
    pub ledger: Option<LedgerId>,
    /// The outcomes of whole batches.
    pub batches: Vec<BatchOutcome>,
}

/// The body of the half-message of `batch`, deducted from `ledger`, made at `created_at`.
pub fn encode_batch(batch: &Batch, ledger: Option<LedgerId>, created_at: Timestamp) -> Bytes {
    let body = v1::OrderBatch {
        batch_id: Bytes::copy_from_slice(&batch.id().to_bytes()),
        intents: batch.intents().iter().map(intent_body).collect(),
        created_at_ms: created_at.as_millis(),
        ledger_id: ledger_bytes(ledger),
    };
    body.encode_to_vec().into()
}

/// Decodes a message of the topic `<prefix>-orders`.
pub fn decode_batch(body: Bytes) -> Result<LedgerBatch, BodyError> {
    let body = v1::OrderBatch::decode(body)?;
    let (id, ledger) = (batch_id(&body.batch_id)?, ledger_id(&body.ledger_id)?);
    let intents = body.intents.into_iter().map(intent).collect::<Result<Vec<_>, _>>()?;
    let batch = Batch::new(id, intents).ok_or(BodyError::of("intents"))?;
    Ok(LedgerBatch { ledger, batch })
}

/// The body of a message with the outcomes of whole batches, to be settled in `ledger`.
pub fn encode_outcomes(batches: &[BatchOutcome], ledger: Option<LedgerId>) -> Bytes {
    let batches = batches.iter().map(outcome_body).collect();
    v1::Outcomes { batches, ledger_id: ledger_bytes(ledger) }.encode_to_vec().into()
}

/// Encodes the outcome of one batch for a body.
pub fn outcome_body(batch: &BatchOutcome) -> v1::BatchOutcome {
    let order = |order: &OrderOutcome| v1::OrderOutcome {
        intent: Some(intent_body(&order.intent)),
        cancel_reason: reason_name(order.decision.state()),
    };
    v1::BatchOutcome {
        batch_id: batch.batch.to_bytes().to_vec(),
        orders: batch.orders.iter().map(order).collect(),
    }
}

/// Decodes a message of the topic `<prefix>-outcomes`.
pub fn decode_outcomes(body: Bytes) -> Result<LedgerOutcomes, BodyError> {
    let body = v1::Outcomes::decode(body)?;
    let ledger = ledger_id(&body.ledger_id)?;
    Ok(LedgerOutcomes {
        ledger,
        batches: body.batches.into_iter().map(batch_outcome).collect::<Result<_, _>>()?,
    })
}

/// Decodes the outcome of one batch in a body.
pub fn batch_outcome(body: v1::BatchOutcome) -> Result<BatchOutcome, BodyError> {
    let batch = batch_id(&body.batch_id)?;
    let orders = body.orders.into_iter().enumerate().map(|(index, order)| order_outcome(batch, index, order));
    Ok(BatchOutcome { batch, orders: orders.collect::<Result<_, _>>()? })
}

fn order_outcome(batch: BatchId, index: usize, body: v1::OrderOutcome) -> Result<OrderOutcome, BodyError> {
    let decision = cancel_reason(&body.cancel_reason)?.map_or(Decision::Confirmed, Decision::Cancelled);
    let order = batch.order(index).ok_or(BodyError::of("orders"))?;
    let asked = body.intent.ok_or(BodyError::of("intent"))?;
    Ok(OrderOutcome { order, intent: intent(asked)?, decision })
}

/// The body of an event that a sale changed.
pub fn encode_sale_event(sale: SaleId) -> Bytes {
    v1::SaleEvent { sale_id: sale.get() }.encode_to_vec().into()
}

/// Decodes a message of the topic `<prefix>-sales`.
pub fn decode_sale_event(body: Bytes) -> Result<SaleId, BodyError> {
    SaleId::new(v1::SaleEvent::decode(body)?.sale_id).map_err(wrong("sale_id"))
}

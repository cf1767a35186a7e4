//! Dead letters: messages that the order workers have given up, and decisions about them.

mod decided;

pub use decided::{DecidedLetterView, DecidedLettersView, Decision, SaleUnitsView, record};
use flashgate_domain::BatchId;
use flashgate_proto::v1;
use serde::Serialize;

use super::not_empty;

/// A dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct LetterView {
    /// Its id: broker/queue:offset.
    pub id: String,
    /// When the message became a dead letter.
    pub given_up_at_ms: u64,
    /// The stable name of the reason.
    pub reason: String,
    /// The error as a sentence.
    pub detail: String,
    /// The key of the message.
    pub key: String,
    /// The batch that the key or the body names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// The location of the original message.
    pub origin: OriginView,
    /// The length of the body.
    pub body_bytes: u64,
    /// Orders of the batch in the body; absent if it cannot be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<u32>,
    /// Their units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    /// Whether the order store has decided the batch.
    pub decided: bool,
    /// `waiting`, `replayed` or `dropped`.
    pub standing: String,
    /// The last decision about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

/// The location of a message before it became a dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct OriginView {
    /// The topic; empty if unknown.
    pub topic: String,
    /// The queue.
    pub queue: String,
    /// The offset in the queue.
    pub offset: String,
    /// The broker's id of the message.
    pub message_id: String,
}

/// A decision about a letter.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionView {
    /// The id of the record.
    pub repair_id: String,
    /// The operator who decided.
    pub actor: String,
    /// The reason.
    pub reason: String,
    /// The time of the decision.
    pub decided_at_ms: u64,
}

impl From<v1::DeadLetter> for LetterView {
    fn from(letter: v1::DeadLetter) -> Self {
        let decodes = letter.orders > 0;
        let v1::DeadLetterOrigin { topic, queue, offset, message_id } = letter.origin.unwrap_or_default();
        Self {
            id: letter.id,
            given_up_at_ms: letter.given_up_at_ms,
            reason: letter.reason,
            detail: letter.detail,
            key: letter.key,
            batch_id: not_empty(letter.batch_id),
            origin: OriginView { topic, queue, offset, message_id },
            body_bytes: letter.body_bytes,
            orders: decodes.then_some(letter.orders),
            units: decodes.then_some(letter.units),
            decided: letter.decided,
            standing: letter.standing,
            decision: letter.decision.map(DecisionView::from),
        }
    }
}

impl From<v1::DeadLetterDecision> for DecisionView {
    fn from(decision: v1::DeadLetterDecision) -> Self {
        let v1::DeadLetterDecision { repair_id, actor, reason, decided_at_ms } = decision;
        Self { repair_id: repair_id.to_string(), actor, reason, decided_at_ms }
    }
}

/// A page of dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct LettersView {
    /// By queue, the oldest first.
    pub letters: Vec<LetterView>,
    /// The id after which the next page begins; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl LettersView {
    /// A page of these letters; `next` is empty on the last page.
    pub fn new(letters: Vec<LetterView>, next: String) -> Self {
        Self { letters, next: not_empty(next) }
    }
}

/// A dead letter with its body.
#[derive(Clone, Debug, Serialize)]
pub struct LetterWithBodyView {
    /// The letter.
    #[serde(flatten)]
    pub letter: LetterView,
    /// The orders that its batch asks for; none if the body cannot be decoded.
    pub order_list: Vec<LetterOrderView>,
    /// The first bytes of a body that cannot be decoded, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_head: Option<String>,
}

/// An order that the batch in a letter asks for.
#[derive(Clone, Debug, Serialize)]
pub struct LetterOrderView {
    /// The order.
    pub order_id: String,
    /// The sale.
    pub sale_id: String,
    /// The buyer.
    pub buyer_id: String,
    /// The buyer's key for this purchase.
    pub idempotency_key: String,
    /// The number of units.
    pub quantity: u32,
}

impl LetterWithBodyView {
    /// `None` if the response has intents and no batch.
    pub fn new(response: v1::ShowDeadLetterResponse) -> Option<Self> {
        let v1::ShowDeadLetterResponse { letter, intents, head } = response;
        let letter = LetterView::from(letter?);
        let batch: Option<BatchId> = letter.batch_id.as_ref().and_then(|id| id.parse().ok());
        let order = |(index, intent): (usize, v1::BatchIntent)| {
            let v1::BatchIntent { sale_id, buyer_id, idempotency_key, quantity } = intent;
            let (order_id, sale_id) = (batch?.order(index)?.to_string(), sale_id.to_string());
            Some(LetterOrderView { order_id, sale_id, buyer_id, idempotency_key, quantity })
        };
        let order_list = intents.into_iter().enumerate().map(order).collect::<Option<Vec<_>>>()?;
        let body_head =
            letter.orders.is_none().then(|| head.iter().map(|byte| format!("{byte:02x}")).collect());
        Some(Self { letter, order_list, body_head })
    }
}

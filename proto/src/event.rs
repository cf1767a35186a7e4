//! The event of an order on the wire. The only place that converts events.

use bytes::Bytes;
use flashgate_domain::{Actor, CancelReason, Cause, LedgerId, OrderEvent, OrderId, OrderState, Timestamp};
use prost::Message;

use crate::{
    body::{self, BodyError},
    order::state,
    v1,
};

/// Encodes `event`.
pub fn event_message(event: &OrderEvent) -> v1::OrderEvent {
    let OrderEvent { order, batch, intent, version, from, to, actor, cause, at } = event;
    let reason = |state: &OrderState| state.reason().map_or("", CancelReason::as_str).to_owned();
    v1::OrderEvent {
        order_id: order.to_string(),
        batch_id: batch.to_bytes().to_vec(),
        intent: Some(body::intent_body(intent)),
        version: *version,
        from_state: from.as_str().to_owned(),
        from_reason: reason(from),
        to_state: to.as_str().to_owned(),
        to_reason: reason(to),
        actor: actor.to_string(),
        cause: cause.as_str().to_owned(),
        at_ms: at.as_millis(),
    }
}

/// Decodes an event.
///
/// # Errors
/// The first invalid field.
pub fn event(message: v1::OrderEvent) -> Result<OrderEvent, BodyError> {
    let batch = body::batch_id(&message.batch_id)?;
    let order: OrderId = message.order_id.parse().map_err(|_invalid| BodyError::of("order_id"))?;
    if order.base() != batch.base() {
        return Err(BodyError::of("order_id"));
    }
    Ok(OrderEvent {
        order,
        batch,
        intent: body::intent(message.intent.ok_or(BodyError::of("intent"))?)?,
        version: message.version,
        from: state(&message.from_state, &message.from_reason)?,
        to: state(&message.to_state, &message.to_reason)?,
        actor: Actor::parse(&message.actor).ok_or(BodyError::of("actor"))?,
        cause: Cause::new(message.cause).map_err(|_invalid| BodyError::of("cause"))?,
        at: Timestamp::from_millis(message.at_ms),
    })
}

/// The body of the message of an event, for the ledger that returns the units of the order.
pub fn encode_event(event: &OrderEvent, ledger: Option<LedgerId>) -> Bytes {
    let ledger_id = body::ledger_bytes(ledger);
    v1::LifecycleMessage { event: Some(event_message(event)), ledger_id }.encode_to_vec().into()
}

/// Decodes a message of the topic `<prefix>-lifecycle`.
///
/// # Errors
/// It is not a message of this version.
pub fn decode_event(body: Bytes) -> Result<(OrderEvent, Option<LedgerId>), BodyError> {
    let v1::LifecycleMessage { event: message, ledger_id } = v1::LifecycleMessage::decode(body)?;
    let ledger = body::ledger_id(&ledger_id)?;
    Ok((event(message.ok_or(BodyError::of("event"))?)?, ledger))
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{BuyerId, IdempotencyKey, Intent, OperatorName, Quantity, SaleId};

    use super::*;

    fn cancelled() -> OrderEvent {
        let batch: flashgate_domain::BatchId = "0000000000020400000000000000002a".parse().unwrap();
        let [buyer, key] = ["anna", "k1"];
        OrderEvent {
            order: batch.order(3).unwrap(),
            batch,
            intent: Intent::new(
                SaleId::new(7).unwrap(),
                BuyerId::new(buyer).unwrap(),
                IdempotencyKey::new(key).unwrap(),
                Quantity::new(2).unwrap(),
            ),
            version: 2,
            from: OrderState::Confirmed,
            to: OrderState::Cancelled(CancelReason::ByOperator),
            actor: Actor::Operator(OperatorName::new("Zo\u{eb}").unwrap()),
            cause: Cause::new("asked by phone").unwrap(),
            at: Timestamp::from_millis(5),
        }
    }

    #[test]
    fn an_event_comes_through_a_message_unchanged() {
        let (event, ledger) = (cancelled(), Some(LedgerId::MIN));
        assert_eq!(decode_event(encode_event(&event, ledger)).unwrap(), (event, ledger));
    }

    #[test]
    fn an_invalid_field_is_named() {
        let of = |edit: fn(&mut v1::OrderEvent)| {
            let mut message = event_message(&cancelled());
            edit(&mut message);
            event(message).unwrap_err().to_string()
        };
        let named = |field: &str| format!("the field {field} of the body is wrong");
        assert_eq!(of(|event| event.order_id = "x".to_owned()), named("order_id"));
        assert_eq!(of(|event| event.order_id = "9".to_owned()), named("order_id"), "not of the batch");
        assert_eq!(of(|event| event.batch_id.clear()), named("batch_id"));
        assert_eq!(of(|event| event.intent = None), named("intent"));
        assert_eq!(of(|event| event.to_reason.clear()), named("state"));
        assert_eq!(of(|event| event.from_reason = "x".to_owned()), named("cancel_reason"));
        assert_eq!(of(|event| event.actor.clear()), named("actor"));
        assert_eq!(of(|event| event.cause = "\0".to_owned()), named("cause"));
    }
}

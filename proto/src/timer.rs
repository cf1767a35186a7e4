//! The timer of payment deadlines on the wire. The only place that converts timers.

use bytes::Bytes;
use flashgate_domain::{OrderId, Timestamp};
use prost::Message;

use crate::{body::BodyError, v1};

/// Maximum batches in one timer: more than a chunk of the order worker has.
pub const TIMER_BATCHES_MAX: usize = 4_096;

/// Orders are due at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When.
    pub due_at: Timestamp,
    /// The first order of each of their batches.
    pub batches: Vec<OrderId>,
}

/// Encodes `timer`.
pub fn encode_timer(timer: &Timer) -> Bytes {
    let first_order_ids = timer.batches.iter().map(|base| base.get()).collect();
    v1::PaymentTimer { due_at_ms: timer.due_at.as_millis(), first_order_ids }.encode_to_vec().into()
}

/// Decodes a message of the topic `<prefix>-timers`.
///
/// # Errors
/// The first invalid field.
pub fn decode_timer(body: Bytes) -> Result<Timer, BodyError> {
    let v1::PaymentTimer { due_at_ms, first_order_ids } = v1::PaymentTimer::decode(body)?;
    let wrong = || BodyError::of("first_order_ids");
    if first_order_ids.is_empty() || first_order_ids.len() > TIMER_BATCHES_MAX {
        return Err(wrong());
    }
    let base = |number| OrderId::new(number).ok().filter(|order| order.base() == *order).ok_or_else(wrong);
    let batches = first_order_ids.into_iter().map(base).collect::<Result<_, _>>()?;
    if due_at_ms == 0 {
        return Err(BodyError::of("due_at_ms"));
    }
    Ok(Timer { due_at: Timestamp::from_millis(due_at_ms), batches })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_comes_through_a_message_unchanged() {
        let batches = [1_024, 4_096].map(|number| OrderId::new(number).unwrap()).to_vec();
        let timer = Timer { due_at: Timestamp::from_millis(7), batches };
        assert_eq!(decode_timer(encode_timer(&timer)).unwrap(), timer);
    }

    #[test]
    fn an_invalid_field_is_named() {
        let of = |due_at_ms, first_order_ids| {
            let body = v1::PaymentTimer { due_at_ms, first_order_ids }.encode_to_vec();
            decode_timer(body.into()).unwrap_err().to_string()
        };
        let named = |field: &str| format!("the field {field} of the body is wrong");
        assert_eq!(of(0, vec![1_024]), named("due_at_ms"));
        for ids in [vec![], vec![0], vec![1_025], vec![u64::MAX], vec![1_024; TIMER_BATCHES_MAX + 1]] {
            assert_eq!(of(1, ids), named("first_order_ids"));
        }
    }
}

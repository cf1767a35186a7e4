//! The body of a callback: what a provider reports by itself.
//!
//! ```json
//! {"type": "payment.paid", "timestamp": "2026-11-27T10:00:00Z",
//!  "data": {"attempt_id": "1024-1", "amount_minor": 1999, "currency": "EUR"}}
//! ```
//!
//! | `type` | further fields of `data` |
//! |---|---|
//! | `payment.paid`, `payment.reversed` | `amount_minor`, `currency`: what was taken, or given back |
//! | `payment.closed` | |
//! | `refund.succeeded`, `refund.failed`, `refund.requires_action`, `refund.cancelled` | `refund_id`, `amount_minor`, `currency` |
//!
//! `id` at the top is the callback's id, where the headers have none. Unknown fields are ignored, and so is a callback
//! of an unknown type: a provider adds both without notice.

mod fields;

use flashgate_domain::{AttemptId, CallbackId, Money, RefundId, RefundState, Timestamp};
use serde_json::{Value, json};
use thiserror::Error;

use self::fields::Fields;
use crate::signature::{SignatureError, Verified};

/// Maximum length of the body of a callback, in bytes. The specification of Standard Webhooks asks senders to stay
/// below 20 kB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Maximum length that is kept of an unknown type, in characters.
const KIND_CHARS_MAX: usize = 64;

/// What a provider reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The same at each redelivery.
    pub id: CallbackId,
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
    /// What happened.
    pub event: CallbackEvent,
}

/// What happened at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackEvent {
    /// The provider took money for an attempt.
    Paid {
        /// The attempt.
        attempt: AttemptId,
        /// The amount taken, which may not be the amount due.
        money: Money,
    },
    /// An attempt can no longer be paid.
    Closed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The provider gave the money of an attempt back by itself.
    Reversed {
        /// The attempt.
        attempt: AttemptId,
        /// The amount given back.
        money: Money,
    },
    /// A refund changed its state.
    Refund {
        /// The refund.
        refund: RefundId,
        /// The attempt whose money is returned.
        attempt: AttemptId,
        /// The amount of the refund.
        money: Money,
        /// The state now; never pending.
        state: RefundState,
    },
    /// An event of a type that this version does not know: to be acknowledged and ignored.
    Unknown {
        /// The type: at most 64 characters, none of them a control character.
        kind: String,
    },
}

/// Why a callback is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallbackError {
    /// The body is too long.
    #[error("the body must be at most {BODY_BYTES_MAX} bytes long")]
    TooLarge,
    /// The callback is not authentic.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The body is no JSON object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A field is missing or invalid.
    #[error("{field} {expected}")]
    Field {
        /// The field: `data.attempt_id`.
        field: &'static str,
        /// What it must be.
        expected: String,
    },
}

impl CallbackError {
    /// The stable code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::Signature(error) => error.code(),
            Self::NotAnObject => "malformed_body",
            Self::Field { .. } => "invalid_field",
        }
    }

    /// The header or the field to blame.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Signature(error) => error.header(),
            Self::Field { field, .. } => Some(field),
            Self::TooLarge | Self::NotAnObject => None,
        }
    }
}

/// Decodes the body of an authentic callback.
///
/// # Errors
/// The body is too long, is no JSON object, or lacks what its type needs; the error names the field.
pub fn decode(verified: Verified, body: &[u8]) -> Result<Callback, CallbackError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(CallbackError::TooLarge);
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return Err(CallbackError::NotAnObject);
    };
    let body = Fields(Some(&body));
    let id = match verified.id {
        Some(id) => id,
        None => body.parsed("id", "id", CallbackId::new)?,
    };
    let (kind, at) = (body.text("type", "type")?, body.time("timestamp")?);
    let data = body.object("data");
    let event = match kind {
        "payment.paid" => CallbackEvent::Paid { attempt: data.attempt()?, money: data.money()? },
        "payment.closed" => CallbackEvent::Closed { attempt: data.attempt()? },
        "payment.reversed" => CallbackEvent::Reversed { attempt: data.attempt()?, money: data.money()? },
        "refund.succeeded" => refund(data, RefundState::Succeeded)?,
        "refund.failed" => refund(data, RefundState::Failed)?,
        "refund.requires_action" => refund(data, RefundState::RequiresAction)?,
        "refund.cancelled" => refund(data, RefundState::Cancelled)?,
        other => CallbackEvent::Unknown { kind: printable(other, KIND_CHARS_MAX) },
    };
    Ok(Callback { id, at, event })
}

fn refund(data: Fields<'_>, state: RefundState) -> Result<CallbackEvent, CallbackError> {
    let refund = data.parsed("refund_id", "data.refund_id", RefundId::new)?;
    Ok(CallbackEvent::Refund { refund, attempt: data.attempt()?, money: data.money()?, state })
}

/// The inverse of [`decode`], for providers and tests: the body with its id.
pub fn encode(callback: &Callback) -> Vec<u8> {
    let money = |attempt: AttemptId, money: Money| {
        json!({
            "attempt_id": attempt.to_string(), "amount_minor": money.minor(), "currency": money.currency().as_str()
        })
    };
    let (kind, data) = match &callback.event {
        CallbackEvent::Paid { attempt, money: paid } => ("payment.paid".to_owned(), money(*attempt, *paid)),
        CallbackEvent::Closed { attempt } => {
            ("payment.closed".to_owned(), json!({"attempt_id": attempt.to_string()}))
        }
        CallbackEvent::Reversed { attempt, money: paid } => {
            ("payment.reversed".to_owned(), money(*attempt, *paid))
        }
        CallbackEvent::Refund { refund, attempt, money: returned, state } => {
            let mut data = money(*attempt, *returned);
            if let Value::Object(fields) = &mut data {
                fields.insert("refund_id".to_owned(), refund.as_str().into());
            }
            (format!("refund.{state}"), data)
        }
        CallbackEvent::Unknown { kind } => (kind.clone(), json!({})),
    };
    let body = json!({
        "id": callback.id.as_str(), "type": kind, "timestamp": fields::rfc3339(callback.at), "data": data
    });
    body.to_string().into_bytes()
}

/// At most `chars_max` characters of `text`, with blanks in place of control characters: what a log or a terminal can
/// show of a text from outside.
pub(crate) fn printable(text: &str, chars_max: usize) -> String {
    let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(chars_max).map(visible).collect()
}

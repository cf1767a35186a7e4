//! Decodes the replies of the scripts into typed values. An unexpected reply is `None` here, and a
//! [`LedgerError::UnknownReply`] for the caller: a reply is never guessed.
//!
//! There is a module per trait of the ledger; this one has what they share.

mod identifying;
mod lifecycle;
mod observing;
mod probing;
mod repairing;
mod returning;
mod selling;
mod watching;

use flashgate_domain::SaleId;
use flashgate_ledger::{LedgerError, SaleStock};
use redis::Value;

pub(super) use self::identifying::{identity, started};
pub(super) use self::lifecycle::{activated, prepared, restocked, sale_ids, stopped, swept};
pub(super) use self::observing::{SnapshotPage, entry, holdings, message, order, snapshot};
pub(super) use self::probing::{eviction_policy, probed, time};
pub(super) use self::repairing::{compensated, rebuilding, rebuilt, restored};
pub(super) use self::returning::returned;
pub(super) use self::selling::{deduction, fate, screening, settled, settled_confirmed};
pub(super) use self::watching::{scanned, stock_of};
use super::progress::Progress;

/// Maximum characters of an unknown reply in its error.
const SHOWN_CHARS_MAX: usize = 200;

/// The fault for an unknown reply.
pub(super) fn unknown(call: &'static str, reply: &dyn std::fmt::Debug) -> LedgerError {
    LedgerError::UnknownReply { call, reply: format!("{reply:?}").chars().take(SHOWN_CHARS_MAX).collect() }
}

/// An array reply, decoded from its beginning.
struct Fields<'a>(std::slice::Iter<'a, Value>);

impl<'a> Fields<'a> {
    /// The fields of an array; a single string is the only field.
    fn new(value: &'a Value) -> Option<Self> {
        if let Value::Array(values) = value {
            Some(Self(values.iter()))
        } else {
            matches!(value, Value::BulkString(_)).then(|| Self(std::slice::from_ref(value).iter()))
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let Value::BulkString(bytes) = self.0.next()? else { return None };
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A whole number; Redis returns stored numbers as text.
    fn signed(&mut self) -> Option<i64> {
        if let Some(Value::Int(number)) = self.0.as_slice().first() {
            self.0.next();
            return Some(*number);
        }
        self.text()?.parse().ok()
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        self.signed().and_then(|number| T::try_from(number).ok())
    }

    fn next_is_nil(&mut self, count: usize) -> bool {
        let missing = self.0.as_slice().first() == Some(&Value::Nil);
        if missing {
            self.0.by_ref().take(count).for_each(drop);
        }
        missing
    }

    fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// A decoded reply, with the progress of the sales that it reports.
#[derive(Debug)]
pub(super) struct ScriptReply<T> {
    pub(super) answer: T,
    pub(super) progress: Vec<(SaleId, Progress)>,
    /// The sales that this call paused, since the server was behind.
    pub(super) stopped: Vec<SaleId>,
}

impl<T> ScriptReply<T> {
    const fn only(answer: T) -> Self {
        Self { answer, progress: Vec::new(), stopped: Vec::new() }
    }
}

/// The fault if a script met another ledger than the expected one.
pub(super) fn other_ledger(value: &Value) -> Option<LedgerError> {
    let mut fields = Fields::new(value)?;
    if fields.bytes()? != b"other_ledger" {
        return None;
    }
    // Its identity, if it has one.
    Some(LedgerError::OtherLedger { found: fields.text().and_then(|id| id.parse().ok()) })
}

fn stock(fields: &mut Fields<'_>, sale: SaleId) -> Option<(SaleStock, Progress)> {
    let stock = SaleStock { sale, available: fields.signed()?, epoch: fields.number()? };
    let sequence = fields.number()?;
    Some((stock, Progress { sequence, generation: fields.number()? }))
}

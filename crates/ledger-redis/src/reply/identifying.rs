//! The ledger's identity and the node numbers.

use flashgate_domain::{LedgerId, Node};
use flashgate_ledger::LedgerIdentity;
use redis::Value;

use super::Fields;

/// The columns `ledger` and `store` of the identity.
pub(crate) fn identity(value: &Value) -> Option<Option<LedgerIdentity>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(2) {
        return Some(None);
    }
    let ledger = fields.text()?.parse::<LedgerId>().ok()?;
    Some(Some(LedgerIdentity { ledger, store: fields.text()?.parse().ok()? }))
}

/// The number of this start.
pub(crate) fn started(value: &Value) -> Option<Node> {
    let Value::Int(start) = value else { return None };
    Some(Node::of_start(u64::try_from(*start).ok()?.checked_sub(1)?))
}

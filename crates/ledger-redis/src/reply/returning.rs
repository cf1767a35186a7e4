//! Results of returning units.

use flashgate_domain::SaleId;
use flashgate_ledger::Returned;
use redis::Value;

use super::{Fields, ScriptReply, stock};

/// The reply of `return_units.lua`.
pub(crate) fn returned(value: &Value, sale: SaleId) -> Option<ScriptReply<Returned>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "missing" => Some(ScriptReply::only(Returned::Missing)),
        "already" => Some(ScriptReply::only(Returned::Already)),
        "not_settled" => Some(ScriptReply::only(Returned::NotSettled)),
        "done" => {
            let (stock, reached) = stock(&mut fields, sale)?;
            fields.end()?;
            let answer = Returned::Done(stock);
            Some(ScriptReply { answer, progress: vec![(sale, reached)], stopped: Vec::new() })
        }
        _ => None,
    }
}

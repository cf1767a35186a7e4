//! The lifecycle of sales.

use flashgate_domain::SaleId;
use flashgate_ledger::{Activated, Prepared, Restocked};
use redis::Value;

use super::{Fields, ScriptReply, stock};

/// The members of a sorted set of sales.
pub(crate) fn sale_ids(value: &Value) -> Option<Vec<SaleId>> {
    let mut fields = Fields::new(value)?;
    let mut sales = Vec::new();
    while !fields.is_empty() {
        sales.push(fields.text()?.parse::<SaleId>().ok()?);
    }
    Some(sales)
}

/// The reply of `sweep.lua`: the number of freed sales.
pub(crate) fn swept(value: &Value) -> Option<u64> {
    let Value::Int(freed) = value else { return None };
    u64::try_from(*freed).ok()
}

/// The reply of `prepare.lua`.
pub(crate) fn prepared(value: &Value) -> Option<Prepared> {
    let mut fields = Fields::new(value)?;
    let (state, generation) = (fields.text()?, fields.number()?);
    match state {
        "created" => Some(Prepared::Created),
        "prepared" => Some(Prepared::Waiting { generation }),
        "active" | "paused" | "closed" => Some(Prepared::Active { generation }),
        _ => None,
    }
}

/// The reply of `activate.lua`.
pub(crate) fn activated(value: &Value) -> Option<Activated> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "active" => Some(Activated::Active),
        "paused" => Some(Activated::Paused),
        "closed" => Some(Activated::Closed),
        "missing" => Some(Activated::Missing),
        "other_generation" => Some(Activated::OtherGeneration { generation: fields.number()? }),
        _ => None,
    }
}

/// The reply of `restock.lua`.
pub(crate) fn restocked(value: &Value, sale: SaleId) -> Option<ScriptReply<Restocked>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "missing" => Some(ScriptReply::only(Restocked::Missing)),
        "already" => Some(ScriptReply::only(Restocked::Already)),
        "other_generation" => {
            Some(ScriptReply::only(Restocked::OtherGeneration { generation: fields.number()? }))
        }
        "done" => {
            let (stock, reached) = stock(&mut fields, sale)?;
            fields.end()?;
            let answer = Restocked::Done(stock);
            Some(ScriptReply { answer, progress: vec![(sale, reached)], stopped: Vec::new() })
        }
        _ => None,
    }
}

/// The reply of `pause.lua` and `close.lua`.
pub(crate) fn stopped(value: &Value) -> Option<()> {
    let state = Fields::new(value)?.text()?;
    matches!(state, "missing" | "paused" | "closed").then_some(())
}

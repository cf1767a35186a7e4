//! Results of repairs.

use flashgate_domain::SaleId;
use flashgate_ledger::{Compensated, LedgerState, Rebuilding, Rebuilt, Restored};
use redis::Value;

use super::{Fields, ScriptReply, stock};

/// The reply of `rebuild.lua`.
pub(crate) fn rebuilding(value: &Value) -> Option<Rebuilding> {
    let mut fields = Fields::new(value)?;
    Some(match fields.text()? {
        "begun" => Rebuilding::Begun,
        "other_generation" => Rebuilding::OtherGeneration { generation: fields.number()? },
        "open" => Rebuilding::Open { orders: fields.number()? },
        state => Rebuilding::NotStopped { state: LedgerState::parse(state)? },
    })
}

/// The reply of `restore.lua`.
pub(crate) fn restored(value: &Value) -> Option<Restored> {
    match Fields::new(value)?.text()? {
        "restored" => Some(Restored::Done),
        "missing" => Some(Restored::Missing),
        _ => None,
    }
}

/// The reply of `resume.lua`.
pub(crate) fn rebuilt(value: &Value) -> Option<Rebuilt> {
    let mut fields = Fields::new(value)?;
    Some(match fields.text()? {
        "missing" => Rebuilt::Missing,
        "other_generation" => Rebuilt::OtherGeneration { generation: fields.number()? },
        "differs" => Rebuilt::Differs { available: fields.signed()? },
        "incomplete" => Rebuilt::Incomplete,
        state => Rebuilt::Done { state: LedgerState::parse(state)? },
    })
}

/// The reply of `compensate.lua`.
pub(crate) fn compensated(value: &Value, sale: SaleId) -> Option<ScriptReply<Compensated>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "missing" => Some(ScriptReply::only(Compensated::Missing)),
        "conflict" => Some(ScriptReply::only(Compensated::Conflict {
            generation: fields.number()?,
            adjustments: fields.number()?,
            in_ledger: fields.signed()?,
        })),
        "done" => {
            let deferred_units = fields.number()?;
            let (stock, reached) = stock(&mut fields, sale)?;
            let answer = Compensated::Done { stock, deferred_units };
            Some(ScriptReply { answer, progress: vec![(sale, reached)], stopped: Vec::new() })
        }
        _ => None,
    }
}

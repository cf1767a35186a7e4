//! How a repair went.

use flashgate_domain::SaleId;
use flashgate_ledger::{Compensated, LedgerState, Rebuilding, Rebuilt, Restored};
use redis::Value;

use super::{Fields, Told, standing};

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
        state => Rebuilt::Stands { state: LedgerState::parse(state)? },
    })
}

/// The reply of `compensate.lua`.
pub(crate) fn compensated(value: &Value, sale: SaleId) -> Option<Told<Compensated>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "missing" => Some(Told::only(Compensated::Missing)),
        "moved" => Some(Told::only(Compensated::Moved {
            generation: fields.number()?,
            adjustments: fields.number()?,
            in_ledger: fields.signed()?,
        })),
        "done" => {
            let rest = fields.number()?;
            let (standing, reached) = standing(&mut fields, sale)?;
            let answer = Compensated::Done { standing, rest };
            Some(Told { answer, progress: vec![(sale, reached)], stopped: Vec::new() })
        }
        _ => None,
    }
}

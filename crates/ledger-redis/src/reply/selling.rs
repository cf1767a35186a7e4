//! Verdicts: of a screening, a deduction, a check-back, a settlement.

use flashgate_domain::{OrderId, SaleId, Timestamp};
use flashgate_ledger::{Answer, Deduction, Fate, Screening, Settled};
use redis::Value;

use super::{Fields, Told, standing};
use crate::pack::Packed;

/// The reply of `screen.lua`.
pub(crate) fn screening(value: &Value, packed: &Packed) -> Option<Told<Screening>> {
    let mut fields = Fields::new(value)?;
    (fields.text()? == "screened").then_some(())?;
    judged(&mut fields, packed)
}

/// The reply of `deduct.lua`.
pub(crate) fn deduction(value: &Value, packed: &Packed) -> Option<Told<Deduction>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "deducted" | "acknowledged" => Some(Told::only(Deduction::Applied { standings: Vec::new() })),
        "fenced" => Some(Told::only(Deduction::Fenced)),
        "taken" => Some(Told::only(Deduction::IdTaken)),
        "applied" => {
            let Told { answer, progress, stopped } = judged(&mut fields, packed)?;
            Some(Told { answer: Deduction::Applied { standings: answer.standings }, progress, stopped })
        }
        "refused" => {
            let Told { answer, progress, stopped } = judged(&mut fields, packed)?;
            Some(Told { answer: Deduction::Refused(answer), progress, stopped })
        }
        _ => None,
    }
}

/// What follows the status in `judge.lua`.
fn judged(fields: &mut Fields<'_>, packed: &Packed) -> Option<Told<Screening>> {
    let open_orders = fields.number()?;
    let answers = fields.bytes()?;
    let stopped = fields.bytes()?;
    let mut standings = Vec::with_capacity(packed.sales.len());
    let mut progress = Vec::with_capacity(packed.sales.len());
    let mut opens_at = Vec::with_capacity(packed.sales.len());
    for sale in &packed.sales {
        if fields.next_is_nil(5) {
            opens_at.push(Timestamp::default());
            continue;
        }
        let (standing, reached) = standing(fields, *sale)?;
        standings.push(standing);
        progress.push((*sale, reached));
        opens_at.push(Timestamp::from_millis(fields.number()?));
    }
    fields.end()?;
    let answers = unpack_answers(answers, packed, &opens_at)?;
    let stopped = stopped.chunks(2).map(|number| {
        let number = u16::from_be_bytes(number.try_into().ok()?);
        packed.sales.get(usize::from(number)).copied()
    });
    let stopped = stopped.collect::<Option<_>>()?;
    Some(Told { answer: Screening { answers, standings, open_orders }, progress, stopped })
}

fn unpack_answers(bytes: &[u8], packed: &Packed, opens_at: &[Timestamp]) -> Option<Vec<Answer>> {
    if bytes.is_empty() {
        return Some(vec![Answer::Pass; packed.sale_of.len()]);
    }
    let mut rest = bytes.iter().copied();
    let mut answers = Vec::with_capacity(packed.sale_of.len());
    for sale in &packed.sale_of {
        answers.push(match rest.next()? {
            b'+' => Answer::Pass,
            b'#' => Answer::Replay(order_id(&mut rest)?),
            b'!' => Answer::KeyReused,
            b'=' => Answer::Repeated,
            b'M' => Answer::Missing,
            b'N' => Answer::NotReady,
            b'Z' => Answer::Paused,
            b'O' => Answer::NotOpen { opens_at: *opens_at.get(usize::from(*sale))? },
            b'E' => Answer::Ended,
            b'S' => Answer::SoldOut,
            b'L' => Answer::OverLimit,
            _ => return None,
        });
    }
    rest.next().is_none().then_some(answers)
}

fn order_id(bytes: &mut impl Iterator<Item = u8>) -> Option<OrderId> {
    let id: Vec<u8> = bytes.take(8).collect();
    OrderId::new(u64::from_be_bytes(id.try_into().ok()?)).ok()
}

/// The reply of `check_back.lua`.
pub(crate) fn fate(value: &Value) -> Option<Fate> {
    match Fields::new(value)?.text()? {
        "deducted" | "acknowledged" => Some(Fate::Deducted),
        "fenced" => Some(Fate::Fenced),
        _ => None,
    }
}

/// The reply of `settle_confirmed.lua`; `Some(None)` if it left the batch to `settle.lua`.
pub(crate) fn settled_confirmed(value: &Value, sales: &[SaleId]) -> Option<Option<Told<Settled>>> {
    if Fields::new(value)?.text()? == "otherwise" {
        return Some(None);
    }
    settled(value, sales).map(Some)
}

/// The reply of `settle.lua`.
pub(crate) fn settled(value: &Value, sales: &[SaleId]) -> Option<Told<Settled>> {
    let mut fields = Fields::new(value)?;
    let status = fields.text()?;
    match status {
        "already" => Some(Told::only(Settled::Already)),
        "contradiction" => Some(Told::only(Settled::Contradiction)),
        "taken" => Some(Told::only(Settled::IdTaken)),
        "broken_off" => {
            let mut stopped = Vec::new();
            for sale in sales {
                if fields.number::<u8>()? == 1 {
                    stopped.push(*sale);
                }
            }
            fields.end()?;
            Some(Told {
                answer: Settled::BrokenOff { stopped: stopped.clone() },
                progress: Vec::new(),
                stopped,
            })
        }
        "applied" | "late" => {
            let (mut standings, mut progress) = (Vec::new(), Vec::new());
            for sale in sales {
                if !fields.next_is_nil(4) {
                    let (standing, reached) = standing(&mut fields, *sale)?;
                    standings.push(standing);
                    progress.push((*sale, reached));
                }
            }
            fields.end()?;
            let answer =
                if status == "late" { Settled::AppliedLate(standings) } else { Settled::Applied(standings) };
            Some(Told { answer, progress, stopped: Vec::new() })
        }
        _ => None,
    }
}

//! Results of screening, deducting, checking back and settling.

use flashgate_domain::{OrderId, SaleId, Timestamp};
use flashgate_ledger::{Deduction, Fate, IntentResult, Screening, Settled, intents::Intents};
use redis::Value;

use super::{Fields, ScriptReply, stock};

/// The reply of `screen.lua`.
pub(crate) fn screening(value: &Value, intents: &Intents) -> Option<ScriptReply<Screening>> {
    let mut fields = Fields::new(value)?;
    (fields.text()? == "screened").then_some(())?;
    judged(&mut fields, intents)
}

/// The reply of `deduct.lua`.
pub(crate) fn deduction(value: &Value, intents: &Intents) -> Option<ScriptReply<Deduction>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "deducted" | "acknowledged" => Some(ScriptReply::only(Deduction::Applied { stocks: Vec::new() })),
        "fenced" => Some(ScriptReply::only(Deduction::Fenced)),
        "taken" => Some(ScriptReply::only(Deduction::IdTaken)),
        "applied" => {
            let ScriptReply { answer, progress, stopped } = judged(&mut fields, intents)?;
            Some(ScriptReply { answer: Deduction::Applied { stocks: answer.stocks }, progress, stopped })
        }
        "refused" => {
            let ScriptReply { answer, progress, stopped } = judged(&mut fields, intents)?;
            Some(ScriptReply { answer: Deduction::Refused(answer), progress, stopped })
        }
        _ => None,
    }
}

/// The fields after the status, in the format of `judge.lua`.
fn judged(fields: &mut Fields<'_>, intents: &Intents) -> Option<ScriptReply<Screening>> {
    let open_orders = fields.number()?;
    let results = fields.bytes()?;
    let stopped = fields.bytes()?;
    let mut stocks = Vec::with_capacity(intents.sales.len());
    let mut progress = Vec::with_capacity(intents.sales.len());
    let mut opens_at = Vec::with_capacity(intents.sales.len());
    for sale in &intents.sales {
        if fields.next_is_nil(5) {
            opens_at.push(Timestamp::default());
            continue;
        }
        let (stock, reached) = stock(fields, *sale)?;
        stocks.push(stock);
        progress.push((*sale, reached));
        opens_at.push(Timestamp::from_millis(fields.number()?));
    }
    fields.end()?;
    let results = unpack_answers(results, intents, &opens_at)?;
    let stopped = stopped.chunks(2).map(|number| {
        let number = u16::from_be_bytes(number.try_into().ok()?);
        intents.sales.get(usize::from(number)).copied()
    });
    let stopped = stopped.collect::<Option<_>>()?;
    Some(ScriptReply { answer: Screening { results, stocks, open_orders }, progress, stopped })
}

fn unpack_answers(bytes: &[u8], intents: &Intents, opens_at: &[Timestamp]) -> Option<Vec<IntentResult>> {
    if bytes.is_empty() {
        return Some(vec![IntentResult::Pass; intents.asked.len()]);
    }
    let mut rest = bytes.iter().copied();
    let mut results = Vec::with_capacity(intents.asked.len());
    for asked in &intents.asked {
        results.push(match rest.next()? {
            b'+' => IntentResult::Pass,
            b'#' => IntentResult::Replay(order_id(&mut rest)?),
            b'!' => IntentResult::KeyReused,
            b'=' => IntentResult::Repeated,
            b'M' => IntentResult::Missing,
            b'N' => IntentResult::NotReady,
            b'Z' => IntentResult::Paused,
            b'O' => IntentResult::NotOpen { opens_at: *opens_at.get(usize::from(asked.sale))? },
            b'E' => IntentResult::Ended,
            b'S' => IntentResult::SoldOut,
            b'L' => IntentResult::OverLimit,
            _ => return None,
        });
    }
    rest.next().is_none().then_some(results)
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
pub(crate) fn settled_confirmed(value: &Value, sales: &[SaleId]) -> Option<Option<ScriptReply<Settled>>> {
    if Fields::new(value)?.text()? == "otherwise" {
        return Some(None);
    }
    settled(value, sales).map(Some)
}

/// The reply of `settle.lua`.
pub(crate) fn settled(value: &Value, sales: &[SaleId]) -> Option<ScriptReply<Settled>> {
    let mut fields = Fields::new(value)?;
    let status = fields.text()?;
    match status {
        "already" => Some(ScriptReply::only(Settled::Already)),
        "contradiction" => Some(ScriptReply::only(Settled::Contradiction)),
        "taken" => Some(ScriptReply::only(Settled::IdTaken)),
        "broken_off" => {
            let mut stopped = Vec::new();
            for sale in sales {
                if fields.number::<u8>()? == 1 {
                    stopped.push(*sale);
                }
            }
            fields.end()?;
            Some(ScriptReply {
                answer: Settled::BrokenOff { stopped: stopped.clone() },
                progress: Vec::new(),
                stopped,
            })
        }
        "applied" | "late" => {
            let (mut stocks, mut progress) = (Vec::new(), Vec::new());
            for sale in sales {
                if !fields.next_is_nil(4) {
                    let (stock, reached) = stock(&mut fields, *sale)?;
                    stocks.push(stock);
                    progress.push((*sale, reached));
                }
            }
            fields.end()?;
            let answer =
                if status == "late" { Settled::AppliedLate(stocks) } else { Settled::Applied(stocks) };
            Some(ScriptReply { answer, progress, stopped: Vec::new() })
        }
        _ => None,
    }
}

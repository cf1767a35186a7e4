//! The decoders of Redis's answers, for the fuzz targets of `tests/fuzz`. Each returns whether it decoded its input,
//! and panics if an invariant is violated.

use flashgate_domain::{BuyerDigest, KeyDigest, SaleId};
use flashgate_ledger::{
    Deduction,
    intents::{IntentFields, Intents},
};
use redis::{Value, parse_redis_value};

use super::{events, reply};

/// A call with that number of sales (at least one), and that number of intents for them in turn.
fn asked(sales: u8, intents: u8) -> Intents {
    let sales = u16::from(sales.max(1));
    let (key, buyer) = (KeyDigest([0; 16]), BuyerDigest([0; 16]));
    let of_sale = |sale| IntentFields { sale, quantity: 1, key, buyer };
    Intents {
        sales: (1..=u64::from(sales)).filter_map(|sale| SaleId::new(sale).ok()).collect(),
        asked: (0..u16::from(intents)).map(|intent| of_sale(intent % sales)).collect(),
    }
}

/// An answer in Redis's protocol, decoded as the reply of script number `script`.
pub fn answer(script: u8, sales: u8, intents: u8, bytes: &[u8]) -> bool {
    parse_redis_value(bytes).is_ok_and(|value| value_is_read(script, &asked(sales, intents), &value))
}

fn value_is_read(script: u8, asked: &Intents, value: &Value) -> bool {
    let complete = |results: usize| assert_eq!(results, asked.asked.len(), "an answer to each intent");
    match script % 13 {
        0 => reply::screening(value, asked).map(|decoded| complete(decoded.answer.results.len())).is_some(),
        1 => {
            let decoded = reply::deduction(value, asked);
            if let Some(Deduction::Refused(screening)) = decoded.as_ref().map(|decoded| &decoded.answer) {
                complete(screening.results.len());
            }
            decoded.is_some()
        }
        2 => reply::fate(value).is_some(),
        3 => reply::settled(value, &asked.sales).is_some(),
        4 => reply::prepared(value).is_some(),
        5 => reply::activated(value).is_some(),
        6 => reply::stopped(value).is_some(),
        7 => reply::order(value).is_some(),
        8 => reply::snapshot(value).is_some(),
        9 => asked.sales.first().is_some_and(|sale| reply::stock_of(value, *sale).is_some()),
        10 => reply::scanned(value, &mut Vec::new()).is_some(),
        11 => reply::started(value).is_some(),
        _ => asked.sales.first().is_some_and(|sale| reply::returned(value, *sale).is_some()),
    }
}

/// A line on the channel of the events.
pub fn event(line: &str) -> bool {
    events::parse(line).is_some()
}

//! Letters that are, or would be, replayed or dropped.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use super::{LetterOrderView, LetterView, LetterWithBodyView};

/// A decision about dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Publish them again.
    Replay,
    /// Give them up for good.
    Drop,
}

impl Decision {
    /// The kind of its record.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Replay => "replay_letters",
            Self::Drop => "drop_letters",
        }
    }
}

/// Letters that are, or would be, replayed or dropped.
#[derive(Clone, Debug, Serialize)]
pub struct DecidedLettersView {
    /// The decision.
    #[serde(skip)]
    pub decision: Decision,
    /// Whether it was applied; else this is a dry run.
    pub applied: bool,
    /// The id of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_id: Option<String>,
    /// The letters, in the order of the request.
    pub letters: Vec<DecidedLetterView>,
}

/// One of the letters.
#[derive(Clone, Debug, Serialize)]
pub struct DecidedLetterView {
    /// The letter before the decision.
    #[serde(flatten)]
    pub letter: LetterView,
    /// The orders and units of its batch by sale, unless the order store has decided the batch.
    pub undecided: Vec<SaleUnitsView>,
    /// The result; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// A batch's orders and units of a sale.
#[derive(Clone, Debug, Serialize)]
pub struct SaleUnitsView {
    /// The sale.
    pub sale_id: String,
    /// The orders of the sale.
    pub order_ids: Vec<String>,
    /// Their units.
    pub units: u64,
}

impl From<LetterWithBodyView> for DecidedLetterView {
    fn from(shown: LetterWithBodyView) -> Self {
        let LetterWithBodyView { letter, order_list, body_head: _ } = shown;
        let mut by_sale: BTreeMap<String, SaleUnitsView> = BTreeMap::new();
        for order in if letter.decided { Vec::new() } else { order_list } {
            let LetterOrderView { order_id, sale_id, quantity, .. } = order;
            let of_sale = by_sale.entry(sale_id.clone());
            let of_sale = of_sale.or_insert(SaleUnitsView { sale_id, order_ids: Vec::new(), units: 0 });
            of_sale.order_ids.push(order_id);
            of_sale.units += u64::from(quantity);
        }
        Self { letter, undecided: by_sale.into_values().collect(), result: None }
    }
}

impl DecidedLettersView {
    /// With the id of the record, if applied.
    pub fn new(decision: Decision, repair_id: Option<u64>, letters: Vec<DecidedLetterView>) -> Self {
        let (applied, repair_id) = (repair_id.is_some(), repair_id.map(|id| id.to_string()));
        Self { decision, applied, repair_id, letters }
    }

    /// Whether a letter failed.
    pub fn has_failed(&self) -> bool {
        self.letters.iter().any(|letter| letter.result.as_deref() == Some("failed"))
    }
}

/// One line per letter, for the record.
pub fn record(letters: &[DecidedLetterView]) -> String {
    let mut text = String::new();
    for DecidedLetterView { letter, result, .. } in letters {
        let batch = letter.batch_id.as_ref().map(|batch| format!(", batch {batch}")).unwrap_or_default();
        let size = match (letter.orders, letter.units) {
            (Some(orders), Some(units)) => format!(", {orders} orders, {units} units"),
            (_, _) => format!(", {} bytes", letter.body_bytes),
        };
        let decided = if letter.decided { ", decided" } else { "" };
        let result = result.as_ref().unwrap_or(&letter.standing);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{} {}{batch}{size}{decided}: {result}", letter.id, letter.reason);
    }
    text
}

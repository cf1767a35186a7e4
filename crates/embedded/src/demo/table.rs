//! The result of the demo as a table: the buyers' answers, and the figures in the stores.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use flashgate_load::rush::Rushed;

use super::proof::Proof;

/// Renders both halves, and the verdict.
pub(super) fn render(rushed: &Rushed, proof: &Proof, took: Duration) -> String {
    let figures = &rushed.figures;
    let heard = rows(&[
        ("requests", figures.requests.to_string()),
        ("accepted", figures.accepted.to_string()),
        ("the same key again", figures.replayed.to_string()),
        ("over the limit", figures.limited.to_string()),
        ("sold out", figures.sold_out.to_string()),
        ("other answers", figures.others.to_string()),
        ("no answer", figures.failed.to_string()),
        ("half / 99 % answered within", format!("{} / {}", figures.p50, figures.p99)),
        ("half / 99 % confirmed within", format!("{} / {}", figures.confirmed_p50, figures.confirmed_p99)),
    ]);
    let proved = rows(&[
        ("units on sale", proof.stock.to_string()),
        ("sold", proof.sold.to_string()),
        ("left", proof.saleable.to_string()),
        ("oversold", zero(proof.oversold())),
        ("purchases with two orders", zero(proof.duplicates)),
        ("buyers over the limit", zero(proof.over_limit)),
        ("promised orders", proof.promised.to_string()),
        ("lost (promised, but no order)", zero(proof.lost)),
        ("units neither sold nor left", zero(proof.missing())),
        ("drift of ledger and orders", zero(proof.drift())),
        ("batches left open", zero(proof.open_batches)),
    ]);
    let verdict = if proof.holds() { "The proof holds" } else { "THE PROOF DOES NOT HOLD" };
    let seconds = took.as_secs_f64();
    format!(
        "What {} people and {} bots heard:\n{heard}\nWhat the stores say, read from their files:\n{proved}\n{verdict}: \
         {} orders stand, {} were cancelled; {seconds:.1} s in all.\n",
        rushed.people, rushed.bots, proof.orders, proof.cancelled
    )
}

/// Marks a count that must be zero.
fn zero<T: PartialEq + Default + ToString>(count: T) -> String {
    if count == T::default() { "0  ok".to_owned() } else { format!("{}  WRONG", count.to_string()) }
}

fn rows(rows: &[(&str, String)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    for (name, value) in rows {
        table.add_row([*name, value]);
    }
    if let Some(values) = table.column_mut(1) {
        values.set_cell_alignment(CellAlignment::Left);
    }
    table
}

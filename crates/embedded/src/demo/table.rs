//! The result of the demo as tables: the buyers' answers and what they did, and the figures of the stores and of the
//! payment provider.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use flashgate_load::rush::Rushed;

use super::{
    acting::Endings,
    course::{Held, Resale},
    opening::CURRENCY,
    proof::{Proof, Sum},
};

/// Renders everything, and the verdict.
pub(super) fn render(held: &Held, proof: &Proof, took: Duration) -> String {
    let Held { rushed, endings, available, resale, .. } = held;
    let mut text = format!(
        "Answers to {} people and {} bots:\n{}\nTheir {} orders:\n{}\n",
        rushed.people,
        rushed.bots,
        rows(&answers(rushed)),
        endings.total(),
        rows(&ends(endings))
    );
    if let Some(Resale { rushed, endings }) = resale {
        text += &format!(
            "Answers to the first {} people, when {available} units were on sale again:\n{}\nTheir {} new \
             orders:\n{}\n",
            rushed.people,
            rows(&answers(rushed)),
            endings.total(),
            rows(&ends(endings))
        );
    }
    let verdict = if proof.holds() { "The proof holds" } else { "THE PROOF DOES NOT HOLD" };
    let given_up = proof.orders.given_up();
    text += &format!(
        "The stores, read from their files:\n{}\nThe payment provider, from its own records:\n{}\n{verdict}: {} orders \
         stand, {} of them paid; {given_up} were cancelled, {} of them refunded; {:.1} s in all.\n",
        rows(&units(proof)),
        rows(&money(proof)),
        proof.orders.standing(),
        proof.orders.paid,
        proof.orders.refunded,
        took.as_secs_f64()
    );
    text
}

type Rows = Vec<(&'static str, String)>;

fn answers(Rushed { figures, .. }: &Rushed) -> Rows {
    vec![
        ("requests", figures.requests.to_string()),
        ("accepted", figures.accepted.to_string()),
        ("the same key again", figures.replayed.to_string()),
        ("over the limit", figures.limited.to_string()),
        ("sold out", figures.sold_out.to_string()),
        ("other answers", figures.others.to_string()),
        ("no answer", figures.failed.to_string()),
        ("half / 99 % answered within", format!("{} / {}", figures.p50, figures.p99)),
        ("half / 99 % confirmed within", format!("{} / {}", figures.confirmed_p50, figures.confirmed_p99)),
    ]
}

fn ends(endings: &Endings) -> Rows {
    vec![
        ("paid and shipped", endings.shipped.to_string()),
        ("paid, could not be shipped, refunded", endings.not_shipped.to_string()),
        ("paid, cancelled by an operator, refunded", endings.refunded.to_string()),
        ("cancelled by the buyer", endings.cancelled.to_string()),
        ("not paid in time", endings.left.to_string()),
        ("failed", endings.failed.to_string()),
    ]
}

fn units(proof: &Proof) -> Rows {
    let (orders, returns) = (&proof.orders, &proof.returns);
    vec![
        ("units on sale", proof.stock.to_string()),
        ("sold", proof.sold.to_string()),
        ("left", proof.saleable.to_string()),
        ("oversold", zero(proof.oversold())),
        ("units neither sold nor left", zero(proof.missing())),
        ("drift of ledger and orders", zero(proof.drift())),
        ("purchases with two orders", zero(proof.duplicates)),
        ("buyers over the limit", zero(proof.over_limit)),
        ("promised orders", proof.promised.to_string()),
        ("lost (promised, but no order)", zero(proof.lost)),
        ("batches left open", zero(proof.open_batches)),
        ("orders timed out", orders.timed_out.to_string()),
        ("orders cancelled by buyers", orders.by_buyer.to_string()),
        ("orders refunded", orders.refunded.to_string()),
        ("orders overdue, but not cancelled", zero(proof.overdue)),
        ("units given up", returns.given_up.to_string()),
        ("orders whose units are not back", zero(returns.missing)),
        ("orders that have units and are back", zero(returns.wrong)),
        ("units returned too often or not: orders", zero(returns.off_in_orders())),
        ("units returned too often or not: ledger", zero(returns.off_in_ledger())),
    ]
}

fn money(proof: &Proof) -> Rows {
    let money = &proof.money;
    vec![
        ("payments captured", amounts(money.captured)),
        ("refunds", amounts(money.refunded)),
        ("paid orders", amounts(money.due)),
        ("difference", zero(money.balance_off())),
        ("payments without an order", zero(money.without_order)),
        ("payments kept of orders that are not paid", zero(money.kept)),
        ("paid orders without a payment", zero(money.unfunded)),
        ("orders paid twice", zero(money.paid_twice)),
        ("wrong amounts", zero(money.wrong_amounts)),
        ("attempts and refunds unlike the stores'", zero(money.differing)),
    ]
}

/// A number of amounts, and their sum.
fn amounts(Sum { count, minor }: Sum) -> String {
    format!("{count}: {}.{:02} {CURRENCY}", minor / 100, minor % 100)
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

//! Dead letters.

use std::fmt::Display;

use flashgate_operations::view::{
    DecidedLetterView, DecidedLettersView, LetterView, LetterWithBodyView, LettersView,
    dead_letter::{Decision, DecisionView, LetterOrderView, OriginView, SaleUnitsView},
};

use super::{DRY_RUN, fields, table};
use crate::operate::moment::show;

/// What people read of a letter, each field with its name. A list leaves some out.
fn cells(letter: &LetterView) -> [(&'static str, String); 12] {
    [
        ("letter", letter.id.clone()),
        ("given up", show(letter.given_up_at_ms)),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("key", key(letter)),
        ("from", origin(&letter.origin)),
        ("message", letter.origin.message_id.clone()),
        ("bytes", letter.body_bytes.to_string()),
        ("orders", number(letter.orders)),
        ("units", number(letter.units)),
        ("decided", if letter.decided { "yes" } else { "no" }.to_owned()),
        ("standing", standing(letter)),
    ]
}

fn number(value: Option<impl Display>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// The standing, with who, when and why.
fn standing(letter: &LetterView) -> String {
    let Some(DecisionView { actor, reason, decided_at_ms, .. }) = &letter.decision else {
        return letter.standing.clone();
    };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{} by {actor}, {}{why}", letter.standing, show(*decided_at_ms))
}

fn key(letter: &LetterView) -> String {
    match &letter.batch_id {
        Some(batch) if *batch != letter.key => format!("{} (batch {batch})", letter.key),
        Some(batch) => format!("batch {batch}"),
        None => letter.key.clone(),
    }
}

fn origin(origin: &OriginView) -> String {
    let OriginView { topic, queue, offset, message_id: _ } = origin;
    if topic.is_empty() { "unknown".to_owned() } else { format!("{topic}, {queue}:{offset}") }
}

/// One line a letter.
pub(crate) fn list(page: &LettersView) -> String {
    let columns = [
        "LETTER", "GIVEN UP", "REASON", "DETAIL", "KEY", "FROM", "BYTES", "ORDERS", "UNITS", "DECIDED",
        "STANDING",
    ];
    let row = |letter| {
        let [id, given_up, reason, detail, key, from, _message, bytes, orders, units, decided, standing] =
            cells(letter).map(|(_name, value)| value);
        [id, given_up, reason, detail, key, from, bytes, orders, units, decided, standing]
    };
    let letters = table(columns, &[6, 7, 8], page.letters.iter().map(row));
    match &page.next {
        Some(next) => format!("{letters}\nthere may be more: --after {next}"),
        None => letters,
    }
}

/// All of one letter: its orders, or the first bytes of a body that cannot be decoded.
pub(crate) fn letter(shown: &LetterWithBodyView) -> String {
    let body = match &shown.body_head {
        Some(head) => head_lines(head, shown.letter.body_bytes),
        None => {
            let row = |order: &LetterOrderView| {
                let LetterOrderView { order_id, sale_id, buyer_id, idempotency_key, quantity } =
                    order.clone();
                [order_id, sale_id, buyer_id, idempotency_key, quantity.to_string()]
            };
            table(["ORDER", "SALE", "BUYER", "KEY", "QUANTITY"], &[], shown.order_list.iter().map(row))
        }
    };
    format!("{}\n\n{body}", fields(cells(&shown.letter))).trim_end().to_owned()
}

/// 32 bytes a line, with an ellipsis if the body is longer.
fn head_lines(head: &str, body_bytes: u64) -> String {
    let lines = head.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let is_cut = u64::try_from(head.len() / 2).unwrap_or(u64::MAX) < body_bytes;
    lines.map(|line| format!("{line}\n")).chain(is_cut.then(|| "…".to_owned())).collect()
}

/// One line a letter that is, or would be, replayed or dropped; and what stays open.
pub(crate) fn decided(decided: &DecidedLettersView) -> String {
    let columns = ["LETTER", "REASON", "KEY", "ORDERS", "UNITS", "DECIDED", "WAS", "RESULT"];
    let row = |decided: &DecidedLetterView| {
        let DecidedLetterView { letter, result, .. } = decided;
        let [id, _given_up, reason, _detail, key, _from, _message, _bytes, orders, units, decided, _standing] =
            cells(letter).map(|(_name, value)| value);
        [id, reason, key, orders, units, decided, letter.standing.clone(), result.clone().unwrap_or_default()]
    };
    let mut lines = vec![table(columns, &[], decided.letters.iter().map(row))];
    let open: Vec<String> = match decided.decision {
        Decision::Replay => Vec::new(),
        Decision::Drop => decided.letters.iter().filter_map(open).collect(),
    };
    if !open.is_empty() {
        lines.push(
            "what a gateway has accepted of these stays pending, and its units are not sold again; \
             `flashgate audit` goes on telling to_redrive (exit code 14):"
                .to_owned(),
        );
        lines.extend(open);
    }
    lines.push(decided.repair_id.as_ref().map_or_else(|| DRY_RUN.to_owned(), |id| format!("repair {id}")));
    lines.join("\n")
}

/// What stays open if the letter is not replayed; nothing if it is no batch, or is decided.
fn open(DecidedLetterView { letter, undecided, .. }: &DecidedLetterView) -> Option<String> {
    let batch = letter.batch_id.as_ref().filter(|_batch| !letter.decided)?;
    if undecided.is_empty() {
        return Some(format!("batch {batch}: the body cannot be decoded, its orders are not known here"));
    }
    let of_sale = |of_sale: &SaleUnitsView| {
        let SaleUnitsView { sale_id, order_ids, units } = of_sale;
        format!("{units} units of sale {sale_id} in the orders {}", order_ids.join(" "))
    };
    let parts: Vec<String> = undecided.iter().map(of_sale).collect();
    Some(format!("batch {batch}: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use flashgate_domain::BatchId;
    use flashgate_operations::view::dead_letter::record;
    use flashgate_proto::v1;
    use serde_json::{Value, json};

    use super::*;

    fn batch() -> String {
        "0000000001020400000000000000002a".to_owned()
    }

    fn letter() -> v1::DeadLetter {
        v1::DeadLetter {
            id: "broker-a/0:12".to_owned(),
            given_up_at_ms: 5_000,
            reason: "unknown_sale".to_owned(),
            detail: "the sale 9 does not exist".to_owned(),
            key: batch(),
            batch_id: batch(),
            body_bytes: 77,
            orders: 2,
            units: 3,
            standing: "waiting".to_owned(),
            ..v1::DeadLetter::default()
        }
    }

    fn intent(quantity: u32) -> v1::BatchIntent {
        let (buyer_id, idempotency_key) = (format!("buyer-{quantity}"), "key".to_owned());
        v1::BatchIntent { sale_id: 9, buyer_id, idempotency_key, quantity }
    }

    fn shown(letter: v1::DeadLetter) -> LetterWithBodyView {
        let (intents, head) = match letter.orders {
            0 => (Vec::new(), vec![0x0a, 3, 0xff]),
            _ => (vec![intent(1), intent(2)], Vec::new()),
        };
        LetterWithBodyView::new(v1::ShowDeadLetterResponse { letter: Some(letter), intents, head })
            .expect("it makes sense")
    }

    fn undecodable() -> v1::DeadLetter {
        v1::DeadLetter { orders: 0, units: 0, body_bytes: 3, reason: "undecodable".to_owned(), ..letter() }
    }

    #[test]
    fn a_letter_that_decodes_is_shown_with_its_orders_and_one_that_does_not_with_its_bytes() {
        let decodes = shown(letter());
        let value = serde_json::to_value(&decodes).expect("JSON");
        let first: BatchId = batch().parse().expect("a batch id");
        assert_eq!(value["orders"], json!(2));
        assert_eq!(value["order_list"][1]["order_id"], json!(first.order(1).expect("an id").to_string()));
        assert_eq!((&value["order_list"][1]["quantity"], &value["body_head"]), (&json!(2), &Value::Null));
        assert!(super::letter(&decodes).contains("buyer-2"), "{}", super::letter(&decodes));

        let opaque = shown(undecodable());
        let value = serde_json::to_value(&opaque).expect("JSON");
        assert_eq!((&value["body_head"], &value["orders"]), (&json!("0a03ff"), &Value::Null));
        assert!(super::letter(&opaque).ends_with("0a03ff"), "{}", super::letter(&opaque));
    }

    #[test]
    fn a_standing_is_told_with_who_when_and_why() {
        let decision = v1::DeadLetterDecision {
            repair_id: 4,
            actor: "ops".to_owned(),
            reason: "a stranger's".to_owned(),
            decided_at_ms: 6_000,
        };
        let dropped = v1::DeadLetter { standing: "dropped".to_owned(), decision: Some(decision), ..letter() };
        let page = LettersView::new(vec![letter().into(), dropped.into()], "broker-a/0:13".to_owned());
        let table = list(&page);
        assert!(table.contains("dropped by ops, 1970-01-01T00:00:06Z: a stranger's"), "{table}");
        assert!(table.ends_with("there may be more: --after broker-a/0:13"), "{table}");
        let value = serde_json::to_value(&page).expect("JSON");
        assert_eq!(value["letters"][0].get("decision"), None);
        assert_eq!(value["letters"][1]["decision"]["repair_id"], json!("4"));
    }

    #[test]
    fn a_drop_names_what_stays_open_and_a_replay_has_nothing_to_name() {
        let of = |letter| vec![DecidedLetterView::from(shown(letter))];
        let decided =
            |decision, repair, letters| decided(&DecidedLettersView::new(decision, repair, letters));
        let dry = decided(Decision::Drop, None, of(letter()));
        assert!(dry.contains("3 units of sale 9 in the orders ") && dry.contains("to_redrive"), "{dry}");
        assert!(dry.ends_with("a dry run: nothing was done; --apply does it"), "{dry}");
        let opaque = decided(Decision::Drop, Some(7), of(undecodable()));
        assert!(opaque.contains("its orders are not known here") && opaque.ends_with("repair 7"), "{opaque}");
        let strange = v1::DeadLetter { batch_id: String::new(), ..undecodable() };
        for (decision, letter) in [
            (Decision::Replay, letter()),
            (Decision::Drop, v1::DeadLetter { decided: true, ..letter() }),
            (Decision::Drop, strange),
        ] {
            let table = decided(decision, Some(7), of(letter));
            assert!(!table.contains("pending"), "{table}");
        }
    }

    #[test]
    fn the_record_names_each_letter_with_what_became_of_it() {
        let mut letters: Vec<DecidedLetterView> =
            [letter(), undecodable()].map(|letter| shown(letter).into()).into();
        let line = format!("broker-a/0:12 unknown_sale, batch {}, 2 orders, 3 units: waiting\n", batch());
        assert!(record(&letters).starts_with(&line), "{}", record(&letters));
        letters.iter_mut().for_each(|letter| letter.result = Some("failed".to_owned()));
        assert!(record(&letters).ends_with(", 3 bytes: failed\n"), "{}", record(&letters));
        assert!(DecidedLettersView::new(Decision::Replay, Some(1), letters).has_failed());
    }
}

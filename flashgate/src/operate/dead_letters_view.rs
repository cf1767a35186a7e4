//! Dead letters, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use comfy_table::{CellAlignment, Table, presets};
use flashgate_domain::BatchId;
use flashgate_proto::v1;
use serde::Serialize;

use super::{dead_letters::Decision, moment::show, view::fields};

/// A dead letter.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LetterView {
    id: String,
    given_up_at_ms: u64,
    reason: String,
    detail: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<String>,
    origin: OriginView,
    body_bytes: u64,
    /// Of the batch in its body; nothing if that cannot be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<u64>,
    /// Whether the order store has decided the batch.
    decided: bool,
    standing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

/// Where it came from.
#[derive(Clone, Debug, Serialize)]
struct OriginView {
    topic: String,
    queue: String,
    offset: String,
    message_id: String,
}

/// What was last decided about it.
#[derive(Clone, Debug, Serialize)]
struct DecisionView {
    repair_id: String,
    actor: String,
    reason: String,
    decided_at_ms: u64,
}

impl From<v1::DeadLetter> for LetterView {
    fn from(letter: v1::DeadLetter) -> Self {
        let decodes = letter.orders > 0;
        let origin = letter.origin.unwrap_or_default();
        let decision = |decision: v1::DeadLetterDecision| DecisionView {
            repair_id: decision.repair_id.to_string(),
            actor: decision.actor,
            reason: decision.reason,
            decided_at_ms: decision.decided_at_ms,
        };
        Self {
            id: letter.id,
            given_up_at_ms: letter.given_up_at_ms,
            reason: letter.reason,
            detail: letter.detail,
            key: letter.key,
            batch_id: (!letter.batch_id.is_empty()).then_some(letter.batch_id),
            origin: OriginView {
                topic: origin.topic,
                queue: origin.queue,
                offset: origin.offset,
                message_id: origin.message_id,
            },
            body_bytes: letter.body_bytes,
            orders: decodes.then_some(letter.orders),
            units: decodes.then_some(letter.units),
            decided: letter.decided,
            standing: letter.standing,
            decision: letter.decision.map(decision),
        }
    }
}

impl LetterView {
    /// The standing, with who, when and why.
    fn standing(&self) -> String {
        let Some(DecisionView { actor, reason, decided_at_ms, .. }) = &self.decision else {
            return self.standing.clone();
        };
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        format!("{} by {actor}, {}{why}", self.standing, show(*decided_at_ms))
    }

    fn key(&self) -> String {
        match &self.batch_id {
            Some(batch) if *batch != self.key => format!("{} (batch {batch})", self.key),
            Some(batch) => format!("batch {batch}"),
            None => self.key.clone(),
        }
    }

    fn origin(&self) -> String {
        let OriginView { topic, queue, offset, .. } = &self.origin;
        if topic.is_empty() { "unknown".to_owned() } else { format!("{topic}, {queue}:{offset}") }
    }
}

fn number(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

const fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// A page of dead letters.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LettersView {
    letters: Vec<LetterView>,
    /// Where to go on, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl LettersView {
    pub(super) fn new(letters: Vec<LetterView>, next: String) -> Self {
        Self { letters, next: (!next.is_empty()).then_some(next) }
    }

    /// One line a letter.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "LETTER", "GIVEN UP", "REASON", "DETAIL", "KEY", "FROM", "BYTES", "ORDERS", "UNITS", "DECIDED",
            "STANDING",
        ]);
        for letter in &self.letters {
            table.add_row([
                letter.id.clone(),
                show(letter.given_up_at_ms),
                letter.reason.clone(),
                letter.detail.clone(),
                letter.key(),
                letter.origin(),
                letter.body_bytes.to_string(),
                number(letter.orders),
                number(letter.units),
                yes_or_no(letter.decided).to_owned(),
                letter.standing(),
            ]);
        }
        for column in [6, 7, 8] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = table.trim_fmt();
        if let Some(next) = &self.next {
            text.push_str("\nthere may be more: --after ");
            text.push_str(next);
        }
        text
    }
}

/// A dead letter with its body.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ShownLetter {
    #[serde(flatten)]
    letter: LetterView,
    /// What is in its body; none if that cannot be decoded.
    order_list: Vec<LetterOrder>,
    /// The first bytes of a body that cannot be decoded, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_head: Option<String>,
}

/// An order that the batch in a letter asks for.
#[derive(Clone, Debug, Serialize)]
struct LetterOrder {
    order_id: String,
    sale_id: String,
    buyer_id: String,
    idempotency_key: String,
    quantity: u32,
}

impl ShownLetter {
    /// `None` if the answer has intents and no batch.
    pub(super) fn new(shown: v1::ShowDeadLetterResponse) -> Option<Self> {
        let v1::ShowDeadLetterResponse { letter, intents, head } = shown;
        let letter = LetterView::from(letter?);
        let batch: Option<BatchId> = letter.batch_id.as_ref().and_then(|id| id.parse().ok());
        let order = |(index, intent): (usize, v1::BatchIntent)| {
            Some(LetterOrder {
                order_id: batch?.order(index)?.to_string(),
                sale_id: intent.sale_id.to_string(),
                buyer_id: intent.buyer_id,
                idempotency_key: intent.idempotency_key,
                quantity: intent.quantity,
            })
        };
        let order_list = intents.into_iter().enumerate().map(order).collect::<Option<Vec<_>>>()?;
        let body_head = letter.orders.is_none().then(|| hex(&head));
        Some(Self { letter, order_list, body_head })
    }

    /// Everything about it.
    pub(super) fn table(&self) -> String {
        let letter = &self.letter;
        let mut text = fields(&[
            ("letter", letter.id.clone()),
            ("given up", show(letter.given_up_at_ms)),
            ("reason", letter.reason.clone()),
            ("detail", letter.detail.clone()),
            ("key", letter.key()),
            ("from", letter.origin()),
            ("message", letter.origin.message_id.clone()),
            ("bytes", letter.body_bytes.to_string()),
            ("orders", number(letter.orders)),
            ("units", number(letter.units)),
            ("decided", yes_or_no(letter.decided).to_owned()),
            ("standing", letter.standing()),
        ]);
        if let Some(head) = &self.body_head {
            let rest = if head.len() / 2 < usize::try_from(letter.body_bytes).unwrap_or(usize::MAX) {
                "…"
            } else {
                ""
            };
            text.push_str("\n\n");
            for line in head.as_bytes().chunks(64) {
                text.push_str(&String::from_utf8_lossy(line));
                text.push('\n');
            }
            text.push_str(rest);
            return text.trim_end().to_owned();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["ORDER", "SALE", "BUYER", "KEY", "QUANTITY"]);
        for order in &self.order_list {
            table.add_row([
                &order.order_id,
                &order.sale_id,
                &order.buyer_id,
                &order.idempotency_key,
                &order.quantity.to_string(),
            ]);
        }
        format!("{text}\n\n{}", table.trim_fmt())
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A letter that is, or would be, replayed or dropped.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DecidedLetter {
    #[serde(flatten)]
    letter: LetterView,
    /// What its batch has of each sale, for as long as the order store has not decided it.
    undecided: Vec<OfSale>,
    /// What became of it; nothing in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<String>,
}

/// What a batch has of a sale.
#[derive(Clone, Debug, Serialize)]
struct OfSale {
    sale_id: String,
    order_ids: Vec<String>,
    units: u64,
}

impl From<ShownLetter> for DecidedLetter {
    fn from(shown: ShownLetter) -> Self {
        let ShownLetter { letter, order_list, .. } = shown;
        let mut by_sale: BTreeMap<String, OfSale> = BTreeMap::new();
        for order in if letter.decided { Vec::new() } else { order_list } {
            let LetterOrder { order_id, sale_id, quantity, .. } = order;
            let of_sale = by_sale.entry(sale_id.clone());
            let of_sale = of_sale.or_insert(OfSale { sale_id, order_ids: Vec::new(), units: 0 });
            of_sale.order_ids.push(order_id);
            of_sale.units += u64::from(quantity);
        }
        Self { letter, undecided: by_sale.into_values().collect(), result: None }
    }
}

impl DecidedLetter {
    pub(super) fn id(&self) -> &str {
        &self.letter.id
    }

    /// What stays open if it is not replayed; nothing if it is no batch, or is decided.
    fn open(&self) -> Option<String> {
        let batch = self.letter.batch_id.as_ref().filter(|_batch| !self.letter.decided)?;
        if self.undecided.is_empty() {
            return Some(format!("batch {batch}: the body cannot be decoded, its orders are not known here"));
        }
        let of_sale = |of_sale: &OfSale| {
            let OfSale { sale_id, order_ids, units } = of_sale;
            format!("{units} units of sale {sale_id} in the orders {}", order_ids.join(" "))
        };
        let parts: Vec<String> = self.undecided.iter().map(of_sale).collect();
        Some(format!("batch {batch}: {}", parts.join("; ")))
    }
}

/// One line a letter, for the record.
pub(super) fn told(letters: &[DecidedLetter]) -> String {
    let mut text = String::new();
    for DecidedLetter { letter, result, .. } in letters {
        let batch = letter.batch_id.as_ref().map(|batch| format!(", batch {batch}")).unwrap_or_default();
        let size = match (letter.orders, letter.units) {
            (Some(orders), Some(units)) => format!(", {orders} orders, {units} units"),
            (_, _) => format!(", {} bytes", letter.body_bytes),
        };
        let decided = if letter.decided { ", decided" } else { "" };
        let result = result.as_ref().map_or_else(|| letter.standing.clone(), Clone::clone);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{} {}{batch}{size}{decided}: {result}", letter.id, letter.reason);
    }
    text
}

/// Letters that are, or would be, replayed or dropped.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DecidedView {
    #[serde(skip)]
    decision: Decision,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_id: Option<String>,
    letters: Vec<DecidedLetter>,
}

impl DecidedView {
    pub(super) fn new(decision: Decision, repair_id: Option<u64>, letters: Vec<DecidedLetter>) -> Self {
        let (applied, repair_id) = (repair_id.is_some(), repair_id.map(|id| id.to_string()));
        Self { decision, applied, repair_id, letters }
    }

    /// Whether a letter was not taken.
    pub(super) fn has_failed(&self) -> bool {
        self.letters.iter().any(|letter| letter.result.as_deref() == Some("failed"))
    }

    /// One line a letter, and what stays open.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["LETTER", "REASON", "KEY", "ORDERS", "UNITS", "DECIDED", "WAS", "RESULT"]);
        for DecidedLetter { letter, result, .. } in &self.letters {
            table.add_row([
                letter.id.clone(),
                letter.reason.clone(),
                letter.key(),
                number(letter.orders),
                number(letter.units),
                yes_or_no(letter.decided).to_owned(),
                letter.standing.clone(),
                result.clone().unwrap_or_default(),
            ]);
        }
        let mut text = table.trim_fmt();
        for line in self.notes() {
            text.push('\n');
            text.push_str(&line);
        }
        text
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let open: Vec<String> = match self.decision {
            Decision::Replay => Vec::new(),
            Decision::Drop => self.letters.iter().filter_map(DecidedLetter::open).collect(),
        };
        if !open.is_empty() {
            notes.push(
                "what a gateway has accepted of these stays pending, and its units are not sold again; \
                 `flashgate audit` goes on telling to_redrive (exit code 14):"
                    .to_owned(),
            );
            notes.extend(open);
        }
        notes.push(match &self.repair_id {
            Some(id) => format!("repair {id}"),
            None => "a dry run: nothing was done; --apply does it".to_owned(),
        });
        notes
    }
}

#[cfg(test)]
mod tests {
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

    fn shown(letter: v1::DeadLetter) -> ShownLetter {
        let (intents, head) = match letter.orders {
            0 => (Vec::new(), vec![0x0a, 3, 0xff]),
            _ => (vec![intent(1), intent(2)], Vec::new()),
        };
        ShownLetter::new(v1::ShowDeadLetterResponse { letter: Some(letter), intents, head })
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
        assert!(decodes.table().contains("buyer-2"), "{}", decodes.table());

        let opaque = shown(undecodable());
        let value = serde_json::to_value(&opaque).expect("JSON");
        assert_eq!((&value["body_head"], &value["orders"]), (&json!("0a03ff"), &Value::Null));
        assert!(opaque.table().ends_with("0a03ff"), "{}", opaque.table());
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
        let table = page.table();
        assert!(table.contains("dropped by ops, 1970-01-01T00:00:06Z: a stranger's"), "{table}");
        assert!(table.ends_with("there may be more: --after broker-a/0:13"), "{table}");
        let value = serde_json::to_value(&page).expect("JSON");
        assert_eq!(value["letters"][0].get("decision"), None);
        assert_eq!(value["letters"][1]["decision"]["repair_id"], json!("4"));
    }

    #[test]
    fn a_drop_names_what_stays_open_and_a_replay_has_nothing_to_name() {
        let of = |letter| vec![DecidedLetter::from(shown(letter))];
        let dry = DecidedView::new(Decision::Drop, None, of(letter())).table();
        assert!(dry.contains("3 units of sale 9 in the orders ") && dry.contains("to_redrive"), "{dry}");
        assert!(dry.ends_with("a dry run: nothing was done; --apply does it"), "{dry}");
        let opaque = DecidedView::new(Decision::Drop, Some(7), of(undecodable())).table();
        assert!(opaque.contains("its orders are not known here") && opaque.ends_with("repair 7"), "{opaque}");
        let strange = v1::DeadLetter { batch_id: String::new(), ..undecodable() };
        for (decision, letter) in [
            (Decision::Replay, letter()),
            (Decision::Drop, v1::DeadLetter { decided: true, ..letter() }),
            (Decision::Drop, strange),
        ] {
            let table = DecidedView::new(decision, Some(7), of(letter)).table();
            assert!(!table.contains("pending"), "{table}");
        }
    }

    #[test]
    fn the_record_names_each_letter_with_what_became_of_it() {
        let mut letters: Vec<DecidedLetter> =
            [letter(), undecodable()].map(|letter| shown(letter).into()).into();
        let line = format!("broker-a/0:12 unknown_sale, batch {}, 2 orders, 3 units: waiting\n", batch());
        assert!(told(&letters).starts_with(&line), "{}", told(&letters));
        letters.iter_mut().for_each(|letter| letter.result = Some("failed".to_owned()));
        assert!(told(&letters).ends_with(", 3 bytes: failed\n"), "{}", told(&letters));
        assert!(DecidedView::new(Decision::Replay, Some(1), letters).has_failed());
    }
}

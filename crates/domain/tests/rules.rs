//! The rules that need nobody else: tokens, sales, order states, the chain of local checks.
#![expect(clippy::unwrap_used, reason = "the builders of the tests are outside of test functions")]

use std::time::Duration;

use flashgate_domain::{
    BuyerId, CancelReason, IdempotencyKey, OrderState, Quantity, Refusal, Sale, SaleDraft, SaleFields,
    SaleId, SaleState, Timestamp,
    buyer::InvalidToken,
    checks::{CLOCK_SKEW_MS_MAX, Request, check},
};

const OPENS_AT: u64 = 1_000_000_000;

fn draft(edit: impl FnOnce(&mut SaleFields)) -> Result<SaleDraft, &'static str> {
    let mut fields = SaleFields {
        title: "tickets".to_owned(),
        price_minor: 100,
        currency: "EUR".to_owned(),
        opens_at: Timestamp::from_millis(OPENS_AT),
        closes_at: Timestamp::from_millis(OPENS_AT + 1_000),
        stock: 10,
        limit_per_buyer: 4,
        quantity_max: 2,
        ..SaleFields::default()
    };
    edit(&mut fields);
    fields.check().map_err(|invalid| invalid.field)
}

#[test]
fn a_wrong_field_of_a_sale_is_named() {
    assert!(draft(|_form| {}).is_ok());
    assert_eq!(draft(|form| form.title.clear()), Err("title"));
    assert_eq!(draft(|form| form.title = "x".repeat(201)), Err("title"));
    assert_eq!(draft(|form| form.title = "a\nb".to_owned()), Err("title"));
    assert_eq!(draft(|form| form.price_minor = 1_000_000_000_001), Err("price_minor"));
    assert_eq!(draft(|form| form.currency = "eur".to_owned()), Err("currency"));
    assert_eq!(draft(|form| form.currency = "EURO".to_owned()), Err("currency"));
    assert_eq!(draft(|form| form.closes_at = form.opens_at), Err("closes_at_ms"));
    assert_eq!(draft(|form| form.closes_at = Timestamp::from_millis(u64::MAX)), Err("closes_at_ms"));
    assert_eq!(draft(|form| form.stock = 0), Err("stock"));
    assert_eq!(draft(|form| form.stock = 1_000_000_001), Err("stock"));
    assert_eq!(draft(|form| form.limit_per_buyer = 0), Err("limit_per_buyer"));
    assert_eq!(draft(|form| form.quantity_max = 0), Err("quantity_max"));
    assert_eq!(draft(|form| form.quantity_max = 5), Err("quantity_max"));
    for millis in [1, 999, 2_592_000_001] {
        assert_eq!(draft(|form| form.pay_within = Duration::from_millis(millis)), Err("pay_within_ms"));
    }
}

#[test]
fn an_order_is_due_if_it_costs_something_and_its_sale_has_a_deadline() {
    let pay_within = |price_minor, millis| {
        let edit = move |form: &mut SaleFields| {
            (form.price_minor, form.pay_within) = (price_minor, Duration::from_millis(millis));
        };
        draft(edit).unwrap().pay_within()
    };
    for millis in [1_000, 2_592_000_000] {
        assert_eq!(pay_within(1, millis), Some(Duration::from_millis(millis)));
    }
    assert_eq!((pay_within(1, 0), pay_within(0, 0), pay_within(0, 1_000)), (None, None, None));
}

#[test]
fn tokens_are_visible_ascii_of_a_bounded_length() {
    assert_eq!(IdempotencyKey::new(""), Err(InvalidToken::Empty));
    assert!(IdempotencyKey::new("k".repeat(255)).is_ok());
    assert_eq!(IdempotencyKey::new("k".repeat(256)), Err(InvalidToken::TooLong { bytes_max: 255 }));
    for text in ["a b", "a\tb", "ключ", "a\u{7f}", "\0"] {
        assert_eq!(IdempotencyKey::new(text), Err(InvalidToken::NotVisibleAscii), "{text:?}");
    }
    assert!(BuyerId::new("b".repeat(128)).is_ok());
    assert!(BuyerId::new("b".repeat(129)).is_err());
}

#[test]
fn digests_tell_buyers_and_keys_apart() {
    let [anna, bob] = ["anna", "bob"].map(|name| BuyerId::new(name).unwrap());
    let [one, two] = ["1", "2"].map(|key| IdempotencyKey::new(key).unwrap());
    assert_ne!(anna.digest(), bob.digest());
    assert_ne!(one.digest(&anna), one.digest(&bob));
    assert_ne!(one.digest(&anna), two.digest(&anna));
    // Without a separator these two would be the same bytes.
    let [ab, a] = ["ab", "a"].map(|name| BuyerId::new(name).unwrap());
    let [c, bc] = ["c", "bc"].map(|key| IdempotencyKey::new(key).unwrap());
    assert_ne!(c.digest(&ab), bc.digest(&a));
}

#[test]
fn a_buyer_id_does_not_show_itself_in_debug_output() {
    let buyer = BuyerId::new("anna").unwrap();
    assert!(!format!("{buyer:?}").contains("anna"));
}

/// The rows of the table in `docs/ARCHITECTURE.md`: from, to, the reasons (`the same` for each that stays).
fn documented() -> Vec<(OrderState, OrderState)> {
    let page = include_str!("../../../docs/ARCHITECTURE.md");
    let (_before, section) = page.split_once("\n## Orders\n").unwrap();
    let (section, _after) = section.split_once("\n## ").unwrap();
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let state = |name: &str, reason| OrderState::from_parts(name, reason).unwrap();
    let mut transitions = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let [_, from, to, reasons, ..] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let [from, to] = [from, to].map(|cell| words(cell).concat());
        let reasons: Vec<_> = words(reasons).iter().map(|name| CancelReason::parse(name).unwrap()).collect();
        if row.contains("| the same |") {
            let each = CancelReason::ALL.into_iter().map(Some);
            transitions.extend(each.map(|reason| (state(&from, reason), state(&to, reason))));
        } else if reasons.is_empty() {
            transitions.push((state(&from, None), state(&to, None)));
        } else {
            transitions
                .extend(reasons.into_iter().map(|reason| (state(&from, None), state(&to, Some(reason)))));
        }
    }
    transitions
}

/// Every state, with every reason.
fn states() -> impl Iterator<Item = OrderState> + Clone {
    use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};
    let ends = CancelReason::ALL.into_iter();
    let ends = ends.flat_map(|reason| [Cancelled(reason), Refunding(reason), Refunded(reason)]);
    [Pending, Confirmed, Paid, Shipped, Finished].into_iter().chain(ends)
}

#[test]
fn an_order_goes_only_where_the_documented_table_leads() {
    let documented = documented();
    assert_eq!(documented.len(), 4 + 2 + 4 + 5 + 2 * CancelReason::ALL.len(), "{documented:?}");
    for from in states() {
        for to in states() {
            assert_eq!(from.may_become(to), documented.contains(&(from, to)), "{from:?} -> {to:?}");
        }
        assert_eq!(OrderState::from_parts(from.as_str(), from.reason()), Some(from));
    }
}

#[test]
fn units_leave_an_order_by_one_transition_and_never_come_back_to_it() {
    for from in states() {
        for to in states().filter(|to| from.may_become(*to)) {
            let takes = !from.holds_units() && to.holds_units();
            assert_eq!(
                takes,
                (from, to) == (OrderState::Pending, OrderState::Confirmed),
                "{from:?} -> {to:?}"
            );
            if from.holds_units() && !to.holds_units() {
                assert!(to.reason().is_some_and(|reason| reason.returns_units() && !reason.is_of_placing()));
            }
        }
    }
}

#[test]
fn only_units_that_do_not_exist_are_not_returned() {
    for reason in CancelReason::ALL {
        assert_eq!(reason.returns_units(), reason != CancelReason::OutOfStock);
        assert_eq!(CancelReason::parse(reason.as_str()), Some(reason));
    }
}

fn verdict(state: SaleState, paused: bool, quantity: u32, now: u64) -> Result<(), Refusal> {
    let sale = Sale {
        id: SaleId::new(1).unwrap(),
        draft: draft(|_form| {}).unwrap(),
        state,
        generation: 1,
        saleable: 10,
        reserved: 0,
        restocked: 0,
        returned: 0,
    };
    let quantity = Quantity::new(quantity).unwrap();
    check(&Request { sale: Some(&sale), paused, quantity, now: Timestamp::from_millis(now) })
}

#[test]
fn the_chain_refuses_what_nobody_needs_to_be_asked_about() {
    let open = |state, paused, quantity| verdict(state, paused, quantity, OPENS_AT);
    assert_eq!(open(SaleState::Preheated, false, 2), Ok(()));
    assert_eq!(open(SaleState::Created, false, 2), Err(Refusal::SaleNotFound));
    assert_eq!(open(SaleState::Preheating, false, 2), Err(Refusal::SaleNotReady));
    assert_eq!(open(SaleState::Preheated, true, 2), Err(Refusal::SalePaused));
    assert!(matches!(
        open(SaleState::Preheated, true, 3),
        Err(Refusal::Malformed(violation)) if violation.field == "quantity"
    ));
    let unknown = Request { sale: None, paused: false, quantity: Quantity::ONE, now: Timestamp::default() };
    assert_eq!(check(&unknown), Err(Refusal::SaleNotFound));
}

#[test]
fn the_window_is_left_to_the_ledger_within_the_skew_of_clocks() {
    let at = |now| verdict(SaleState::Preheated, false, 1, now);
    let opens_at = Timestamp::from_millis(OPENS_AT);
    assert_eq!(at(OPENS_AT - CLOCK_SKEW_MS_MAX - 1), Err(Refusal::NotOpen { opens_at }));
    assert_eq!(at(OPENS_AT - CLOCK_SKEW_MS_MAX), Ok(()));
    // A sale that is over passes: only the ledger knows whether this is the replay of an accepted purchase.
    assert_eq!(at(OPENS_AT * 2), Ok(()));
    assert_eq!(verdict(SaleState::Closed, false, 1, OPENS_AT), Ok(()));
}

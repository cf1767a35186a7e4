//! The rules that need nobody else: tokens, sales, order states, the chain of local checks.
#![expect(clippy::unwrap_used, reason = "the builders of the tests are outside of test functions")]

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

#[test]
fn an_order_goes_only_where_the_diagram_leads() {
    use OrderState::{Cancelled, Confirmed, Finished, Paid, Pending, Refunded, Refunding, Shipped};
    let timeout = CancelReason::Timeout;
    let states = [
        Pending,
        Confirmed,
        Paid,
        Shipped,
        Finished,
        Cancelled(timeout),
        Refunding(timeout),
        Refunded(timeout),
    ];
    let legal = [
        (Pending, Confirmed),
        (Confirmed, Paid),
        (Paid, Shipped),
        (Shipped, Finished),
        (Pending, Cancelled(timeout)),
        (Confirmed, Cancelled(timeout)),
        (Paid, Cancelled(timeout)),
        (Cancelled(timeout), Refunding(timeout)),
        (Refunding(timeout), Refunded(timeout)),
    ];
    for from in states {
        for to in states {
            assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from:?} -> {to:?}");
        }
        assert_eq!(OrderState::from_parts(from.as_str(), from.reason()), Some(from));
    }
    let other = CancelReason::ByBuyer;
    assert!(!Cancelled(timeout).may_become(Refunding(other)), "the reason stays the same");
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

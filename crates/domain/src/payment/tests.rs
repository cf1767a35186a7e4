//! What the types of payments accept.

use super::*;
use crate::{intent::Quantity, sale::PRICE_MINOR_MAX};

fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

#[test]
fn an_attempt_id_has_exactly_one_text() {
    for text in ["1-1", "9223372036854775807-4294967295", "1024-10"] {
        let attempt: AttemptId = text.parse().unwrap();
        assert_eq!(attempt.to_string(), text);
        assert!(text.len() <= ATTEMPT_ID_BYTES_MAX);
    }
    for text in [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-0",
        "0-1",
        "1-01",
        "01-1",
        "1-+1",
        "+1-1",
        "1--1",
        "1-1-1",
        "1 -1",
        "1- 1",
        "1-4294967296",
        "9223372036854775808-1",
        "1-1\n",
        "\u{661}-1",
        "1-\u{661}",
        "a-1",
        "1-a",
        "1_1",
    ] {
        assert_eq!(text.parse::<AttemptId>(), Err(InvalidAttemptId), "{text:?}");
    }
}

#[test]
fn a_currency_is_three_capital_letters() {
    assert_eq!("JPY".parse::<Currency>().unwrap().as_str(), "JPY");
    for text in ["", "EU", "EURO", "eur", "E R", "\u{20ac}", "EU1"] {
        assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text:?}");
    }
}

#[test]
fn money_is_never_rounded_and_never_wraps() {
    let most = Quantity::new(1_000_000).unwrap();
    let max = Money::of_units(PRICE_MINOR_MAX, most, "KWD".parse().unwrap()).unwrap();
    assert_eq!(max.minor(), MONEY_MINOR_MAX);
    assert!(i64::try_from(MONEY_MINOR_MAX).is_ok());
    let over = Money::of_units(PRICE_MINOR_MAX + 1, most, max.currency());
    assert_eq!(over, Err(InvalidMoney::TooMuch));
    assert_eq!(Money::of_units(u64::MAX, most, max.currency()), Err(InvalidMoney::TooMuch));
    assert_eq!(Money::new(u64::MAX, max.currency()), Err(InvalidMoney::TooMuch));
    assert_eq!(euros(MONEY_MINOR_MAX).checked_add(euros(1)), Err(InvalidMoney::TooMuch));
    assert_eq!(euros(5).checked_add(euros(7)), Ok(euros(12)));
    assert_eq!(euros(5).checked_sub(euros(5)), Ok(euros(0)));
    assert_eq!(euros(5).checked_sub(euros(6)), Err(InvalidMoney::Negative));
    for mixed in [euros(1).checked_add(max), euros(1).checked_sub(max)] {
        assert_eq!(mixed.unwrap_err().to_string(), "must be in EUR, not in KWD");
    }
}

#[test]
fn only_these_transitions_of_an_attempt_exist() {
    use AttemptState::{Closed, Open, Paid, Reversed};
    let legal = [(Open, Closed), (Open, Paid), (Closed, Paid), (Paid, Reversed)];
    for from in AttemptState::ALL {
        for to in AttemptState::ALL {
            assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from} to {to}");
        }
    }
}

#[test]
fn a_refund_may_fail_after_it_succeeded_and_never_leaves_an_end() {
    use RefundState::{Cancelled, Failed, Pending, RequiresAction, Succeeded};
    assert!(Succeeded.may_become(Failed) && RequiresAction.may_become(Pending));
    for next in RefundState::ALL {
        assert_eq!(Succeeded.may_become(next), next == Failed, "{next}");
        assert!(!Failed.may_become(next) && !Cancelled.may_become(next), "{next}");
        assert_eq!(Pending.may_become(next), next != Pending, "{next}");
        assert!(!next.may_become(next), "{next}");
    }
}

#[test]
fn ids_of_refunds_and_callbacks_have_limits() {
    assert_eq!(RefundId::new("1024-1_r-2").unwrap().as_str(), "1024-1_r-2");
    assert!(RefundId::new("r".repeat(REFUND_ID_BYTES_MAX)).is_ok());
    for text in ["", "a b", "a.b", "\u{eb}", "a/b", &"r".repeat(REFUND_ID_BYTES_MAX + 1)] {
        assert_eq!(RefundId::new(text), Err(InvalidRefundId), "{text:?}");
    }
    assert_eq!(CallbackId::new("msg_1/a+b=").unwrap().as_str(), "msg_1/a+b=");
    assert!(CallbackId::new("m".repeat(CALLBACK_ID_BYTES_MAX)).is_ok());
    for text in ["", "msg.1", "a b", "\u{eb}", "a\0", &"m".repeat(CALLBACK_ID_BYTES_MAX + 1)] {
        assert_eq!(CallbackId::new(text), Err(InvalidCallbackId), "{text:?}");
    }
}

#[test]
fn a_refund_has_exactly_one_id_which_fits() {
    for text in ["1-1-r1", "9223372036854775807-4294967295-r4294967295", "1024-10-r20"] {
        let key = RefundKey::parse(&RefundId::new(text).unwrap()).unwrap();
        assert_eq!(key.id(), RefundId::new(text).unwrap());
    }
    for text in
        ["1-1", "1-1-r", "1-1-r0", "1-1-r01", "1-1-1", "1-r1", "1-1_r1", "r1", "-r1", "1-1-r4294967296"]
    {
        assert_eq!(RefundKey::parse(&RefundId::new(text).unwrap()), None, "{text:?}");
    }
}

#[test]
fn a_refund_is_in_progress_until_the_provider_has_decided() {
    let open = RefundState::ALL.into_iter().filter(|state| state.is_open());
    assert!(open.eq([RefundState::Pending, RefundState::RequiresAction]));
}

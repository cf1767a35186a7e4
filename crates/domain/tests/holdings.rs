//! What an audit concludes from what buyers hold.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use flashgate_domain::{
    BatchId, BuyerDigest, Timestamp,
    audit::{Amount, Finding, Holdings, LedgerSnapshot, LostEntry, OpenBatch, WrittenCounts, lost_part},
};

const fn buyer(number: u8) -> BuyerDigest {
    BuyerDigest([number; 16])
}

/// A ledger of so many buyers, in which nothing is open.
fn ledger(buyers: u64) -> LedgerSnapshot {
    LedgerSnapshot { generation: 1, sequence: 50, buyers, ..LedgerSnapshot::default() }
}

/// Buyers by their units in the order store and in the ledger.
fn read(buyers: &[(u64, u64)]) -> Holdings {
    let mut read = Holdings::default();
    for (number, (units, held)) in (0..).zip(buyers) {
        read.add(buyer(number), *units, *held);
    }
    read
}

fn batch() -> BatchId {
    "00000000008000000000000000000001".parse().unwrap()
}

#[test]
fn buyers_that_hold_what_their_orders_say_agree() {
    let (still, all) = (ledger(2), read(&[(1, 1), (2, 2), (0, 0)]));
    assert!(all.agrees(&still));
    assert_eq!(all.confirmed(&still, &still).findings(), []);
}

#[test]
fn a_buyer_that_holds_too_little_is_certain_whatever_is_in_flight() {
    let one_open = OpenBatch { id: batch(), deducted_at: Timestamp::default(), amount: Amount::default() };
    let before = LedgerSnapshot { open: vec![one_open], ..ledger(3) };
    let after = LedgerSnapshot { sequence: 60, ..ledger(9) };
    let found = read(&[(1, 0), (3, 1), (1, 1)]);
    assert!(!found.agrees(&before));
    let few = Finding::HeldTooFew { buyers: 2, units: 3 };
    assert_eq!(found.confirmed(&before, &after).findings(), [few]);
}

#[test]
fn a_buyer_that_holds_too_much_is_certain_if_nothing_is_in_flight() {
    let found = read(&[(1, 2), (0, 4), (1, 1)]);
    let still = ledger(3);
    let many = Finding::HeldTooMany { buyers: 2, units: 5 };
    assert_eq!(found.clone().confirmed(&still, &still).findings(), [many]);

    let deducted_at = Timestamp::default();
    let held = OpenBatch { id: batch(), deducted_at, amount: Amount::default() };
    let lost = LostEntry { batch: batch(), deducted_at };
    let busy =
        [LedgerSnapshot { open: vec![held], ..ledger(3) }, LedgerSnapshot { lost: vec![lost], ..ledger(3) }];
    for before in busy {
        assert!(found.agrees(&before), "it need not be looked at once more");
        assert_eq!(found.clone().confirmed(&before, &ledger(3)).findings(), []);
    }
    let moved = LedgerSnapshot { sequence: 51, ..ledger(3) };
    assert_eq!(found.confirmed(&still, &moved).findings(), [], "something was deducted or settled meanwhile");
}

#[test]
fn buyers_without_orders_hold_too_much() {
    let (found, before) = (read(&[(1, 1), (0, 0)]), ledger(4));
    assert!(!found.agrees(&before));
    let many = Finding::HeldTooMany { buyers: 3, units: 3 };
    assert_eq!(found.clone().confirmed(&before, &before).findings(), [many]);
    let moved = LedgerSnapshot { sequence: 51, ..ledger(4) };
    assert_eq!(found.confirmed(&before, &moved).findings(), []);
}

#[test]
fn a_sale_that_is_rebuilt_meanwhile_says_nothing() {
    let rebuilt = LedgerSnapshot { generation: 2, ..ledger(1) };
    assert_eq!(read(&[(2, 1), (1, 3)]).confirmed(&ledger(1), &rebuilt), Holdings::default());
}

#[test]
fn only_what_two_readings_say_is_found() {
    let still = ledger(9);
    let reading = |buyers: &[(u64, u64)]| read(buyers).confirmed(&still, &still);
    let first = reading(&[(5, 1), (2, 0), (1, 1), (1, 4), (1, 2)]);
    let second = reading(&[(5, 3), (2, 2), (2, 1), (1, 2), (1, 1)]);
    let few = Finding::HeldTooFew { buyers: 1, units: 2 };
    // Five of nine have no order, in both.
    let many = Finding::HeldTooMany { buyers: 1 + 4, units: 1 + 4 };
    assert_eq!(first.agreed(&second).findings(), [few, many]);
}

#[test]
fn a_part_is_lost_if_there_are_other_fields_than_were_written() {
    let written = WrittenCounts { buyers: 3, keys: 5 };
    let told = |buyers, keys, written| lost_part(&LedgerSnapshot { keys, written, ..ledger(buyers) });
    assert_eq!(told(3, 5, Some(written)), None);
    assert_eq!(told(0, 5, None), None, "an older gateway does not tell");
    for (buyers, keys) in [(0, 5), (3, 4), (4, 5)] {
        let found = WrittenCounts { buyers, keys };
        assert_eq!(told(buyers, keys, Some(written)), Some(Finding::PartLost { written, found }));
    }
}

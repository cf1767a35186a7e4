//! What an id promises.
#![expect(clippy::unwrap_used, reason = "strategies are outside of test functions")]

use std::collections::HashSet;

use flashgate_domain::{
    BatchId, BatchIds, LedgerId, Node, OrderId, SaleId, Shard, StoreId, Timestamp,
    id::{BATCH_INTENTS_MAX, NODES_MAX, SHARDS_MAX, ShardCount},
};
use proptest::prelude::*;

/// 2026-01-01 and 30 years later, in milliseconds since 1970.
const TIMES: std::ops::Range<u64> = 1_767_225_600_001..2_713_910_400_000;

prop_compose! {
    fn batch_ids()(at in TIMES, shard in 0..SHARDS_MAX, node in 0..u64::from(NODES_MAX), nonce: u64) -> BatchId {
        BatchId::new(Timestamp::from_millis(at), Shard::new(shard).unwrap(), Node::of_start(node), nonce)
    }
}

proptest! {
    #[test]
    fn an_order_leads_to_its_batch_its_place_and_its_shard(id in batch_ids(), index in 0..BATCH_INTENTS_MAX) {
        let order = id.order(index).unwrap();
        prop_assert_eq!(order.base(), id.base());
        prop_assert_eq!(order.index(), index);
        prop_assert_eq!(order.shard(), id.shard());
        prop_assert_eq!(order.to_string().parse(), Ok(order));
        prop_assert!(i64::try_from(order.get()).is_ok());
    }

    #[test]
    fn a_batch_id_survives_text_and_bytes(id in batch_ids()) {
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(BatchId::from_bytes(&id.to_bytes()), Ok(id));
        prop_assert_eq!(BatchId::from_parts(id.base(), id.nonce()), id);
    }

    #[test]
    fn later_batches_have_greater_ids(first in batch_ids(), later_ms in 1_u64..1_000_000) {
        let at = Timestamp::from_millis(TIMES.start + later_ms);
        let second = BatchId::new(at, first.shard(), Node::of_start(0), 0);
        let start = BatchId::new(Timestamp::from_millis(TIMES.start), first.shard(), Node::of_start(127), u64::MAX);
        prop_assert!(start.base() < second.base());
    }

    #[test]
    fn text_that_is_no_id_is_refused(text in "[^0-9]*[^0-9][^0-9]*|0[0-9]*|-[0-9]+|[0-9]{20,}") {
        prop_assert!(text.parse::<OrderId>().is_err());
        prop_assert!(text.parse::<SaleId>().is_err());
    }
}

#[test]
fn an_index_beyond_the_batch_has_no_order() {
    let id = BatchId::new(Timestamp::from_millis(TIMES.start), Shard::new(0).unwrap(), Node::of_start(0), 7);
    assert_eq!(id.order(BATCH_INTENTS_MAX), None);
}

#[test]
fn ids_of_one_generator_differ_even_when_the_clock_goes_back() {
    let mut ids = BatchIds::new(Shard::new(3).unwrap(), Node::of_start(200), 1);
    let times = [5, 5, 4, 1, 5, 9, 9].map(|ms| Timestamp::from_millis(TIMES.start + ms));
    let bases: HashSet<OrderId> = times.into_iter().map(|now| ids.next(now).base()).collect();
    assert_eq!(bases.len(), times.len());
}

#[test]
fn sales_spread_evenly_over_the_shards() {
    let shards = ShardCount::new(4).unwrap();
    let mut counts = [0_u32; 4];
    for id in 1..=4_000 {
        counts[usize::from(SaleId::new(id).unwrap().shard(shards).get())] += 1;
    }
    assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
}

#[test]
fn zero_and_what_a_signed_column_cannot_hold_are_no_ids() {
    assert!(SaleId::new(0).is_err());
    assert!(OrderId::new(u64::MAX).is_err());
    assert!("9223372036854775808".parse::<OrderId>().is_err());
    assert!("9223372036854775807".parse::<OrderId>().is_ok());
    assert!(ShardCount::new(0).is_err());
    assert!(ShardCount::new(65).is_err());
    assert!(Shard::new(64).is_err());
    assert!("0".repeat(32).parse::<BatchId>().is_err());
    assert!(BatchId::from_bytes(&[0; 16]).is_err() && BatchId::from_bytes(&[1; 15]).is_err());
}

#[test]
fn identities_are_32_hexadecimal_digits_and_never_zero() {
    let text = "00112233445566778899aabbccddeeff";
    let ledger: LedgerId = text.parse().unwrap();
    assert_eq!(ledger.to_string(), text);
    assert_eq!(LedgerId::from_bytes(ledger.to_bytes()), Ok(ledger));
    assert_eq!(text.to_uppercase().parse(), Ok(StoreId::from_bytes(ledger.to_bytes()).unwrap()));
    let wrong = ["0".repeat(32), text[1..].to_owned(), format!("+{}", &text[1..]), format!("{text}0")];
    for wrong in wrong {
        assert!(wrong.parse::<LedgerId>().is_err(), "{wrong}");
        assert!(wrong.parse::<StoreId>().is_err(), "{wrong}");
    }
    assert!(LedgerId::from_bytes([0; 16]).is_err());
    assert!(StoreId::from_bytes([0; 16]).is_err());
}

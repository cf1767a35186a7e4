//! The encoding of script arguments besides the intents.

use flashgate_domain::{BatchOutcome, OrderId, OrderState};
use flashgate_ledger::{
    decision_byte::{byte_of, state_of},
    intents::Intents,
};

/// The share of each sale in a batch: its id u64, its orders u32 and its units u32, as in the log entry. `None` if a sum
/// exceeds the layout.
pub(super) fn shares(intents: &Intents) -> Option<Vec<u8>> {
    let mut sums = vec![(0_u32, 0_u32); intents.sales.len()];
    for asked in &intents.asked {
        let (orders, units) = sums.get_mut(usize::from(asked.sale))?;
        (*orders, *units) = (orders.checked_add(1)?, units.checked_add(asked.quantity)?);
    }
    let shares = intents.sales.iter().zip(sums).flat_map(|(sale, (orders, units))| {
        let numbers = [orders.to_be_bytes(), units.to_be_bytes()];
        sale.get().to_be_bytes().into_iter().chain(numbers.concat())
    });
    Some(shares.collect())
}

/// The value of an order in the keys of a sale.
pub(super) fn key_value(order: OrderId, quantity: u32) -> Vec<u8> {
    [order.get().to_be_bytes().as_slice(), &quantity.to_be_bytes()].concat()
}

/// The character of an undecided order.
const PENDING: u8 = b'p';

/// The characters of the orders of an outcome, in their order. `settle.lua` writes the units of `s` off and returns
/// those of all other cancelled orders; `restore.lua` takes all but `s` and `d` for orders that were confirmed.
pub(super) fn states_of(outcome: &BatchOutcome) -> Vec<u8> {
    outcome.orders.iter().map(|order| byte_of(order.decision)).collect()
}

/// The order state of a character.
pub(super) fn state_of_byte(byte: u8) -> Option<OrderState> {
    if byte == PENDING { Some(OrderState::Pending) } else { state_of(byte) }
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{
        BuyerId, CancelReason, Decision, IdempotencyKey, Intent, Quantity, SaleId, Shard, id::ShardCount,
    };

    use super::*;

    fn intent(sale: u64, buyer: &str, quantity: u32) -> Intent {
        let key = IdempotencyKey::new("k").unwrap();
        Intent::new(
            SaleId::new(sale).unwrap(),
            BuyerId::new(buyer).unwrap(),
            key,
            Quantity::new(quantity).unwrap(),
        )
    }

    #[test]
    fn shares_are_added_up_a_sale_in_order_of_appearance() {
        let asked = [intent(9, "a", 1), intent(5, "b", 2), intent(9, "c", 70_000)];
        let intents = Intents::new(ShardCount::ONE, Shard::new(0).unwrap(), asked.iter()).unwrap();
        let shares = shares(&intents).unwrap();
        let numbers = shares.chunks(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 9, 2, 70_001, 0, 5, 1, 2]);
    }

    #[test]
    fn the_letters_are_those_that_the_scripts_know() {
        for reason in CancelReason::ALL {
            let byte = byte_of(Decision::Cancelled(reason));
            assert_eq!(byte != b's', reason.returns_units(), "{reason}");
            assert_eq!(matches!(byte, b's' | b'd'), reason.is_of_placing(), "{reason}");
            assert_eq!(state_of_byte(byte), Some(OrderState::Cancelled(reason)), "{reason}");
        }
        assert_eq!(state_of_byte(b'p'), Some(OrderState::Pending));
        assert_eq!(state_of_byte(b'c'), Some(OrderState::Confirmed));
        assert_eq!(state_of_byte(b'?'), None);
    }
}

//! The encoding of intents as script arguments. `lua/intents.lua` defines the layout.

use std::collections::HashMap;

use flashgate_domain::{BatchOutcome, BuyerDigest, Decision, Intent, OrderState, SaleId};
use flashgate_ledger::decision_byte::{byte_of, decision_of};

/// The size of one intent.
pub(super) const INTENT_BYTES: usize = 38;

/// Numbers sales from 0, in order of first appearance.
#[derive(Default)]
struct Numbering {
    sales: Vec<SaleId>,
    numbers: HashMap<SaleId, usize>,
    last: Option<(SaleId, usize)>,
}

impl Numbering {
    /// Fast for the most common case: the same sale as in the previous call.
    fn number_of(&mut self, sale: SaleId) -> usize {
        if let Some((_, number)) = self.last.filter(|last| last.0 == sale) {
            return number;
        }
        let number = *self.numbers.entry(sale).or_insert_with(|| {
            self.sales.push(sale);
            self.sales.len().saturating_sub(1)
        });
        self.last = Some((sale, number));
        number
    }
}

/// The intents of one call.
#[derive(Debug)]
pub(super) struct Packed {
    /// Each sale once, in order of first appearance.
    pub(super) sales: Vec<SaleId>,
    /// For each intent, the index of its sale in `sales`.
    pub(super) sale_of: Vec<u16>,
    /// The intents, [`INTENT_BYTES`] each.
    pub(super) intents: Vec<u8>,
}

impl Packed {
    /// Packs the intents. `None` above 65,536 sales, which no batch can contain.
    pub(super) fn new<'a>(intents: impl ExactSizeIterator<Item = &'a Intent>) -> Option<Self> {
        let mut sales = Numbering::default();
        let mut sale_of = Vec::with_capacity(intents.len());
        let mut packed = Vec::with_capacity(intents.len() * INTENT_BYTES);
        for intent in intents {
            let number = u16::try_from(sales.number_of(intent.sale())).ok()?;
            sale_of.push(number);
            packed.extend_from_slice(&number.to_be_bytes());
            packed.extend_from_slice(&intent.quantity().get().to_be_bytes());
            packed.extend_from_slice(&intent.key_digest().0);
            packed.extend_from_slice(&intent.buyer_digest().0);
        }
        Some(Self { sales: sales.sales, sale_of, intents: packed })
    }

    /// The ids of the sales, 8 bytes each.
    pub(super) fn sale_ids(&self) -> Vec<u8> {
        self.sales.iter().flat_map(|sale| sale.get().to_be_bytes()).collect()
    }
}

/// The share of each sale in a batch.
#[derive(Debug)]
pub(super) struct Shares {
    /// Each sale once, in order of first appearance.
    pub(super) sales: Vec<SaleId>,
    /// For each sale its id u64, its orders u32 and its units u32, as in the log entry.
    pub(super) packed: Vec<u8>,
}

impl Shares {
    /// Sums the intents. `None` if a sum exceeds the layout.
    pub(super) fn new<'a>(intents: impl Iterator<Item = &'a Intent>) -> Option<Self> {
        let mut sales = Numbering::default();
        let mut sums: Vec<(u32, u32)> = Vec::new();
        for intent in intents {
            let number = sales.number_of(intent.sale());
            if number == sums.len() {
                sums.push((0, 0));
            }
            let (orders, units) = sums.get_mut(number)?;
            (*orders, *units) = (orders.checked_add(1)?, units.checked_add(intent.quantity().get())?);
        }
        let packed = sales.sales.iter().zip(sums).flat_map(|(sale, (orders, units))| {
            let numbers = [orders.to_be_bytes(), units.to_be_bytes()];
            sale.get().to_be_bytes().into_iter().chain(numbers.concat())
        });
        Some(Self { packed: packed.collect(), sales: sales.sales })
    }
}

/// The quantity and buyer of one packed intent.
pub(super) fn unpack_intent(bytes: &[u8]) -> Option<(u32, BuyerDigest)> {
    let bytes: &[u8; INTENT_BYTES] = bytes.try_into().ok()?;
    let quantity = u32::from_be_bytes(bytes.get(2..6)?.try_into().ok()?);
    Some((quantity, BuyerDigest(bytes.get(22..)?.try_into().ok()?)))
}

/// The character of an undecided order.
const PENDING: u8 = b'p';

/// The characters of the orders of an outcome, in their order. `settle.lua` writes the units of `s` off and returns
/// those of all other cancelled orders.
pub(super) fn states_of(outcome: &BatchOutcome) -> Vec<u8> {
    outcome.orders.iter().map(|order| byte_of(order.decision)).collect()
}

/// The order state of a character.
pub(super) fn state_of_byte(byte: u8) -> Option<OrderState> {
    if byte == PENDING { Some(OrderState::Pending) } else { decision_of(byte).map(Decision::state) }
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{BuyerId, CancelReason, IdempotencyKey, Quantity};

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
    fn each_sale_is_numbered_once_in_order_of_appearance() {
        let intents = [intent(9, "a", 1), intent(5, "b", 2), intent(9, "c", 70_000)];
        let packed = Packed::new(intents.iter()).unwrap();
        assert_eq!(packed.sales, [9, 5].map(|id| SaleId::new(id).unwrap()));
        assert_eq!(packed.sale_of, [0, 1, 0]);
        let third = packed.intents.chunks(INTENT_BYTES).nth(2).unwrap();
        assert_eq!(unpack_intent(third), Some((70_000, intents[2].buyer_digest())));
    }

    #[test]
    fn shares_are_added_up_a_sale_in_order_of_appearance() {
        let intents = [intent(9, "a", 1), intent(5, "b", 2), intent(9, "c", 70_000)];
        let shares = Shares::new(intents.iter()).unwrap();
        assert_eq!(shares.sales, Packed::new(intents.iter()).unwrap().sales);
        let numbers = shares.packed.chunks(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 9, 2, 70_001, 0, 5, 1, 2]);
    }

    #[test]
    fn only_units_written_off_have_the_letter_that_the_script_writes_off() {
        for reason in CancelReason::ALL {
            let byte = byte_of(Decision::Cancelled(reason));
            assert_eq!(byte != b's', reason.returns_units(), "{reason}");
            assert_eq!(state_of_byte(byte), Some(OrderState::Cancelled(reason)), "{reason}");
        }
        assert_eq!(state_of_byte(b'p'), Some(OrderState::Pending));
        assert_eq!(state_of_byte(b'c'), Some(OrderState::Confirmed));
        assert_eq!(state_of_byte(b'?'), None);
    }
}

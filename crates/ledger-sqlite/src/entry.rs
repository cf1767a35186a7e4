//! The intents of a call, and the layout of a batch in its row, which `sql/schema.sql` defines.

use std::collections::HashMap;

use flashgate_domain::{
    BuyerDigest, Decision, Intent, KeyDigest, OrderState, SaleId, Shard,
    id::{BATCH_INTENTS_MAX, ShardCount},
};
use flashgate_ledger::{LedgerError, decision_byte::decision_of};

/// The size of one intent.
const INTENT_BYTES: usize = 38;
const SALE_BYTES: usize = 8;

/// The fields of an intent that the ledger uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IntentFields {
    /// The index of its sale in [`Entry::sales`].
    pub(super) sale: u16,
    pub(super) quantity: u32,
    pub(super) key: KeyDigest,
    pub(super) buyer: BuyerDigest,
}

/// The intents of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Each sale once, in order of first appearance.
    pub(super) sales: Vec<SaleId>,
    /// The intents, in their order.
    pub(super) asked: Vec<IntentFields>,
}

impl Entry {
    /// Takes 1 to [`BATCH_INTENTS_MAX`] intents whose sales are all of the shard.
    pub(super) fn new<'a>(
        shards: ShardCount,
        shard: Shard,
        intents: impl ExactSizeIterator<Item = &'a Intent>,
    ) -> Result<Self, LedgerError> {
        let count = intents.len();
        if !(1..=BATCH_INTENTS_MAX).contains(&count) {
            return Err(LedgerError::Refused(format!("{count} intents; must be 1 to {BATCH_INTENTS_MAX}")));
        }
        let mut entry = Self { sales: Vec::new(), asked: Vec::with_capacity(count) };
        let mut numbers = HashMap::new();
        let mut last = None;
        for intent in intents {
            let sale = intent.sale();
            let number = match last {
                Some((same, number)) if same == sale => number,
                _ => entry.number_of(&mut numbers, sale, shards, shard)?,
            };
            last = Some((sale, number));
            let (key, buyer) = (intent.key_digest(), intent.buyer_digest());
            entry.asked.push(IntentFields { sale: number, quantity: intent.quantity().get(), key, buyer });
        }
        Ok(entry)
    }

    fn number_of(
        &mut self,
        numbers: &mut HashMap<SaleId, u16>,
        sale: SaleId,
        shards: ShardCount,
        shard: Shard,
    ) -> Result<u16, LedgerError> {
        if let Some(number) = numbers.get(&sale) {
            return Ok(*number);
        }
        if sale.shard(shards) != shard {
            return Err(LedgerError::Refused(format!("sale {sale} is not of shard {shard}")));
        }
        // A batch has fewer intents, and so fewer sales, than a u16 can count.
        let number = u16::try_from(self.sales.len()).unwrap_or(u16::MAX);
        self.sales.push(sale);
        numbers.insert(sale, number);
        Ok(number)
    }

    /// The columns `sales` and `intents`.
    pub(super) fn pack(&self) -> (Vec<u8>, Vec<u8>) {
        let sales = self.sales.iter().flat_map(|sale| sale.get().to_be_bytes()).collect();
        let mut intents = Vec::with_capacity(self.asked.len() * INTENT_BYTES);
        for asked in &self.asked {
            intents.extend_from_slice(&asked.sale.to_be_bytes());
            intents.extend_from_slice(&asked.quantity.to_be_bytes());
            intents.extend_from_slice(&asked.key.0);
            intents.extend_from_slice(&asked.buyer.0);
        }
        (sales, intents)
    }

    /// Decodes both columns; `None` if [`Entry::pack`] does not write such columns.
    pub(super) fn unpack(sales: &[u8], intents: &[u8]) -> Option<Self> {
        let sales = unpack_sales(sales)?;
        let (chunks, rest) = intents.as_chunks::<INTENT_BYTES>();
        let asked = chunks.iter().map(unpack_intent).collect::<Option<Vec<_>>>()?;
        let numbered = asked.iter().all(|asked| usize::from(asked.sale) < sales.len());
        (rest.is_empty() && numbered).then_some(Self { sales, asked })
    }

    /// The sale of an intent.
    pub(super) fn sale_of(&self, asked: &IntentFields) -> Option<SaleId> {
        self.sales.get(usize::from(asked.sale)).copied()
    }
}

/// Decodes the column `sales`.
pub(super) fn unpack_sales(bytes: &[u8]) -> Option<Vec<SaleId>> {
    let (chunks, rest) = bytes.as_chunks::<SALE_BYTES>();
    let sale = |bytes: &[u8; SALE_BYTES]| SaleId::new(u64::from_be_bytes(*bytes)).ok();
    rest.is_empty().then(|| chunks.iter().map(sale).collect()).flatten()
}

fn unpack_intent(bytes: &[u8; INTENT_BYTES]) -> Option<IntentFields> {
    let (sale, rest) = bytes.split_first_chunk()?;
    let (quantity, rest) = rest.split_first_chunk()?;
    let (key, buyer) = rest.split_first_chunk()?;
    Some(IntentFields {
        sale: u16::from_be_bytes(*sale),
        quantity: u32::from_be_bytes(*quantity),
        key: KeyDigest(*key),
        buyer: BuyerDigest(buyer.try_into().ok()?),
    })
}

/// The order state of a byte of the column `states`.
pub(super) fn state_of(byte: u8) -> Option<OrderState> {
    decision_of(byte).map(Decision::state)
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{BuyerId, CancelReason, IdempotencyKey, Quantity};
    use flashgate_ledger::decision_byte::byte_of;

    use super::*;

    fn intent(sale: u64, buyer: &str, quantity: u32) -> Intent {
        let (buyer, key) = (BuyerId::new(buyer).unwrap(), IdempotencyKey::new("k").unwrap());
        Intent::new(SaleId::new(sale).unwrap(), buyer, key, Quantity::new(quantity).unwrap())
    }

    fn entry(intents: &[Intent]) -> Result<Entry, LedgerError> {
        Entry::new(ShardCount::ONE, Shard::new(0).unwrap(), intents.iter())
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let entry = entry(&[intent(9, "a", 1), intent(5, "b", 2), intent(9, "c", 70_000)]).unwrap();
        assert_eq!(entry.sales, [9, 5].map(|id| SaleId::new(id).unwrap()));
        assert_eq!(entry.asked.iter().map(|asked| asked.sale).collect::<Vec<_>>(), [0, 1, 0]);
        let (sales, intents) = entry.pack();
        assert_eq!(intents.len(), 3 * INTENT_BYTES);
        assert_eq!(Entry::unpack(&sales, &intents), Some(entry));
        assert_eq!(Entry::unpack(&sales, &intents[1..]), None);
        assert_eq!(
            Entry::unpack(&sales[..8], &intents),
            None,
            "the second intent names a sale that is not there"
        );
        assert_eq!(Entry::unpack(&[0; 8], &[]), None, "no sale has the number 0");
    }

    #[test]
    fn no_intents_and_too_many_are_refused() {
        let fault = entry(&[]).unwrap_err();
        assert!(fault.nothing_done(), "{fault}");
        let many = vec![intent(1, "a", 1); BATCH_INTENTS_MAX + 1];
        assert!(entry(&many).is_err());
        assert!(entry(&many[1..]).is_ok());
    }

    #[test]
    fn a_decided_order_is_never_pending() {
        assert_eq!(state_of(byte_of(Decision::Confirmed)), Some(OrderState::Confirmed));
        for reason in CancelReason::ALL {
            assert_eq!(state_of(byte_of(Decision::Cancelled(reason))), Some(OrderState::Cancelled(reason)));
        }
        assert_eq!(state_of(b'p'), None);
    }
}

//! The intents of a call as a ledger uses them, and their layout in a log entry, for every ledger that packs them.
//!
//! `lua/intents.lua` of `flashgate-ledger-redis` and `sql/schema.sql` of `flashgate-ledger-sqlite` have the same layout:
//! an intent is the number of its sale u16, its quantity u32, the digest of its key and the digest of its buyer.

use std::collections::HashMap;

use flashgate_domain::{
    BatchOutcome, BuyerDigest, Intent, KeyDigest, SaleId, Shard,
    id::{BATCH_INTENTS_MAX, ShardCount},
};

use super::{CancelledOrder, LedgerError};

/// The size of one packed intent.
pub const INTENT_BYTES: usize = 38;
const SALE_BYTES: usize = 8;

/// The fields of an intent that the ledger uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentFields {
    /// The index of its sale in [`Intents::sales`].
    pub sale: u16,
    /// The number of units.
    pub quantity: u32,
    /// The digest of the idempotency key.
    pub key: KeyDigest,
    /// The digest of the buyer.
    pub buyer: BuyerDigest,
}

impl IntentFields {
    /// Decodes one packed intent.
    pub fn unpack(bytes: &[u8; INTENT_BYTES]) -> Option<Self> {
        let (sale, rest) = bytes.split_first_chunk()?;
        let (quantity, rest) = rest.split_first_chunk()?;
        let (key, buyer) = rest.split_first_chunk()?;
        Some(Self {
            sale: u16::from_be_bytes(*sale),
            quantity: u32::from_be_bytes(*quantity),
            key: KeyDigest(*key),
            buyer: BuyerDigest(buyer.try_into().ok()?),
        })
    }
}

impl IntentFields {
    /// The fields of a cancelled order, which must be of its batch, and its sale of the shard of the batch.
    pub fn of_cancelled(shards: ShardCount, cancelled: &CancelledOrder) -> Result<Self, LedgerError> {
        let CancelledOrder { order, batch, intent, .. } = cancelled;
        let sale = intent.sale();
        if order.base() != batch.base() || sale.shard(shards) != batch.shard() {
            return Err(LedgerError::Refused(format!(
                "order {order} of sale {sale} is not of batch {batch}"
            )));
        }
        let (key, buyer) = (intent.key_digest(), intent.buyer_digest());
        Ok(Self { sale: 0, quantity: intent.quantity().get(), key, buyer })
    }
}

/// The intents of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Intents {
    /// Each sale once, in order of first appearance.
    pub sales: Vec<SaleId>,
    /// The intents, in their order.
    pub asked: Vec<IntentFields>,
}

impl Intents {
    /// Takes 1 to [`BATCH_INTENTS_MAX`] intents whose sales are all of the shard.
    pub fn new<'a>(
        shards: ShardCount,
        shard: Shard,
        intents: impl ExactSizeIterator<Item = &'a Intent>,
    ) -> Result<Self, LedgerError> {
        let count = intents.len();
        if !(1..=BATCH_INTENTS_MAX).contains(&count) {
            return Err(LedgerError::Refused(format!("{count} intents; must be 1 to {BATCH_INTENTS_MAX}")));
        }
        let mut taken = Self { sales: Vec::new(), asked: Vec::with_capacity(count) };
        let mut numbers = HashMap::new();
        let mut last = None;
        for intent in intents {
            let sale = intent.sale();
            let number = match last {
                Some((same, number)) if same == sale => number,
                _ => taken.number_of(&mut numbers, sale, shards, shard)?,
            };
            last = Some((sale, number));
            let (key, buyer) = (intent.key_digest(), intent.buyer_digest());
            taken.asked.push(IntentFields { sale: number, quantity: intent.quantity().get(), key, buyer });
        }
        Ok(taken)
    }

    /// Takes the intents of an outcome, which must cover its whole batch.
    pub fn of_outcome(shards: ShardCount, outcome: &BatchOutcome) -> Result<Self, LedgerError> {
        let id = outcome.batch;
        if !outcome.is_whole() {
            return Err(LedgerError::Refused(format!("the outcome of batch {id} does not match its orders")));
        }
        Self::new(shards, id.shard(), outcome.orders.iter().map(|order| &order.intent))
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

    /// The ids of the sales, 8 bytes each, and the intents, [`INTENT_BYTES`] each.
    pub fn pack(&self) -> (Vec<u8>, Vec<u8>) {
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

    /// The inverse of [`Intents::pack`]; `None` if it does not write such bytes.
    pub fn unpack(sales: &[u8], intents: &[u8]) -> Option<Self> {
        let sales = unpack_sales(sales)?;
        let (chunks, rest) = intents.as_chunks::<INTENT_BYTES>();
        let asked = chunks.iter().map(IntentFields::unpack).collect::<Option<Vec<_>>>()?;
        let numbered = asked.iter().all(|asked| usize::from(asked.sale) < sales.len());
        (rest.is_empty() && numbered).then_some(Self { sales, asked })
    }

    /// The sale of an intent.
    pub fn sale_of(&self, asked: &IntentFields) -> Option<SaleId> {
        self.sales.get(usize::from(asked.sale)).copied()
    }
}

/// Decodes the ids of sales, 8 bytes each.
pub fn unpack_sales(bytes: &[u8]) -> Option<Vec<SaleId>> {
    let (chunks, rest) = bytes.as_chunks::<SALE_BYTES>();
    let sale = |bytes: &[u8; SALE_BYTES]| SaleId::new(u64::from_be_bytes(*bytes)).ok();
    rest.is_empty().then(|| chunks.iter().map(sale).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use flashgate_domain::{BuyerId, IdempotencyKey, Quantity};

    use super::*;

    fn intent(sale: u64, buyer: &str, quantity: u32) -> Intent {
        let (buyer, key) = (BuyerId::new(buyer).unwrap(), IdempotencyKey::new("k").unwrap());
        Intent::new(SaleId::new(sale).unwrap(), buyer, key, Quantity::new(quantity).unwrap())
    }

    fn taken(intents: &[Intent]) -> Result<Intents, LedgerError> {
        Intents::new(ShardCount::ONE, Shard::new(0).unwrap(), intents.iter())
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let taken = taken(&[intent(9, "a", 1), intent(5, "b", 2), intent(9, "c", 70_000)]).unwrap();
        assert_eq!(taken.sales, [9, 5].map(|id| SaleId::new(id).unwrap()));
        assert_eq!(taken.asked.iter().map(|asked| asked.sale).collect::<Vec<_>>(), [0, 1, 0]);
        let (sales, intents) = taken.pack();
        assert_eq!(intents.len(), 3 * INTENT_BYTES);
        assert_eq!(Intents::unpack(&sales, &intents), Some(taken));
        assert_eq!(Intents::unpack(&sales, &intents[1..]), None);
        assert_eq!(
            Intents::unpack(&sales[..8], &intents),
            None,
            "the second intent names a sale that is not there"
        );
        assert_eq!(Intents::unpack(&[0; 8], &[]), None, "no sale has the number 0");
    }

    #[test]
    fn no_intents_and_too_many_are_refused() {
        let fault = taken(&[]).unwrap_err();
        assert!(fault.nothing_done(), "{fault}");
        let many = vec![intent(1, "a", 1); BATCH_INTENTS_MAX + 1];
        assert!(taken(&many).is_err());
        assert!(taken(&many[1..]).is_ok());
    }
}

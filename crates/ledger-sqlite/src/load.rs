//! Builds the index from the file. What buyers hold and which keys have an order follow from the log, batch by batch,
//! in the order in which they were applied; the rows of the sales must match it.

use std::collections::HashSet;

use flashgate_domain::{OrderId, OrderState, audit::Amount, id::ShardCount};
use flashgate_ledger::{decision_byte::state_of, intents::Intents};

use super::{
    index::{KeyEntry, LedgerIndex, SaleIndex},
    open::Unusable,
    store::{LoggedBatch, Store},
};

fn damaged(what: impl ToString) -> Unusable {
    Unusable::Damaged(what.to_string())
}

impl LedgerIndex {
    /// All committed data.
    pub(super) fn load(store: &Store, shards: ShardCount) -> Result<Self, Unusable> {
        let (found, starts) = store.ledger()?.ok_or_else(|| damaged("the row of the ledger is missing"))?;
        if found != shards.get() {
            return Err(Unusable::OtherShards { found, asked: shards.get() });
        }
        let sales = store.sales()?.into_iter().map(|row| (row.id, SaleIndex::new(row))).collect();
        let open_orders = vec![0; usize::from(found)];
        let mut index = Self { identity: store.identity()?, sales, open_orders, starts, next_number: 1 };
        let returns = store.returns()?;
        store.each_batch(|batch| index.replay(&batch, &returns))?;
        let born = index.sales.values().map(|index| index.row.born).max();
        index.next_number = index.next_number.max(born.unwrap_or_default());
        index.agree()?;
        Ok(index)
    }

    fn replay(&mut self, batch: &LoggedBatch, returns: &HashSet<OrderId>) -> Result<(), Unusable> {
        let unreadable = || damaged(format!("cannot decode batch {}", batch.id));
        let intents = Intents::unpack(&batch.sales, &batch.intents).ok_or_else(unreadable)?;
        if batch.states.as_ref().is_some_and(|states| states.len() != intents.asked.len()) {
            return Err(unreadable());
        }
        let mut shares = vec![Amount::default(); intents.sales.len()];
        for (place, asked) in intents.asked.iter().enumerate() {
            let state = match batch.states.as_ref().and_then(|states| states.get(place)) {
                Some(letter) => state_of(*letter).ok_or_else(unreadable)?,
                None => OrderState::Pending,
            };
            let order = batch.id.order(place).ok_or_else(unreadable)?;
            let sale = intents.sale_of(asked).ok_or_else(unreadable)?;
            if state == OrderState::Pending {
                let share = shares.get_mut(usize::from(asked.sale)).ok_or_else(unreadable)?;
                share.add(1, u64::from(asked.quantity));
                self.count_open(order)?;
            }
            let Some(index) = self.sales.get_mut(&sale).filter(|index| index.row.born <= batch.number) else {
                continue;
            };
            let (entry, gave_up) = (KeyEntry::new(order, asked.quantity), returns.contains(&order));
            if state.reason().is_none() && !gave_up {
                let held = index.held(asked.buyer).checked_add(asked.quantity).ok_or_else(unreadable)?;
                index.hold(asked.buyer, held);
            }
            // An order that the ledger first got as cancelled left its key to an earlier order.
            if !(batch.late && state.reason().is_some() && index.key(asked.key).is_some()) {
                index.own(asked.key, if gave_up { entry.returned() } else { entry });
            }
        }
        for (sale, share) in intents.sales.iter().zip(shares) {
            if let Some(index) = self.sales.get_mut(sale).filter(|_book| share.orders > 0) {
                index.open((batch.deducted_at, batch.id), share);
            }
        }
        self.next_number = batch.number.checked_add(1).ok_or_else(unreadable)?;
        Ok(())
    }

    fn count_open(&mut self, order: OrderId) -> Result<(), Unusable> {
        let shard = order.shard();
        let open = self.open_orders.get_mut(usize::from(shard.get()));
        *open.ok_or_else(|| damaged(format!("order {order} is of shard {shard}")))? += 1;
        Ok(())
    }

    fn agree(&self) -> Result<(), Unusable> {
        for index in self.sales.values() {
            let row = &index.row;
            if !row.is_sound() || index.pending() != (row.pending_orders, row.pending_units) {
                return Err(damaged(format!("the numbers of sale {} do not match", row.id)));
            }
        }
        Ok(())
    }
}

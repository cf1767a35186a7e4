//! Units that confirmed orders give up come back: `return_units.lua`.

use flashgate_domain::Intent;
use flashgate_ledger::{CancelledOrder, LedgerEvent, LedgerState as State, Returned};

use super::{BrokenOff, Entry, KeyEntry, LedgerState, Order, Script, Status};

impl LedgerState {
    /// The script: the mark at the key first, which is the proof.
    ///
    /// # Errors
    /// It was broken off.
    pub(super) fn return_units(&mut self, order: &CancelledOrder) -> Result<Returned, BrokenOff> {
        let CancelledOrder { order: id, batch, intent, .. } = order;
        let (sale, key, units) = (intent.sale(), intent.key_digest(), intent.quantity().get());
        let Some(account) = self.books.sales.get(&sale) else { return Ok(Returned::Missing) };
        let value = KeyEntry::new(*id, units);
        match account.keys.get(&key) {
            Some(known) if *known == value.marked() => return Ok(Returned::Already),
            Some(known) if *known == value => {}
            Some(_) | None => return Ok(Returned::NotSettled),
        }
        // Without an entry, the key alone proves the settlement.
        let is_settled = self.books.log.get(&batch.base()).is_none_or(|entry| {
            let Entry { status, settling, .. } = entry;
            entry.id == *batch && !settling && matches!(status, Status::Known { acknowledged: true, .. })
        });
        if !is_settled {
            return Ok(Returned::NotSettled);
        }
        self.write();
        self.light(Script::Returning);
        if let Err(broken_off) = self.write_return(order, value) {
            self.lost.in_part.insert(sale);
            return Err(broken_off);
        }
        let Some(account) = self.books.sales.get(&sale) else { return Ok(Returned::Missing) };
        let stock = account.stock(sale);
        self.publish(vec![LedgerEvent::Returned(stock)]);
        Ok(Returned::Done(stock))
    }

    fn write_return(&mut self, order: &CancelledOrder, value: KeyEntry) -> Result<(), BrokenOff> {
        let CancelledOrder { batch, intent, .. } = order;
        let (sale, intents) = (intent.sale(), std::slice::from_ref(intent));
        let marked_last = self.fuse.order == Order::MarkedLast;
        if !marked_last {
            self.mark(order, value)?;
        }
        self.burn(*batch, intents)?;
        let Some(account) = self.books.sales.get_mut(&sale) else { return Ok(()) };
        if account.sells() && account.is_incomplete() {
            account.state = State::Paused;
        }
        let buyers = account.written.buyers;
        account.counted(|account| account.let_go(intent.buyer_digest(), value.units));
        // The count is one of the numbers that are written last.
        let counted = std::mem::replace(&mut account.written.buyers, buyers);
        self.burn(*batch, intents)?;
        let Some(account) = self.books.sales.get_mut(&sale) else { return Ok(()) };
        account.written.buyers = counted;
        account.release(value.units, order.is_written_off);
        (account.epoch, account.sequence) = (account.epoch + 1, account.sequence + 1);
        if marked_last {
            self.mark(order, value)?;
        }
        Ok(())
    }

    fn mark(&mut self, order: &CancelledOrder, value: KeyEntry) -> Result<(), BrokenOff> {
        let intent: &Intent = &order.intent;
        self.burn(order.batch, std::slice::from_ref(intent))?;
        if let Some(account) = self.books.sales.get_mut(&intent.sale()) {
            account.keys.insert(intent.key_digest(), value.marked());
        }
        Ok(())
    }
}

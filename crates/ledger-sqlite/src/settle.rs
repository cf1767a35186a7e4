//! Outcomes: what the order store decided about a batch.

use flashgate_domain::{BatchId, Decision};
use flashgate_ledger::{Note, Settled, Standing, decision_byte::byte_of};

use super::{
    books::KeyEntry,
    draft::{Bench, SaleChange},
    entry::{Asked, Entry},
    round::{CallFault, Known, Round, out_of_range},
    store::BatchRow,
};

/// A batch with the decision about each of its orders.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) id: BatchId,
    pub(super) entry: Entry,
    /// One for each of the entry's intents.
    pub(super) decisions: Vec<Decision>,
}

impl Round<'_> {
    /// Records the outcome; a second time changes nothing.
    pub(super) fn settle(&mut self, decided: &Decided) -> Result<Settled, CallFault> {
        match self.known(decided.id)? {
            Known::TakenByBatch(_) | Known::TakenByFence => Ok(Settled::IdTaken),
            Known::Deducted(row) if row.settled => Ok(Settled::Already),
            Known::Fenced => Ok(Settled::Contradiction),
            Known::Deducted(row) => {
                if self.store.intents(row.number)? != decided.entry.pack() {
                    return Ok(Settled::Contradiction);
                }
                self.settle_open(decided, row).map(Settled::Applied)
            }
            Known::Nothing => self.settle_late(decided).map(Settled::AppliedLate),
        }
    }

    fn settle_open(&mut self, decided: &Decided, row: BatchRow) -> Result<Vec<Standing>, CallFault> {
        let (shard, orders) =
            (decided.id.shard(), u64::try_from(decided.decisions.len()).unwrap_or(u64::MAX));
        let open_orders = self.draft.open_orders(shard).checked_sub(orders).ok_or_else(out_of_range)?;
        let mut benches = self.benches(&decided.entry);
        let each = decided.entry.asked.iter().zip(&decided.decisions);
        for (asked, decision) in each {
            if let Some(Some(bench)) = benches.get_mut(usize::from(asked.sale)) {
                settle_order(bench, asked, *decision).ok_or_else(out_of_range)?;
            }
        }
        for bench in benches.iter_mut().flatten() {
            bench.change.settled.push((row.deducted_at, decided.id));
        }
        let changes = self.closed(benches)?;
        self.record(decided, row.number)?;
        self.draft.set_open_orders(shard, open_orders);
        Ok(self.publish(decided.id, changes))
    }

    /// The deduction that the ledger lost, or never had. Sales that are missing are passed over.
    fn settle_late(&mut self, decided: &Decided) -> Result<Vec<Standing>, CallFault> {
        let mut benches = self.benches(&decided.entry);
        let each = decided.entry.asked.iter().zip(&decided.decisions).enumerate();
        for (place, (asked, decision)) in each {
            if let Some(Some(bench)) = benches.get_mut(usize::from(asked.sale)) {
                let order = decided.id.order(place).ok_or_else(out_of_range)?;
                let entry = KeyEntry::new(order, asked.quantity);
                deduct_late(bench, asked, *decision, entry).ok_or_else(out_of_range)?;
            }
        }
        let changes = self.closed(benches)?;
        let number = self.take_number();
        self.log(number, decided.id, &decided.entry, true)?;
        self.record(decided, number)?;
        Ok(self.publish(decided.id, changes))
    }

    fn benches(&self, entry: &Entry) -> Vec<Option<Bench<'_>>> {
        entry.sales.iter().map(|sale| self.bench(*sale)).collect()
    }

    /// Closes the books of each sale that is there.
    fn closed(&self, benches: Vec<Option<Bench<'_>>>) -> Result<Vec<Closed>, CallFault> {
        let expires_at = self.until(self.retention.sale);
        let close = |bench: Bench<'_>| {
            let before = self.draft.row(self.books, bench.change.row.id)?.totals.returned;
            let mut change = bench.change;
            change.row.balance()?;
            change.row.moved()?;
            let returned = change.row.totals.returned > before;
            if returned {
                change.row.epoch = change.row.epoch.checked_add(1)?;
            }
            change.row.retire_if_over(expires_at);
            Some(Closed { change, returned })
        };
        benches.into_iter().flatten().map(close).collect::<Option<_>>().ok_or_else(out_of_range)
    }

    fn record(&self, decided: &Decided, number: u64) -> rusqlite::Result<()> {
        let states: Vec<u8> = decided.decisions.iter().copied().map(byte_of).collect();
        self.store.insert_outcome(number, self.until(self.retention.log), &states)
    }

    fn publish(&mut self, id: BatchId, closed: Vec<Closed>) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(closed.len());
        for Closed { change, returned } in closed {
            let standing = change.row.standing();
            if returned {
                self.draft.notes.push(Note::Returned(standing));
            }
            standings.push(standing);
            self.draft.merge(change);
        }
        self.draft.notes.push(Note::Settled(id));
        standings
    }
}

/// A sale after the outcome.
struct Closed {
    change: SaleChange,
    /// Whether units came back.
    returned: bool,
}

/// One order of a batch that was open.
fn settle_order(bench: &mut Bench<'_>, asked: &Asked, decision: Decision) -> Option<()> {
    let units = u64::from(asked.quantity);
    bench.change.row.settle(units)?;
    match decision {
        Decision::Confirmed => Some(()),
        Decision::Cancelled(reason) => {
            // A cancelled order gives its buyer's allowance back; its key keeps answering with it.
            let held = bench.held(asked.buyer).saturating_sub(asked.quantity);
            bench.change.held.insert(asked.buyer, held);
            if reason.returns_units() {
                bench.change.row.give_back(units)
            } else {
                bench.change.row.write_off(units)
            }
        }
    }
}

/// One order of a batch that was unknown. A confirmed one owns its key and counts for its buyer; a cancelled one
/// leaves a key to the order that has it.
fn deduct_late(bench: &mut Bench<'_>, asked: &Asked, decision: Decision, entry: KeyEntry) -> Option<()> {
    let units = u64::from(asked.quantity);
    bench.change.row.take(units)?;
    match decision {
        Decision::Confirmed => {
            let held = bench.held(asked.buyer).checked_add(asked.quantity)?;
            bench.change.held.insert(asked.buyer, held);
            bench.change.keys.insert(asked.key, entry);
            Some(())
        }
        Decision::Cancelled(reason) => {
            if bench.key(asked.key).is_none() {
                bench.change.keys.insert(asked.key, entry);
            }
            if reason.returns_units() {
                bench.change.row.give_back(units)
            } else {
                bench.change.row.write_off(units)
            }
        }
    }
}

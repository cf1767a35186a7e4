//! What the ledger knows, and the calls that read or move it as a whole.

use std::collections::BTreeMap;

use flashgate_domain::{
    BatchId, BatchOutcome, BuyerDigest, Decision, Intent, KeyDigest, OrderId, OrderOutcome, OrderState, Sale,
    SaleId, Shard, Timestamp, Window,
    audit::{Amount, LedgerStep},
};
use flashgate_ledger::{
    Activated, Compensated, LedgerIdentity, LedgerOrder, LedgerState as State, LogEntry, LogStatus,
    OpenBatch, Prepared, Rebuilding, Rebuilt, Restocked, Restored, SaleStock, Snapshot, Totals,
    WrittenCounts, compensation::adjusted,
};

/// Everything that Redis would hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Which ledger this is.
    pub identity: Option<LedgerIdentity>,
    /// The sales.
    pub sales: BTreeMap<SaleId, Account>,
    /// The deduction log, by the base of the batch.
    pub log: BTreeMap<OrderId, Entry>,
    /// How often a gateway was started.
    pub starts: u64,
}

/// A sale with its buyers and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// How it stands.
    pub state: State,
    /// How often it was built.
    pub generation: u32,
    /// When it sells.
    pub window: Window,
    /// How much one buyer can hold.
    pub limit: u32,
    /// The totals.
    pub totals: Totals,
    /// Moved by every unit that comes back.
    pub epoch: u64,
    /// Moved by every change.
    pub sequence: u64,
    /// Moved by every compensating step.
    pub adjustments: u64,
    /// What each buyer holds.
    pub held: BTreeMap<BuyerDigest, u32>,
    /// The order of each key.
    pub keys: BTreeMap<KeyDigest, KeyEntry>,
    /// How many buyers and keys were written.
    pub written: WrittenCounts,
}

/// The order that has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The order.
    pub order: OrderId,
    /// Its quantity.
    pub units: u32,
    /// Whether the order gave its units up, and they are back: the mark.
    pub returned: bool,
}

impl KeyEntry {
    /// Of an order that has its units, or never had any.
    pub const fn new(order: OrderId, units: u32) -> Self {
        Self { order, units, returned: false }
    }

    /// The same order, after its units came back.
    pub const fn marked(self) -> Self {
        Self { returned: true, ..self }
    }

    /// Whether it is of the same order, with a mark or without.
    pub fn is_of(self, other: Self) -> bool {
        self.marked() == other.marked()
    }
}

/// An entry of the deduction log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The batch.
    pub id: BatchId,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub status: Status,
    /// The body of the batch's message, while it is open.
    pub body: Vec<u8>,
    /// Whether its settlement has begun and not ended.
    pub settling: bool,
    /// The sale whose rebuild wrote it, if one did: of its other sales nothing was taken.
    pub rebuilt: Option<SaleId>,
}

/// What a log entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Never to be deducted.
    Fenced,
    /// Deducted.
    Known {
        /// What was asked for.
        intents: Vec<Intent>,
        /// How the orders stand.
        states: Vec<OrderState>,
        /// Whether the order store's word was recorded.
        acknowledged: bool,
    },
}

impl Entry {
    /// The intents, if it is deducted and its settlement has not ended: it is among the open batches until then.
    pub fn open(&self) -> Option<&[Intent]> {
        match &self.status {
            Status::Known { intents, acknowledged, .. } if self.settling || !acknowledged => Some(intents),
            Status::Known { .. } | Status::Fenced => None,
        }
    }
}

impl Account {
    fn new(sale: &Sale) -> Self {
        let initial = sale.draft.stock();
        let available = i64::try_from(initial).unwrap_or(i64::MAX);
        Self {
            state: State::Prepared,
            generation: sale.generation,
            window: sale.draft.window(),
            limit: sale.draft.limit_per_buyer().get(),
            totals: Totals { initial, available, ..Totals::default() },
            epoch: 0,
            sequence: 1,
            adjustments: 0,
            held: BTreeMap::new(),
            keys: BTreeMap::new(),
            written: WrittenCounts::default(),
        }
    }

    /// How many buyers and keys there are.
    pub(super) fn fields(&self) -> WrittenCounts {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        WrittenCounts { buyers: count(self.held.len()), keys: count(self.keys.len()) }
    }

    /// Whether it has other buyers or keys than were written: a script was broken off.
    pub(super) fn is_incomplete(&self) -> bool {
        self.fields() != self.written
    }

    /// Whether it sells, or is about to.
    pub(super) const fn sells(&self) -> bool {
        matches!(self.state, State::Active | State::Prepared)
    }

    /// Makes a change to what buyers hold and to the keys, and counts what it wrote.
    pub(super) fn counted<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.fields();
        let changed = change(self);
        let after = self.fields();
        self.written.buyers = (self.written.buyers + after.buyers).saturating_sub(before.buyers);
        self.written.keys = (self.written.keys + after.keys).saturating_sub(before.keys);
        changed
    }

    pub(super) const fn stock(&self, sale: SaleId) -> SaleStock {
        SaleStock { sale, available: self.totals.available, epoch: self.epoch }
    }

    pub(super) fn take(&mut self, units: u32) {
        self.totals.deducted += u64::from(units);
        self.totals.available -= i64::from(units);
    }

    pub(super) fn give_back(&mut self, units: u64) {
        self.totals.returned += units;
        self.totals.available += i64::try_from(units).unwrap_or(i64::MAX);
    }

    /// Returns units that a confirmed order gave up, or writes off those that do not exist.
    pub(super) fn release(&mut self, units: u32, is_written_off: bool) {
        self.totals.released += u64::from(units);
        if is_written_off {
            self.totals.written_off += u64::from(units);
        } else {
            self.give_back(units.into());
        }
    }

    /// Buyers without units are not kept.
    pub(super) fn let_go(&mut self, buyer: BuyerDigest, units: u32) {
        match self.held.get(&buyer).copied().unwrap_or(0).saturating_sub(units) {
            0 => drop(self.held.remove(&buyer)),
            held => drop(self.held.insert(buyer, held)),
        }
    }
}

impl Books {
    pub(super) fn prepare(&mut self, sale: &Sale) -> Prepared {
        match self.sales.get(&sale.id) {
            Some(Account { state: State::Prepared, generation, .. }) => {
                Prepared::Waiting { generation: *generation }
            }
            Some(Account { generation, .. }) => Prepared::Active { generation: *generation },
            None => {
                self.sales.insert(sale.id, Account::new(sale));
                Prepared::Created
            }
        }
    }

    pub(super) fn activate(&mut self, sale: SaleId, generation: u32) -> Activated {
        let Some(account) = self.sales.get_mut(&sale) else { return Activated::Missing };
        if account.generation != generation {
            return Activated::OtherGeneration { generation: account.generation };
        }
        match account.state {
            State::Prepared => {
                account.state = State::Active;
                account.sequence += 1;
                Activated::Active
            }
            State::Active => Activated::Active,
            State::Paused => Activated::Paused,
            State::Closed => Activated::Closed,
        }
    }

    /// Brings the units that were restocked up to `restocked`.
    pub(super) fn restock(&mut self, sale: SaleId, generation: u32, restocked: u64) -> Restocked {
        let Some(account) = self.sales.get_mut(&sale) else { return Restocked::Missing };
        if account.generation != generation {
            return Restocked::OtherGeneration { generation: account.generation };
        }
        let units = restocked.saturating_sub(account.totals.restocked);
        if units == 0 {
            return Restocked::Already;
        }
        account.totals.restocked = restocked;
        account.totals.available += i64::try_from(units).unwrap_or(i64::MAX);
        account.epoch += 1;
        account.sequence += 1;
        Restocked::Done(account.stock(sale))
    }

    /// Pauses or closes; a closed sale stays closed.
    pub(super) fn stop(&mut self, sale: SaleId, to: State) {
        let stoppable = |account: &&mut Account| account.state != to && account.state != State::Closed;
        if let Some(account) = self.sales.get_mut(&sale).filter(stoppable) {
            account.state = to;
            account.sequence += 1;
        }
    }

    pub(super) fn begin_rebuild(&mut self, sale: &Sale) -> Rebuilding {
        if let Some(account) = self.sales.get(&sale.id) {
            if account.state != State::Paused {
                return Rebuilding::NotStopped { state: account.state };
            }
            if account.generation >= sale.generation {
                return Rebuilding::OtherGeneration { generation: account.generation };
            }
            let open = self.log.values().filter_map(|entry| open_batch(entry, sale.id));
            let orders = open.map(|batch| batch.amount.orders).sum();
            if orders > 0 {
                return Rebuilding::Open { orders };
            }
        }
        let mut account = Account::new(sale);
        (account.state, account.epoch) = (State::Paused, sale.rebuild_epoch());
        account.totals.restocked = sale.restocked;
        account.totals.available += i64::try_from(sale.restocked).unwrap_or(i64::MAX);
        self.sales.insert(sale.id, account);
        Rebuilding::Begun
    }

    pub(super) fn restore(
        &mut self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
        at: Timestamp,
    ) -> Restored {
        let is_it =
            |account: &&mut Account| account.state == State::Paused && account.generation == generation;
        let Some(account) = self.sales.get_mut(&sale).filter(is_it) else { return Restored::Missing };
        let of_sale = outcome.orders.iter().filter(|order| order.intent.sale() == sale);
        let returned = account.counted(|account| of_sale.map(|order| restore(account, order)).sum::<u32>());
        account.sequence += 1;
        account.epoch += u64::from(returned > 0);
        let intents = outcome.orders.iter().map(|order| order.intent.clone()).collect();
        let states = outcome.orders.iter().map(|order| order.decision.at_placing().state()).collect();
        let status = Status::Known { intents, states, acknowledged: true };
        let entry =
            Entry { id: outcome.batch, at, status, body: Vec::new(), settling: false, rebuilt: Some(sale) };
        let is_fence = |logged: &Entry| logged.id == outcome.batch && matches!(logged.status, Status::Fenced);
        if self.log.get(&outcome.batch.base()).is_none_or(is_fence) {
            self.log.insert(outcome.batch.base(), entry);
        }
        Restored::Done
    }

    pub(super) fn end_rebuild(&mut self, sale: SaleId, generation: u32, available: i64) -> Rebuilt {
        let Some(account) = self.sales.get_mut(&sale) else { return Rebuilt::Missing };
        if account.generation != generation {
            return Rebuilt::OtherGeneration { generation: account.generation };
        }
        if account.state != State::Paused {
            return Rebuilt::Done { state: account.state };
        }
        if account.is_incomplete() {
            return Rebuilt::Incomplete;
        }
        if account.totals.available != available {
            return Rebuilt::Differs { available: account.totals.available };
        }
        account.state = State::Active;
        account.sequence += 1;
        Rebuilt::Done { state: State::Active }
    }

    /// The answer, and whether units came back.
    pub(super) fn compensate(&mut self, sale: SaleId, step: &LedgerStep) -> (Compensated, bool) {
        let Some(account) = self.sales.get_mut(&sale) else { return (Compensated::Missing, false) };
        let (generation, adjustments, in_ledger) = (account.generation, account.adjustments, 0);
        let seen = (step.generation, step.adjustments, step.in_ledger);
        let done = adjusted(&account.totals, step.across);
        let Some(done) = done.filter(|_done| (generation, adjustments, in_ledger) == seen) else {
            return (Compensated::Conflict { generation, adjustments, in_ledger }, false);
        };
        let came_back = done.totals.returned > account.totals.returned;
        if done.totals != account.totals {
            account.totals = done.totals;
            account.adjustments += 1;
            account.sequence += 1;
            account.epoch += u64::from(came_back);
        }
        (Compensated::Done { stock: account.stock(sale), deferred_units: done.deferred_units }, came_back)
    }

    /// Orders of the shard that are deducted and not settled.
    pub(super) fn open_orders(&self, shard: Shard) -> u64 {
        let of_shard = self.log.values().filter(|entry| entry.id.shard() == shard);
        let orders: usize = of_shard.filter_map(Entry::open).map(<[Intent]>::len).sum();
        u64::try_from(orders).unwrap_or(u64::MAX)
    }

    pub(super) fn order(&self, order: OrderId) -> Option<LedgerOrder> {
        let Status::Known { intents, states, .. } = &self.log.get(&order.base())?.status else { return None };
        let intent = intents.get(order.index())?;
        Some(LedgerOrder {
            sale: intent.sale(),
            buyer: intent.buyer_digest(),
            quantity: intent.quantity().get(),
            state: *states.get(order.index())?,
        })
    }

    pub(super) fn entry(&self, batch: BatchId) -> Option<LogEntry> {
        let entry = self.log.get(&batch.base()).filter(|entry| entry.id == batch)?;
        let Status::Known { intents, states, acknowledged } = &entry.status else {
            return Some(LogEntry { status: LogStatus::Fenced, orders: Vec::new() });
        };
        let order = |(intent, state): (&Intent, &OrderState)| LedgerOrder {
            sale: intent.sale(),
            buyer: intent.buyer_digest(),
            quantity: intent.quantity().get(),
            state: *state,
        };
        let status = if *acknowledged { LogStatus::Acknowledged } else { LogStatus::Deducted };
        Some(LogEntry { status, orders: intents.iter().zip(states).map(order).collect() })
    }

    pub(super) fn message(&self, batch: BatchId) -> Option<Vec<u8>> {
        let entry =
            self.log.get(&batch.base()).filter(|entry| entry.id == batch && entry.open().is_some())?;
        (!entry.body.is_empty()).then(|| entry.body.clone())
    }

    pub(super) fn snapshot(&self, sale: SaleId, taken_at: Timestamp) -> Option<Snapshot> {
        let account = self.sales.get(&sale)?;
        let mut open: Vec<OpenBatch> =
            self.log.values().filter_map(|entry| open_batch(entry, sale)).collect();
        open.sort_by_key(|batch| (batch.deducted_at, batch.id));
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Some(Snapshot {
            state: account.state,
            generation: account.generation,
            totals: account.totals,
            epoch: account.epoch,
            sequence: account.sequence,
            adjustments: account.adjustments,
            buyers: count(account.held.len()),
            keys: count(account.keys.len()),
            written: account.written,
            pending_orders: i64::try_from(open.iter().map(|batch| batch.amount.orders).sum::<u64>())
                .unwrap_or(i64::MAX),
            taken_at,
            open,
            lost: Vec::new(),
        })
    }
}

/// One order of a batch in its present state; how many of its units came back. An earlier call may have restored it as
/// confirmed.
fn restore(account: &mut Account, order: &OrderOutcome) -> u32 {
    let (intent, units) = (&order.intent, order.intent.quantity().get());
    let (value, buyer) = (KeyEntry::new(order.order, units), intent.buyer_digest());
    if order.decision.at_placing() != Decision::Confirmed {
        // It never had units; its key keeps replaying it, unless another order has the key.
        account.keys.entry(intent.key_digest()).or_insert(value);
        return 0;
    }
    let known = account.keys.get(&intent.key_digest()).copied();
    if !known.is_some_and(|known| known.is_of(value)) {
        account.take(units);
        *account.held.entry(buyer).or_default() += units;
        account.keys.insert(intent.key_digest(), value);
    }
    if order.decision == Decision::Confirmed || known == Some(value.marked()) {
        return 0;
    }
    account.keys.insert(intent.key_digest(), value.marked());
    account.let_go(buyer, units);
    account.release(units, false);
    units
}

fn open_batch(entry: &Entry, sale: SaleId) -> Option<OpenBatch> {
    let of_sale = || entry.open().unwrap_or_default().iter().filter(|intent| intent.sale() == sale);
    let units = of_sale().map(|intent| u64::from(intent.quantity().get())).sum();
    let orders = u64::try_from(of_sale().count()).unwrap_or(u64::MAX);
    (orders > 0).then_some(OpenBatch {
        id: entry.id,
        deducted_at: entry.at,
        amount: Amount { orders, units },
    })
}

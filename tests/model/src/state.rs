//! What the model remembers: every process and everything that is on its way, at one moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    gateway::GATEWAYS,
    ledger::{Entry, Ledger},
    rebuild::Rebuild,
    restock::{Reader, UNREAD},
    scale::Scale,
    worker::Worker,
};

/// The world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// One for each batch, by ascending id; first one for each order, then those of the retries.
    pub batches: Vec<Batch>,
    /// The stock in front of the database.
    pub ledger: Ledger,
    /// What the ledger's replica has: what a failover goes back to.
    pub replica: Ledger,
    /// Committed messages that the worker's group has not acknowledged, in the broker's order.
    pub queue: Vec<usize>,
    /// The order worker, which forgets all of it in a crash.
    pub worker: Worker,
    /// What each gateway knows of the units that were added.
    pub readers: [Reader; GATEWAYS],
    /// The system of record.
    pub database: Database,
    /// The rebuild of the ledger that is under way; the sale is paused meanwhile.
    pub rebuild: Option<Rebuild>,
    /// What may still go wrong, or be asked again.
    pub left: Scale,
}

/// One attempt to place one order: its gateway, its half-message, and what is under way for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The order: one buyer's wish, under one idempotency key.
    pub order: usize,
    /// Where the gateway is that carries it.
    pub gateway: Gateway,
    /// The buyer was told that this batch's order will be: by its gateway, or by the replay of its key.
    pub accepted: bool,
    /// The half-message.
    pub half: Half,
    /// The deduction is on its way to the ledger, and its gateway hears the answer.
    pub deduction: bool,
    /// Deductions that are on their way while nobody listens any more.
    pub late_deductions: u8,
    /// A commit is on its way to the broker, from the gateway or from a check-back.
    pub commit: bool,
    /// A rollback is on its way to the broker.
    pub rollback: bool,
    /// Its outcome is on the outcomes topic and not acknowledged.
    pub outcome: bool,
    /// Whoever paid was told that the order is paid.
    pub paid: bool,
    /// Whether the time to pay is over.
    pub due: Due,
    /// The event of its cancellation is on the topic of lifecycle events and not acknowledged.
    pub event: bool,
}

impl Batch {
    /// A batch that nobody has sent yet.
    pub const fn new(order: usize) -> Self {
        Self {
            order,
            gateway: Gateway::Waiting,
            accepted: false,
            half: Half::Absent,
            deduction: false,
            late_deductions: 0,
            commit: false,
            rollback: false,
            outcome: false,
            paid: false,
            due: Due::Later,
            event: false,
        }
    }

    /// The gateway stops listening to the ledger: a deduction that is under way goes on alone.
    pub const fn stop_listening(&mut self) {
        if self.deduction {
            self.deduction = false;
            self.late_deductions += 1;
        }
    }
}

/// The gateway's place in `Transactions::run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gateway {
    /// The batch is not sent yet.
    Waiting,
    /// Awaits the answer to the deduction.
    Deducting {
        /// The connection broke and the deduction was sent a second time.
        resent: bool,
    },
    /// Asks for the fate of a deduction that was not answered.
    Doubting,
    /// Awaits the answer to the commit.
    Committing,
    /// The buyer has the answer.
    Told(Answer),
}

/// What the buyer heard of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The order will be.
    Accepted,
    /// This batch will never be an order.
    Refused,
    /// That nobody knows, or nothing, since the gateway crashed. To ask again with the same key tells.
    Unknown,
}

/// A half-message at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// The broker never got it.
    Absent,
    /// Neither committed nor rolled back: the broker asks for its fate.
    Open,
    /// Committed at least once: visible to the worker.
    Committed,
    /// Rolled back, and never committed.
    RolledBack,
}

/// The payment deadline of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// It has not passed.
    Later,
    /// It has passed: the next sweep of any worker cancels the order, unless it is paid.
    Now,
    /// It has passed, and no sweep finds it: never, unless the protocol is broken.
    Forgotten,
}

/// The tables of the order store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    /// The order of each batch.
    pub rows: Vec<Row>,
    /// With `reserved` taken off: `initial + restocked + returned - applied - lost`.
    pub saleable: i8,
    /// Whether orders reserve units, and take them when they are shipped.
    pub reserves: bool,
    /// The part of `saleable` that orders have.
    pub reserved: i8,
    /// Units that were taken out behind everybody's back.
    pub lost: i8,
    /// The orders that were paid, and could not be shipped.
    pub short: BTreeSet<usize>,
    /// Units added by operators.
    pub restocked: i8,
    /// Units taken by orders.
    pub applied: i8,
    /// Units of orders that were cancelled after they had been confirmed.
    pub returned: i8,
    /// The event of each order that was cancelled after it had been confirmed.
    pub events: BTreeMap<usize, Event>,
}

/// Whether the broker has an event, as far as the order store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The next sweep of any worker publishes it.
    Unpublished,
    /// Nobody publishes it any more.
    Published,
}

/// The order of a batch in the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// There is none.
    Absent,
    /// It stands.
    Confirmed,
    /// It stands, and is paid.
    Paid,
    /// It stands, and has left.
    Shipped,
    /// Cancelled: the database had no unit.
    OutOfStock,
    /// Cancelled: an earlier order has the key.
    Duplicate,
    /// Confirmed, and cancelled before it was paid.
    Returned,
    /// Cancelled after it was paid.
    Refunding,
    /// The money is back too.
    Refunded,
}

impl Row {
    /// Whether the order has a unit.
    pub const fn holds_unit(self) -> bool {
        matches!(self, Self::Confirmed | Self::Paid | Self::Shipped)
    }

    /// Whether the order gave its unit up.
    pub const fn gave_up(self) -> bool {
        matches!(self, Self::Returned | Self::Refunding | Self::Refunded)
    }

    /// Whether the order was ever confirmed.
    pub const fn was_confirmed(self) -> bool {
        self.holds_unit() || self.gave_up()
    }
}

impl State {
    /// The world before the first request.
    pub fn new(scale: Scale) -> Self {
        let orders = usize::from(scale.orders);
        let units = i8::try_from(scale.units).unwrap_or(i8::MAX);
        let phantoms = i8::try_from(scale.phantoms).unwrap_or(i8::MAX);
        let ledger = Ledger::new(orders, units.saturating_add(phantoms));
        Self {
            batches: (0..orders).map(Batch::new).collect(),
            replica: ledger.clone(),
            ledger,
            queue: Vec::new(),
            worker: Worker::default(),
            readers: UNREAD,
            database: Database {
                rows: vec![Row::Absent; orders],
                saleable: units,
                reserves: scale.shipments > 0,
                reserved: 0,
                lost: 0,
                short: BTreeSet::new(),
                restocked: 0,
                applied: 0,
                returned: 0,
                events: BTreeMap::new(),
            },
            rebuild: None,
            left: scale,
        }
    }

    /// Takes off the way what changes nothing any more, whenever it arrives: it would only multiply the states.
    pub(crate) fn forget_what_changes_nothing(&mut self, settles_twice: bool) {
        let entry_can_vanish = self.left.failovers > 0;
        let stored = self.ledger.log.iter().zip(&self.database.rows);
        for (batch, (entry, row)) in self.batches.iter_mut().zip(stored) {
            if *entry != Entry::Absent && !entry_can_vanish {
                batch.late_deductions = 0;
            }
            if *entry == Entry::Acknowledged && !entry_can_vanish && !settles_twice {
                batch.outcome = false;
            }
            if batch.half != Half::Open {
                batch.rollback = false;
            }
            if batch.due == Due::Now && *row != Row::Confirmed {
                batch.due = Due::Later;
            }
            let is_awaited = batch.gateway == Gateway::Committing;
            if batch.half == Half::Committed && self.left.duplicates == 0 && !is_awaited {
                batch.commit = false;
            }
        }
    }

    /// Whether nothing is left to do: no process has work, and nothing is on its way.
    pub fn at_rest(&self) -> bool {
        let quiet = |batch: &Batch| {
            matches!(batch.gateway, Gateway::Told(_))
                && batch.half != Half::Open
                && !batch.deduction
                && batch.late_deductions == 0
                && !(batch.commit || batch.rollback || batch.outcome || batch.event)
                && batch.due != Due::Now
        };
        let all_published = self.database.events.values().all(|event| *event == Event::Published);
        self.queue.is_empty()
            && self.worker.is_idle()
            && self.rebuild.is_none()
            && all_published
            && self.ledger.restocked == self.database.restocked
            && self
                .readers
                .iter()
                .all(|reader| reader.read.is_none() && reader.told == self.database.restocked)
            && !self.database.rows.contains(&Row::Refunding)
            && !(self.left.shipments > 0 && self.database.rows.contains(&Row::Paid))
            && self.batches.iter().all(quiet)
    }
}

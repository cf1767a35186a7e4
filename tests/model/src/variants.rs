//! The protocol broken on purpose: a check that cannot fail proves nothing.

use clap::ValueEnum;

use crate::{properties, scale::Scale};

/// One thing done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Break {
    /// A check-back that finds no log entry says ROLLBACK and leaves no mark.
    NoFence,
    /// A check-back that finds no log entry says COMMIT.
    CommitByDefault,
    /// A check-back that the ledger did not answer says ROLLBACK.
    RollbackOnDoubt,
    /// A gateway that gets no answer to its deduction rolls back and tells the buyer no.
    RollbackOnTimeOut,
    /// A refusal counts although an earlier copy of the same deduction may still be under way.
    RefusalAfterResend,
    /// The gateway goes on without an answer to its half-message.
    DeductWithoutHalf,
    /// The buyer is told "accepted" when the half-message is stored, before the log entry.
    AnswerBeforeLog,
    /// A second outcome of a batch is settled again.
    SettleTwice,
    /// Units that the database could not give go back on sale.
    WrittenOffReturned,
    /// The worker acknowledges before the database has the orders.
    OffsetBeforeDatabase,
    /// The worker acknowledges before it publishes the outcomes.
    OffsetBeforeOutcomes,
    /// The worker does not remember the batches that it placed.
    BatchesForgotten,
    /// The worker does not look at how many rows its conditional UPDATE hit.
    RowCountIgnored,
    /// Duplicate keys are not looked for in the database, nor held by a unique key.
    KeysNotUnique,
    /// A return does not look at the mark.
    ReturnUnmarked,
    /// A return does not wait for the settlement of its order.
    ReturnBeforeSettlement,
    /// The event of a cancellation is only in the memory of the worker, not in the transaction.
    EventInMemory,
    /// An event is marked as published before the broker has it.
    MarkedBeforePublished,
    /// The log entry has the proof of a return, not the key.
    ProofInEntry,
    /// A rebuild reads orders as they were placed, and resumes whatever is left. With the comparison at its end, the
    /// sale would stay paused.
    RebuildAsPlaced,
    /// A worker that has read an order as unpaid after its deadline cancels it, whatever it is by then.
    TimeoutUnchecked,
    /// A worker that has read an order as unpaid records its payment, whatever it is by then.
    PaymentUnchecked,
    /// A paid order is cancelled as an unpaid one.
    PaidCancelled,
    /// A refund returns the unit of the order once more.
    RefundReturns,
    /// An order is shipped whether or not the database has its unit.
    ShipmentUnchecked,
    /// An order that found no unit when it was to be shipped is cancelled, whatever it is by then.
    FailureUnchecked,
    /// Orders reserve units that other orders have reserved.
    ReservedIgnored,
    /// A unit that does not exist goes back on sale.
    ShortReturned,
    /// A gateway adds by how much the units that were added have grown since it last told the ledger.
    RestockByDifference,
    /// The ledger takes over the units that were added as it is told them, also older ones.
    RestockBackwards,
    /// A sweep deletes a deadline in a transaction of its own, before it cancels the orders.
    DeadlineDeletedFirst,
}

/// A broken protocol, and what must come of it.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// What is done wrong.
    pub broken: Break,
    /// The smallest world that shows it.
    pub scale: Scale,
    /// The property that it violates.
    pub violates: &'static str,
}

/// What a failover of the ledger breaks in the whole protocol, each with the smallest world that shows it. These
/// are limits of the design, not variants: a replica that is behind has lost what the ledger acknowledged, and
/// no order of steps can make up for that without asking the database.
///
/// - A gateway tells "accepted" when the deadline passes before its commit is answered, since the log stands and
///   check-back will finish it. If that commit was lost and a failover takes the log entry, the check-back
///   fences the batch.
/// - A gateway in doubt asks for the fate after the failover has taken the entry, and tells "refused" of a batch
///   that a check-back had committed before.
/// - The broker asks while the commit is on its way, or again after it. Where the entry is gone, the answer
///   fences the batch; the broker delivers it all the same, and its outcome cannot heal the ledger any more.
pub const LIMITS: [(Scale, &str); 3] = [
    (Scale { failovers: 1, ..LONE }, properties::ACCEPTED_IS_NEVER_DROPPED),
    (Scale { failovers: 1, ..LONE }, properties::REFUSED_IS_NEVER_AN_ORDER),
    (Scale { failovers: 1, ..LONE }, properties::LAYERS_NEVER_CONTRADICT),
];

const TINY: Scale = Scale { crashes: 0, duplicates: 0, ..Scale::SMALL };
const LONE: Scale = Scale { orders: 1, ..TINY };
const PHANTOM: Scale = Scale { units: 0, phantoms: 1, ..TINY };

const SHIPPED: Scale = Scale { payments: 1, shipments: 1, losses: 1, ..LONE };
const CANCELLED: Scale = Scale { cancels: 1, ..LONE };

/// Every broken protocol, with its violations.
pub const VARIANTS: [Variant; 32] = [
    Variant { broken: Break::NoFence, scale: LONE, violates: properties::ACCEPTED_IS_NEVER_DROPPED },
    Variant { broken: Break::CommitByDefault, scale: TINY, violates: properties::REFUSED_IS_NEVER_AN_ORDER },
    Variant { broken: Break::RollbackOnDoubt, scale: LONE, violates: properties::ACCEPTED_IS_NEVER_DROPPED },
    Variant { broken: Break::RollbackOnTimeOut, scale: LONE, violates: properties::NOTHING_IS_LEAKED },
    Variant {
        broken: Break::RefusalAfterResend,
        scale: Scale { cancels: 1, ..TINY },
        violates: properties::NOTHING_IS_LEAKED,
    },
    Variant { broken: Break::DeductWithoutHalf, scale: LONE, violates: properties::NOTHING_IS_LEAKED },
    Variant { broken: Break::AnswerBeforeLog, scale: LONE, violates: properties::ACCEPTED_IS_NEVER_DROPPED },
    Variant {
        broken: Break::SettleTwice,
        scale: Scale { duplicates: 1, orders: 1, ..PHANTOM },
        violates: properties::LEDGER_IS_CONSERVED,
    },
    Variant { broken: Break::WrittenOffReturned, scale: PHANTOM, violates: properties::REASONS_ARE_TRUE },
    Variant {
        broken: Break::OffsetBeforeDatabase,
        scale: Scale { crashes: 1, ..LONE },
        violates: properties::ACCEPTED_ENDS_AS_AN_ORDER,
    },
    Variant {
        broken: Break::OffsetBeforeOutcomes,
        scale: Scale { crashes: 1, ..LONE },
        violates: properties::NOTHING_IS_LEAKED,
    },
    Variant {
        broken: Break::BatchesForgotten,
        scale: Scale { duplicates: 1, units: 2, ..LONE },
        violates: properties::DATABASE_IS_CONSERVED,
    },
    Variant {
        broken: Break::RowCountIgnored,
        scale: PHANTOM,
        violates: properties::DATABASE_IS_NEVER_OVERSOLD,
    },
    Variant {
        broken: Break::KeysNotUnique,
        scale: Scale { units: 2, orders: 1, retries: 1, failovers: 1, ..TINY },
        violates: properties::ORDER_IS_CONFIRMED_ONCE,
    },
    Variant {
        broken: Break::BatchesForgotten,
        scale: Scale { duplicates: 1, ..CANCELLED },
        violates: properties::CANCELLED_STAYS_CANCELLED,
    },
    Variant { broken: Break::ReturnUnmarked, scale: CANCELLED, violates: properties::UNITS_RETURN_ONCE },
    Variant {
        broken: Break::ReturnBeforeSettlement,
        scale: CANCELLED,
        violates: properties::LEDGER_IS_CONSERVED,
    },
    Variant {
        broken: Break::EventInMemory,
        scale: Scale { crashes: 1, ..CANCELLED },
        violates: properties::RETURNS_ARRIVE,
    },
    Variant {
        broken: Break::MarkedBeforePublished,
        scale: Scale { crashes: 1, ..CANCELLED },
        violates: properties::RETURNS_ARRIVE,
    },
    Variant { broken: Break::ProofInEntry, scale: CANCELLED, violates: properties::UNITS_RETURN_ONCE },
    Variant {
        broken: Break::RebuildAsPlaced,
        scale: Scale { rebuilds: 1, ..CANCELLED },
        violates: properties::RETURNS_ARRIVE,
    },
    Variant {
        broken: Break::TimeoutUnchecked,
        scale: Scale { payments: 1, timeouts: 1, ..LONE },
        violates: properties::PAID_IS_NEVER_UNPAID,
    },
    Variant {
        broken: Break::PaymentUnchecked,
        scale: Scale { payments: 1, timeouts: 1, ..LONE },
        violates: properties::CANCELLED_STAYS_CANCELLED,
    },
    Variant {
        broken: Break::PaidCancelled,
        scale: Scale { payments: 1, ..CANCELLED },
        violates: properties::PAID_IS_NEVER_UNPAID,
    },
    Variant {
        broken: Break::RefundReturns,
        scale: Scale { payments: 1, ..CANCELLED },
        violates: properties::DATABASE_IS_CONSERVED,
    },
    Variant {
        broken: Break::ShipmentUnchecked,
        scale: SHIPPED,
        violates: properties::DATABASE_IS_NEVER_OVERSOLD,
    },
    Variant {
        broken: Break::FailureUnchecked,
        scale: Scale { cancels: 1, ..SHIPPED },
        violates: properties::DATABASE_IS_CONSERVED,
    },
    Variant {
        broken: Break::ReservedIgnored,
        scale: Scale { phantoms: 1, shipments: 1, ..TINY },
        violates: properties::DATABASE_IS_NEVER_OVERSOLD,
    },
    Variant {
        broken: Break::ShortReturned,
        scale: Scale { orders: 2, ..SHIPPED },
        violates: properties::REASONS_ARE_TRUE,
    },
    Variant {
        broken: Break::RestockByDifference,
        scale: Scale { restocks: 1, ..LONE },
        violates: properties::RESTOCKS_COUNT_ONCE,
    },
    Variant {
        broken: Break::RestockBackwards,
        scale: Scale { restocks: 2, units: 0, ..TINY },
        violates: properties::LEDGER_IS_NEVER_OVERSOLD,
    },
    Variant {
        broken: Break::DeadlineDeletedFirst,
        scale: Scale { timeouts: 1, crashes: 1, ..LONE },
        violates: properties::NOTHING_STAYS_DUE,
    },
];

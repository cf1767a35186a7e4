//! What must hold: in every state, and in every state at rest.
//!
//! "In the end" is said as *always: a state at rest is as it should be*, not with `Property::eventually`:
//! stateright does not tell a cycle from a path that joins another one, so an eventual property can be violated
//! on a cycle and pass (its documentation says so), and the broker's repeated questions are such cycles. A
//! state is at rest when no process has anything left to do and nothing is on its way ([`State::at_rest`]),
//! whatever faults could still happen. That rest can always be reached is a test of its own
//! (`tests/protocol.rs`), since no property over states at rest says so.

use stateright::Property;

use crate::{
    ledger::Entry,
    model::Protocol,
    scale::Scale,
    state::{Answer, Due, Gateway, Half, Row, State},
};

/// The ledger sells no unit twice. A paused sale may be below zero: an outcome that comes again, whose log entry has
/// expired, restores a cancelled order in a rebuild before the rebuild reads that it was cancelled.
pub const LEDGER_IS_NEVER_OVERSOLD: &str = "the ledger is never oversold";
/// The database sells no unit twice.
pub const DATABASE_IS_NEVER_OVERSOLD: &str = "the database is never oversold";
/// However often a batch or its buyer comes, one order of it is confirmed.
pub const ORDER_IS_CONFIRMED_ONCE: &str = "an order is confirmed at most once";
/// A batch whose buyer was told "accepted" is neither fenced nor rolled back.
pub const ACCEPTED_IS_NEVER_DROPPED: &str = "an accepted order is never dropped";
/// A batch whose buyer was told "refused" is neither committed nor stored.
pub const REFUSED_IS_NEVER_AN_ORDER: &str = "a refused order never becomes one";
/// `available = initial + restocked + returned - deducted`, and the totals are those of the log.
pub const LEDGER_IS_CONSERVED: &str = "the ledger's totals follow from its log";
/// `saleable - reserved = initial + restocked + returned - applied - lost`, and the totals are those of the orders.
pub const DATABASE_IS_CONSERVED: &str = "the database's totals follow from its orders";
/// A unit that is missing fails one order. No order is cancelled for want of a unit that is there, nor for a duplicate that is not.
pub const REASONS_ARE_TRUE: &str = "an order is cancelled for a true reason";
/// An order that was cancelled after its confirmation stays so, under any batch.
pub const CANCELLED_STAYS_CANCELLED: &str = "a cancelled order is never confirmed again";
/// The ledger never has more units from cancelled orders than the database, and only those of cancelled orders.
pub const UNITS_RETURN_ONCE: &str = "no unit is returned twice";
/// The ledger never has more added units than the database.
pub const RESTOCKS_COUNT_ONCE: &str = "no added unit is counted twice";
/// No batch that the database has is fenced in the ledger: `Settled::Contradiction` never comes.
pub const LAYERS_NEVER_CONTRADICT: &str = "no stored order is fenced in the ledger";
/// At rest: every accepted order is stored.
pub const ACCEPTED_ENDS_AS_AN_ORDER: &str = "at rest every accepted order is confirmed or cancelled";
/// At rest: no log entry is open, and the log says of every batch what the database says.
pub const NOTHING_IS_LEAKED: &str = "at rest no log entry is open and no unit is leaked";
/// At rest: every unit that a cancelled order gave up is in the ledger.
pub const RETURNS_ARRIVE: &str = "at rest no unit of a cancelled order is lost";
/// `available = saleable - pending - on their way`, with phantoms and written-off units on the left.
pub const LAYERS_DIFFER_BY_WHAT_IS_UNDER_WAY: &str = "both layers differ by what is under way";
/// An order whose payment was confirmed to its payer is never cancelled without a refund.
pub const PAID_IS_NEVER_UNPAID: &str = "a paid order is never cancelled as an unpaid one";
/// Nobody gets money back for an order that was not paid.
pub const REFUNDS_ARE_OWED: &str = "only paid orders are refunded";
/// At rest: an order that was due is paid or cancelled.
pub const NOTHING_STAYS_DUE: &str = "at rest no order is unpaid after its deadline";
/// At rest: `available + written_off = saleable + phantoms`.
pub const LAYERS_AGREE: &str = "at rest both layers agree";

/// The properties of a world of that scale. While a rebuild is under way, the totals of the ledger are partial. A ledger
/// that failed over is behind by what it lost until an operator rebuilds it, so its own numbers are not asked for then.
pub fn all(scale: Scale) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(DATABASE_IS_NEVER_OVERSOLD, database_is_never_oversold),
        Property::always(ORDER_IS_CONFIRMED_ONCE, order_is_confirmed_once),
        Property::always(ACCEPTED_IS_NEVER_DROPPED, accepted_is_never_dropped),
        Property::always(REFUSED_IS_NEVER_AN_ORDER, refused_is_never_an_order),
        Property::always(DATABASE_IS_CONSERVED, database_is_conserved),
        Property::always(CANCELLED_STAYS_CANCELLED, cancelled_stays_cancelled),
        Property::always(UNITS_RETURN_ONCE, units_return_once),
        Property::always(RESTOCKS_COUNT_ONCE, restocks_count_once),
        Property::always(PAID_IS_NEVER_UNPAID, paid_is_never_unpaid),
        Property::always(REFUNDS_ARE_OWED, refunds_are_owed),
        Property::always(NOTHING_STAYS_DUE, nothing_stays_due),
        Property::always(LAYERS_NEVER_CONTRADICT, layers_never_contradict),
        Property::always(ACCEPTED_ENDS_AS_AN_ORDER, accepted_ends_as_an_order),
    ];
    if scale.failovers == 0 {
        properties.extend([
            Property::always(LEDGER_IS_NEVER_OVERSOLD, ledger_is_never_oversold),
            Property::always(LEDGER_IS_CONSERVED, ledger_is_conserved),
            Property::always(REASONS_ARE_TRUE, reasons_are_true),
            Property::always(NOTHING_IS_LEAKED, nothing_is_leaked),
            Property::always(RETURNS_ARRIVE, returns_arrive),
            Property::always(LAYERS_DIFFER_BY_WHAT_IS_UNDER_WAY, layers_differ_by_what_is_under_way),
            Property::always(LAYERS_AGREE, layers_agree),
        ]);
    }
    properties
}

fn ledger_is_never_oversold(model: &Protocol, state: &State) -> bool {
    let has_unit = |batch: usize| {
        let order = state.batches[batch].order;
        let gave_up = state.ledger.marks[order] && state.ledger.keys[order] == Some(batch);
        let never_had = matches!(state.database.rows[batch], Row::OutOfStock | Row::Duplicate);
        state.ledger.log[batch].stands() && !gave_up && !never_had
    };
    let sold = (0..state.batches.len()).filter(|batch| has_unit(*batch)).count();
    let added = i16::from(state.ledger.restocked);
    let initial = i16::from(model.scale.units) + i16::from(model.scale.phantoms) + added;
    state.rebuild.is_some() || (state.ledger.available >= 0 && number(sold) <= initial)
}

fn database_is_never_oversold(model: &Protocol, state: &State) -> bool {
    let standing = count(&state.database.rows, Row::holds_unit);
    state.database.saleable >= 0
        && standing <= i16::from(model.scale.units) + i16::from(state.database.restocked)
}

fn order_is_confirmed_once(_: &Protocol, state: &State) -> bool {
    (0..state.ledger.keys.len()).all(|order| count(&rows_of(state, order), Row::was_confirmed) <= 1)
}

fn accepted_is_never_dropped(_: &Protocol, state: &State) -> bool {
    state.batches.iter().zip(&state.ledger.log).all(|(batch, entry)| {
        let dropped = match batch.half {
            Half::Committed => false,
            Half::RolledBack => true,
            // A fence: the next check-back rolls back.
            Half::Open | Half::Absent => *entry == Entry::Fenced,
        };
        !(batch.accepted && dropped)
    })
}

fn refused_is_never_an_order(_: &Protocol, state: &State) -> bool {
    state.batches.iter().zip(&state.database.rows).all(|(batch, row)| {
        let is_order = batch.half == Half::Committed || *row != Row::Absent;
        !(batch.gateway == Gateway::Told(Answer::Refused) && is_order)
    })
}

fn ledger_is_conserved(model: &Protocol, state: &State) -> bool {
    let ledger = &state.ledger;
    let initial = i16::from(model.scale.units) + i16::from(model.scale.phantoms);
    let settled_as = |wanted: Row| {
        let pairs = ledger.log.iter().zip(&state.database.rows);
        let is_settled = |entry| matches!(entry, Entry::Acknowledged | Entry::Expired);
        number(pairs.filter(|(entry, row)| is_settled(**entry) && **row == wanted).count())
    };
    let released = (0..state.batches.len()).filter(|batch| {
        let order = state.batches[*batch].order;
        ledger.marks[order] && ledger.has_settled(*batch, order)
    });
    let equation =
        initial + i16::from(ledger.restocked) + i16::from(ledger.returned) - i16::from(ledger.deducted);
    let is_short = |batch: &usize| state.database.short.contains(batch);
    let short = number(released.clone().filter(is_short).count());
    let released = number(released.count());
    let follows = i16::from(ledger.deducted) == count(&ledger.log, Entry::stands)
        && i16::from(ledger.released) == released
        && i16::from(ledger.returned) == released - short + settled_as(Row::Duplicate)
        && i16::from(ledger.written_off) == short + settled_as(Row::OutOfStock);
    i16::from(ledger.available) == equation && (state.rebuild.is_some() || follows)
}

fn database_is_conserved(model: &Protocol, state: &State) -> bool {
    let database = &state.database;
    let initial = i16::from(model.scale.units) + i16::from(database.restocked);
    let given = i16::from(database.applied) + i16::from(database.lost);
    unreserved(state) == initial + i16::from(database.returned) - given
        && i16::from(database.applied) == count(&database.rows, Row::was_confirmed)
        && i16::from(database.returned) == count(&database.rows, Row::gave_up)
}

fn reasons_are_true(model: &Protocol, state: &State) -> bool {
    let out_of_stock = count(&state.database.rows, |row| row == Row::OutOfStock);
    let duplicates_have_an_original = state.batches.iter().zip(&state.database.rows).all(|(batch, row)| {
        let is_original = |row: Row| row == Row::OutOfStock || row.was_confirmed();
        *row != Row::Duplicate || count(&rows_of(state, batch.order), is_original) == 1
    });
    let failed = out_of_stock + number(state.database.short.len());
    let missing = i16::from(model.scale.phantoms) + i16::from(state.database.lost);
    failed <= missing && duplicates_have_an_original
}

fn layers_never_contradict(_: &Protocol, state: &State) -> bool {
    let mut pairs = state.ledger.log.iter().zip(&state.database.rows);
    pairs.all(|(entry, row)| *entry != Entry::Fenced || *row == Row::Absent)
}

fn accepted_ends_as_an_order(_: &Protocol, state: &State) -> bool {
    let mut orders = state.batches.iter().zip(&state.database.rows);
    !state.at_rest() || orders.all(|(batch, row)| !batch.accepted || *row != Row::Absent)
}

fn cancelled_stays_cancelled(_: &Protocol, state: &State) -> bool {
    let mut cancelled = state.database.events.keys();
    cancelled.all(|batch| !rows_of(state, state.batches[*batch].order).into_iter().any(Row::holds_unit))
}

fn units_return_once(_: &Protocol, state: &State) -> bool {
    let State { ledger, database, .. } = state;
    let mut keys = ledger.keys.iter().zip(&ledger.marks);
    let is_cancelled = |key: &Option<usize>| key.is_some_and(|batch| database.rows[batch].gave_up());
    ledger.released <= database.returned && keys.all(|(key, mark)| !mark || is_cancelled(key))
}

fn restocks_count_once(_: &Protocol, state: &State) -> bool {
    (0..=state.database.restocked).contains(&state.ledger.restocked)
}

fn paid_is_never_unpaid(_: &Protocol, state: &State) -> bool {
    let mut rows = state.batches.iter().zip(&state.database.rows);
    rows.all(|(batch, row)| {
        !batch.paid || matches!(row, Row::Paid | Row::Shipped | Row::Refunding | Row::Refunded)
    })
}

fn refunds_are_owed(_: &Protocol, state: &State) -> bool {
    let mut rows = state.batches.iter().zip(&state.database.rows);
    rows.all(|(batch, row)| batch.paid || !matches!(row, Row::Refunding | Row::Refunded))
}

fn nothing_stays_due(_: &Protocol, state: &State) -> bool {
    let mut rows = state.batches.iter().zip(&state.database.rows);
    !state.at_rest() || rows.all(|(batch, row)| batch.due == Due::Later || *row != Row::Confirmed)
}

fn returns_arrive(_: &Protocol, state: &State) -> bool {
    !state.at_rest() || state.ledger.released == state.database.returned
}

fn nothing_is_leaked(_: &Protocol, state: &State) -> bool {
    let mut pairs = state.ledger.log.iter().zip(&state.database.rows);
    !state.at_rest()
        || pairs.all(|(entry, row)| {
            if *row == Row::Absent {
                matches!(entry, Entry::Absent | Entry::Fenced)
            } else {
                matches!(entry, Entry::Acknowledged | Entry::Expired)
            }
        })
}

fn layers_differ_by_what_is_under_way(model: &Protocol, state: &State) -> bool {
    let State { ledger, database, .. } = state;
    let is_pending = |(entry, row): &(&Entry, &Row)| {
        // The database has taken the unit of a confirmed order, also before the ledger has settled it.
        let is_open = **entry == Entry::Deducted && !row.was_confirmed();
        is_open || (entry.stands() && **row == Row::Absent)
    };
    let pending = number(ledger.log.iter().zip(&database.rows).filter(is_pending).count());
    let returning = i16::from(database.returned) - i16::from(ledger.released);
    let on_their_way = returning + i16::from(database.restocked) - i16::from(ledger.restocked);
    let in_ledger = i16::from(ledger.available) + i16::from(ledger.written_off);
    let in_database = unreserved(state) + i16::from(database.lost) + i16::from(model.scale.phantoms);
    state.rebuild.is_some() || in_ledger == in_database - pending - on_their_way
}

fn layers_agree(model: &Protocol, state: &State) -> bool {
    let (ledger, database) = (&state.ledger, &state.database);
    let in_ledger = i16::from(ledger.available) + i16::from(ledger.written_off);
    let in_database = unreserved(state) + i16::from(database.lost) + i16::from(model.scale.phantoms);
    !state.at_rest() || in_ledger == in_database
}

/// The units of the database that no order has.
fn unreserved(state: &State) -> i16 {
    i16::from(state.database.saleable) - i16::from(state.database.reserved)
}

fn rows_of(state: &State, order: usize) -> Vec<Row> {
    let pairs = state.batches.iter().zip(&state.database.rows);
    pairs.filter(|(batch, _)| batch.order == order).map(|(_, row)| *row).collect()
}

fn count<T: Copy>(of: &[T], is_counted: impl Fn(T) -> bool) -> i16 {
    number(of.iter().filter(|one| is_counted(**one)).count())
}

fn number(count: usize) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}

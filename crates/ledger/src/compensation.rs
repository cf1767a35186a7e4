//! The effect of a compensating step on the totals, for every ledger. `crates/ledger-redis/lua/compensate.lua` has the
//! same rule.

use crate::Totals;

/// Totals after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjusted {
    /// The totals.
    pub totals: Totals,
    /// Surplus units that are sold to undecided orders.
    pub deferred_units: u64,
}

/// Deducts `across` units, or returns as many if it is negative. The totals must be consistent. `None` if a number
/// would leave its range.
pub fn adjusted(totals: &Totals, across: i64) -> Option<Adjusted> {
    let found = across.min(0).unsigned_abs();
    let asked = across.max(0).unsigned_abs();
    let below = |available: i64| available.min(0).unsigned_abs();
    let wanted = totals.available.checked_add_unsigned(found)?.checked_sub_unsigned(asked)?;
    // Below zero, some of the surplus was sold. The order store did not provide the units of it that were written off.
    let again = below(wanted).min(totals.written_off.checked_sub(totals.reclaimed)?);
    let left = wanted.checked_add_unsigned(again)?;
    // The rest is sold and undecided: it is deferred, and no step brings a sale below zero, or further below.
    let deferred_units = below(left).saturating_sub(below(totals.available));
    let taken = asked.checked_sub(deferred_units)?;
    let totals = Totals {
        returned: totals.returned.checked_add(found)?.checked_add(again)?,
        deducted: totals.deducted.checked_add(taken)?,
        reclaimed: totals.reclaimed.checked_add(again)?,
        available: left.checked_add_unsigned(deferred_units)?,
        ..*totals
    };
    Some(Adjusted { totals, deferred_units })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTALS: Totals = Totals {
        initial: 10,
        restocked: 0,
        returned: 0,
        deducted: 7,
        written_off: 0,
        reclaimed: 0,
        released: 0,
        available: 3,
    };

    #[test]
    fn missing_units_are_returned_and_those_too_many_deducted() {
        let more = adjusted(&TOTALS, -2).unwrap();
        assert_eq!(
            more,
            Adjusted { totals: Totals { returned: 2, available: 5, ..TOTALS }, deferred_units: 0 }
        );
        let fewer = adjusted(&TOTALS, 3).unwrap();
        assert_eq!(
            fewer,
            Adjusted { totals: Totals { deducted: 10, available: 0, ..TOTALS }, deferred_units: 0 }
        );
    }

    #[test]
    fn what_is_sold_and_not_decided_is_left() {
        let some = adjusted(&TOTALS, 5).unwrap();
        assert_eq!(
            some,
            Adjusted { totals: Totals { deducted: 10, available: 0, ..TOTALS }, deferred_units: 2 }
        );
        let nothing = adjusted(&some.totals, 2).unwrap();
        assert_eq!(nothing, Adjusted { totals: some.totals, deferred_units: 2 });
        let below = Totals { deducted: 12, available: -2, ..TOTALS };
        assert_eq!(
            adjusted(&below, 1).unwrap(),
            Adjusted { totals: below, deferred_units: 1 },
            "no further below"
        );
        let up = adjusted(&below, -1).unwrap();
        assert_eq!((up.totals.available, up.deferred_units), (-1, 0));
    }

    #[test]
    fn what_was_written_off_is_reclaimed() {
        let written = Totals { deducted: 10, written_off: 2, available: 0, ..TOTALS };
        let corrected = adjusted(&written, 2).unwrap();
        let totals = Totals { deducted: 12, returned: 2, reclaimed: 2, ..written };
        assert_eq!(corrected, Adjusted { totals, deferred_units: 0 });
    }
}

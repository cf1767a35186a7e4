//! The rule by which units leave a sale in the order store and come back, for stores that keep sales in memory. No I/O.
//! The databases have it in `take_stock.sql`, `return_stock.sql` and `ship_stock.sql`.
//!
//! With [`DeductPolicy::AtOrder`] an order takes its units when it is placed. With [`DeductPolicy::AtPayment`] it reserves
//! them then, and takes them when it is shipped. An order that would reserve more than there is, is out of stock.

use flashgate_domain::{DeductPolicy, Sale};

/// The units for the next orders: those that no order has.
pub fn unreserved(sale: &Sale) -> u64 {
    u64::try_from(sale.unreserved()).unwrap_or(0)
}

/// An order with that many units is placed.
pub fn place(sale: &mut Sale, units: u64) {
    match sale.draft.policy() {
        DeductPolicy::AtOrder => sale.saleable = sale.saleable.saturating_sub(units),
        DeductPolicy::AtPayment => sale.reserved = sale.reserved.saturating_add(units),
    }
}

/// An order gives its units up before it is shipped.
pub fn give_up(sale: &mut Sale, units: u64) {
    sale.returned = sale.returned.saturating_add(units);
    match sale.draft.policy() {
        DeductPolicy::AtOrder => sale.saleable = sale.saleable.saturating_add(units),
        DeductPolicy::AtPayment => sale.reserved = sale.reserved.saturating_sub(units),
    }
}

/// An order is shipped; `false`, with nothing changed, if too few units are left.
pub fn ship(sale: &mut Sale, units: u64) -> bool {
    match (sale.draft.policy(), sale.saleable.checked_sub(units)) {
        (DeductPolicy::AtOrder, _) => true,
        (DeductPolicy::AtPayment, None) => false,
        (DeductPolicy::AtPayment, Some(rest)) => {
            (sale.saleable, sale.reserved) = (rest, sale.reserved.saturating_sub(units));
            true
        }
    }
}

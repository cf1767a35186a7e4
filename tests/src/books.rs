//! The conservation laws, checked on both sides and across, and against what the buyers heard.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use flashgate_domain::{BuyerDigest, BuyerId, OrderId, SaleId, Timestamp};
use flashgate_ledger::Snapshot;

use crate::{
    crowd::Heard,
    deployment::Deployment,
    eventually::eventually,
    order_store::{OrderRow, SaleRow},
};

/// Longer than the broker takes to check back on what was left open, several times over.
const SETTLE_TIME: Duration = Duration::from_secs(90);

/// Both layers of one sale when nothing of it is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Books {
    /// The sale in the ledger.
    pub ledger: Snapshot,
    /// What each buyer holds in the ledger.
    pub held: HashMap<BuyerDigest, u64>,
    /// The sale in the order store.
    pub sale: SaleRow,
    /// Its orders.
    pub orders: Vec<OrderRow>,
}

impl Deployment {
    /// Waits until every batch of the sale is settled, and returns both layers.
    ///
    /// # Panics
    /// If something stays open for a minute and a half, or the ledger does not have the sale.
    pub async fn settled(&self, sale: SaleId) -> Books {
        let ledger = eventually("everything is settled", SETTLE_TIME, async || {
            let snapshot = self.stock.snapshot(sale).await.ok_or("the ledger does not have the sale")?;
            // Counted apart from the log, which a test may have damaged.
            let pending = self.stock.pending_orders(sale).await;
            let returned = self.store.sale(sale).await.returned;
            let is_settled = snapshot.open.is_empty() && pending == 0 && snapshot.totals.released == returned;
            is_settled.then(|| snapshot.clone()).ok_or_else(|| {
                format!("{pending} orders, {returned} units returned in the order store; {snapshot:?}")
            })
        })
        .await;
        // Books are compared with later ones: they must be the same, and not of the same moment.
        let ledger = Snapshot { taken_at: Timestamp::default(), ..ledger };
        let held = self.stock.held(sale).await;
        Books { ledger, held, sale: self.store.sale(sale).await, orders: self.store.orders(sale).await }
    }

    /// Waits until every batch of the sale is settled; then both layers must hold their laws, agree with each
    /// other, and with what the buyers heard. Returns the books.
    ///
    /// # Panics
    /// If they do not.
    pub async fn conserved(&self, sale: SaleId, heard: &[Heard]) -> Books {
        let books = self.settled(sale).await;
        books.hold();
        assert_eq!(
            books.ledger.totals.available,
            signed(books.sale.saleable) - signed(books.sale.reserved),
            "the layers differ: {books:#?}"
        );
        kept_promises(sale, heard, &books.orders);
        books
    }
}

impl Books {
    /// The laws of each layer, and that the same orders stand behind both.
    ///
    /// # Panics
    /// If one is broken.
    pub fn hold(&self) {
        let totals = self.ledger.totals;
        let in_ledger = signed(totals.initial + totals.restocked + totals.returned) - signed(totals.deducted);
        assert_eq!(totals.available, in_ledger, "{totals:?}");
        assert!(totals.written_off <= totals.deducted, "{totals:?}");
        let lost = self.lost_in_database();
        assert!(lost >= 0, "the database gave more units than it had: {:?}", self.sale);

        // The orders are behind both: every unit that was deducted is in one of them.
        let units = |which: &dyn Fn(&OrderRow) -> bool| -> u64 {
            self.orders.iter().filter(|order| which(order)).map(|order| u64::from(order.quantity)).sum()
        };
        let is_shortage = |order: &OrderRow| order.reason == "out_of_stock";
        assert_eq!(totals.deducted, units(&|_every| true), "{totals:?}");
        assert_eq!(totals.written_off, units(&is_shortage), "{totals:?}");
        let returned = units(&|order| !order.is_confirmed() && !is_shortage(order));
        assert_eq!(totals.returned - totals.reclaimed, returned, "{totals:?}");
        let released = units(&|order| !order.is_confirmed() && order.was_confirmed());
        assert_eq!((totals.released, self.sale.returned), (released, released), "{totals:?}");

        self.orders_are_lawful();
        assert_eq!(self.held, held_by_orders(&self.orders), "what buyers hold");
        let keys: BTreeSet<_> = self.orders.iter().map(|order| (&order.buyer, &order.key)).collect();
        assert_eq!(self.ledger.keys, u64::try_from(keys.len()).unwrap());
    }

    /// Units that left the database without an order: 0, unless the test took some.
    ///
    /// # Panics
    /// If a sum does not fit.
    pub fn lost_in_database(&self) -> i64 {
        let applied: u64 = self
            .orders
            .iter()
            .filter(|order| order.was_confirmed())
            .map(|order| u64::from(order.quantity))
            .sum();
        let SaleRow { initial, restocked, returned, saleable, reserved, .. } = self.sale;
        signed(initial + restocked + returned) - signed(applied) - (signed(saleable) - signed(reserved))
    }

    /// The orders that hold units.
    pub fn confirmed(&self) -> impl Iterator<Item = &OrderRow> {
        self.orders.iter().filter(|order| order.is_confirmed())
    }

    /// Units in confirmed orders.
    pub fn confirmed_units(&self) -> u64 {
        self.confirmed().map(|order| u64::from(order.quantity)).sum()
    }

    /// No second order for a key, and no buyer above the limit.
    fn orders_are_lawful(&self) {
        lawful(&self.orders, self.sale.limit_per_buyer);
    }
}

/// No second order for a key, and no buyer above the limit.
///
/// # Panics
/// If there is one.
pub fn lawful(orders: &[OrderRow], limit_per_buyer: u32) {
    let mut keys = BTreeSet::new();
    let mut units: BTreeMap<&str, u32> = BTreeMap::new();
    for order in orders.iter().filter(|order| order.reason != "duplicate_key") {
        assert!(keys.insert((&order.buyer, &order.key)), "a second order for the key of {order:?}");
        if order.is_confirmed() {
            *units.entry(&order.buyer).or_default() += order.quantity;
        }
    }
    let over = units.iter().find(|(_buyer, units)| **units > limit_per_buyer);
    assert_eq!(over, None, "above the limit");
}

/// Every promise was kept, and nobody who was refused has an order: by key, buyer, quantity and order id.
///
/// # Panics
/// If not.
pub fn kept_promises(sale: SaleId, heard: &[Heard], orders: &[OrderRow]) {
    let by_id: BTreeMap<OrderId, &OrderRow> = orders.iter().map(|order| (order.id, order)).collect();
    let keys: BTreeSet<_> = orders.iter().map(|order| (order.buyer.as_str(), order.key.as_str())).collect();
    for heard in heard.iter().filter(|heard| heard.purchase.sale == sale) {
        let purchase = &heard.purchase;
        match heard.order() {
            Some(promised) => {
                let order = by_id.get(&promised).unwrap_or_else(|| panic!("no order was made of {heard:?}"));
                let is = (order.buyer.as_str(), order.key.as_str(), order.quantity);
                assert_eq!(is, (purchase.buyer.as_str(), purchase.key.as_str(), purchase.quantity));
            }
            None if heard.is_final() => {
                let has_order = keys.contains(&(purchase.buyer.as_str(), purchase.key.as_str()));
                assert!(!has_order, "refused, and yet there is an order: {heard:?}");
            }
            None => {}
        }
    }
}

fn held_by_orders(orders: &[OrderRow]) -> HashMap<BuyerDigest, u64> {
    let mut held = HashMap::new();
    for order in orders.iter().filter(|order| order.is_confirmed()) {
        let buyer = BuyerId::new(&order.buyer).unwrap();
        *held.entry(buyer.digest()).or_insert(0) += u64::from(order.quantity);
    }
    held
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap()
}

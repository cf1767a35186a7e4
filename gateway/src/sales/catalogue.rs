//! The sales that this gateway knows, and what it caches for each.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{KeyDigest, Sale, SaleId, SaleState, Timestamp};
use metrics::gauge;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;
use tracing::{error, info};

use crate::sales::sold_out_mark::SoldOutMark;

/// One sale.
#[derive(Debug)]
pub struct Entry {
    /// As of the last read of the order store.
    pub sale: Sale,
    memory: Arc<SaleCache>,
}

/// The state that outlives a re-read of the sale.
#[derive(Debug, Default)]
struct SaleCache {
    paused: AtomicBool,
    closed_in_ledger: AtomicBool,
    sold_out: RwLock<Option<SoldOutMark>>,
    left: Mutex<Option<StockReading>>,
    found_in_ledger_at: Mutex<Option<Instant>>,
}

/// The units left at the ledger's last report, and its time.
#[derive(Clone, Copy, Debug)]
struct StockReading {
    units: u64,
    read_at: Instant,
}

impl Entry {
    /// Whether the ledger is known to have lost the sale, or to have lost acknowledged data.
    pub fn paused(&self) -> bool {
        self.memory.paused.load(Ordering::Relaxed)
    }

    /// Records whether the sale is paused. The first change to paused logs the alarm. The gauge of a paused sale is
    /// set each time: a gauge that is not set for some minutes is no longer exported.
    pub fn set_paused(&self, paused: bool) {
        let was_paused = self.memory.paused.swap(paused, Ordering::Relaxed);
        let sale = self.sale.id;
        if paused || was_paused {
            let value = f64::from(u8::from(paused));
            gauge!("flashgate_gateway_sale_paused", "sale" => sale.to_string()).set(value);
        }
        if was_paused == paused {
            return;
        }
        if paused {
            error!(sale_id = %sale, "sale paused: missing, paused or of another generation in the ledger");
        } else {
            info!(sale_id = %sale, "sale resumed");
        }
    }

    /// Records that the ledger has the sale now, sellable or closed.
    pub fn set_found_in_ledger(&self) {
        *self.memory.found_in_ledger_at.lock() = Some(Instant::now());
    }

    /// Whether the ledger was read less than `age_max` ago, and had the sale.
    pub fn found_in_ledger_within(&self, age_max: Duration) -> bool {
        let found_at = *self.memory.found_in_ledger_at.lock();
        found_at.is_some_and(|at| at.elapsed() < age_max)
    }

    /// Whether this gateway has closed the sale in the ledger.
    pub fn closed_in_ledger(&self) -> bool {
        self.memory.closed_in_ledger.load(Ordering::Relaxed)
    }

    /// Records whether the sale is closed in the ledger: a replica that takes over may have lost the close.
    pub fn set_closed_in_ledger(&self, closed: bool) {
        self.memory.closed_in_ledger.store(closed, Ordering::Relaxed);
    }

    /// Whether a purchase with that key can only be answered "sold out": the sale has a mark, and the key has no
    /// order in it. After its window the ledger is asked: the sale has ended then.
    pub fn is_sold_out_for(&self, key: KeyDigest, now: Timestamp) -> bool {
        if now >= self.sale.draft.window().closes_at() {
            return false;
        }
        let mark = self.memory.sold_out.read();
        mark.as_ref().is_some_and(|mark| !mark.has_order(key))
    }

    /// The return epoch of the sold-out mark, if the sale has a mark.
    pub fn sold_out_epoch(&self) -> Option<u64> {
        self.memory.sold_out.read().as_ref().map(SoldOutMark::epoch)
    }

    /// Records the units left from the ledger's report.
    pub fn set_left(&self, available: i64) {
        let left = StockReading { units: u64::try_from(available).unwrap_or(0), read_at: Instant::now() };
        *self.memory.left.lock() = Some(left);
    }

    /// Whether the ledger reported, less than `age_max` ago, at least `units` units left.
    pub fn left_at_least(&self, units: u64, age_max: Duration, now: Instant) -> bool {
        let left = *self.memory.left.lock();
        left.is_some_and(|left| left.units >= units && now.saturating_duration_since(left.read_at) < age_max)
    }

    /// Sets the sold-out mark or lifts it.
    pub fn set_sold_out(&self, mark: Option<SoldOutMark>) {
        *self.memory.sold_out.write() = mark;
    }
}

/// All known sales. Cheap to share and to read.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: RwLock<BTreeMap<SaleId, Arc<Entry>>>,
}

impl Catalogue {
    /// The sale, if it is known.
    pub fn get(&self, sale: SaleId) -> Option<Arc<Entry>> {
        self.entries.read().get(&sale).cloned()
    }

    /// Every known sale, by ascending id.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.read().values().cloned().collect()
    }

    /// Stores the sale as the order store had it, and returns its entry. Sales are read concurrently, so `sale` may
    /// be older than the stored one: a generation, and the state of a generation, never goes back, and a closed sale
    /// stays closed.
    pub fn put(&self, sale: Sale) -> Arc<Entry> {
        let mut entries = self.entries.write();
        let known = entries.get(&sale.id);
        let memory = known.map(|known| Arc::clone(&known.memory)).unwrap_or_default();
        let sale = match known {
            Some(known) => later(&known.sale, sale),
            None => sale,
        };
        let entry = Arc::new(Entry { sale, memory });
        entries.insert(entry.sale.id, Arc::clone(&entry));
        entry
    }
}

/// The merge of a known sale with a `read` one.
fn later(known: &Sale, read: Sale) -> Sale {
    let closed = known.state == SaleState::Closed || read.state == SaleState::Closed;
    let progress = |sale: &Sale| (sale.generation, step(sale.state));
    let sale = if progress(&read) < progress(known) { known.clone() } else { read };
    if closed { Sale { state: SaleState::Closed, ..sale } } else { sale }
}

const fn step(state: SaleState) -> u8 {
    match state {
        SaleState::Created => 0,
        SaleState::Preheating => 1,
        SaleState::Preheated => 2,
        SaleState::Closed => 3,
    }
}

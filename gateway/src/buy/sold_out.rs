//! Sets and lifts the sold-out marks: why a gateway may answer "sold out" from its own memory.
//!
//! A retry of a purchase that won must get its order, not "sold out". So a mark holds the keys of every order
//! of the sale. The set is complete: the keys are read after the ledger has answered `available <= 0`, and with
//! nothing available no further key can get an order before units are returned, which changes the return epoch. A
//! mark is only set if the epoch is unchanged after the keys were read.

use std::{
    collections::{HashMap, hash_map::Entry as MapEntry},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::SaleId;
use flashgate_ledger::{LedgerError, SaleStock, Watching};
use flashgate_supervision::Supervisor;
use futures::{StreamExt, stream};
use metrics::counter;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::sales::{
    catalogue::{Catalogue, Entry},
    sold_out_mark::SoldOutMark,
};

/// Maximum number of marked sales that are read concurrently.
const REREADS_MAX: usize = 32;

/// Sets sold-out marks when the ledger reports no available units and lifts them when units are returned.
pub struct SoldOutWatch {
    ledger: Arc<dyn Watching>,
    catalogue: Arc<Catalogue>,
    /// Sales whose keys are being read, to limit each sale to one reader.
    reading: Mutex<HashMap<SaleId, u64>>,
    supervisor: Supervisor,
}

impl SoldOutWatch {
    /// Watches the sales of `catalogue`.
    pub fn new(ledger: Arc<dyn Watching>, catalogue: Arc<Catalogue>, supervisor: Supervisor) -> Arc<Self> {
        Arc::new(Self { ledger, catalogue, reading: Mutex::default(), supervisor })
    }

    /// Updates the mark of a sale from its stock after a ledger call.
    pub fn observe(self: &Arc<Self>, standing: SaleStock) {
        let Some(entry) = self.catalogue.get(standing.sale) else { return };
        entry.set_left(standing.available);
        match entry.sold_out_epoch() {
            Some(epoch) if epoch < standing.epoch => entry.set_sold_out(None),
            None if standing.available <= 0 => self.start_reading(entry, standing.epoch),
            Some(_) | None => {}
        }
    }

    fn start_reading(self: &Arc<Self>, entry: Arc<Entry>, epoch: u64) {
        let mut reading = self.reading.lock();
        let MapEntry::Vacant(vacant) = reading.entry(entry.sale.id) else { return };
        vacant.insert(epoch);
        drop(reading);
        let watch = Arc::clone(self);
        let reading = self.supervisor.spawn_job("sold_out_keys", async move {
            if let Err(fault) = watch.read_keys(&entry, epoch).await {
                // Without a mark the ledger answers: slower, with the same result. The next stock reading tries
                // again.
                debug!(sale_id = %entry.sale.id, code = fault.code(), "reading the keys of a sold-out sale failed");
            }
            watch.reading.lock().remove(&entry.sale.id);
        });
        reading.detach();
    }

    async fn read_keys(&self, entry: &Entry, epoch: u64) -> Result<(), LedgerError> {
        let keys = self.ledger.keys(entry.sale.id).await?;
        let standing = self.ledger.stock(entry.sale.id).await?;
        if standing.is_some_and(|now| now.epoch == epoch && now.available <= 0) {
            entry.set_sold_out(Some(SoldOutMark::new(epoch, keys)));
            counter!("flashgate_gateway_sold_out_marks_total").increment(1);
        }
        Ok(())
    }

    /// Reads every sale with a mark again, each `period`, without end: a ledger event can be lost.
    pub async fn reread(self: Arc<Self>, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let marked = self.catalogue.all().into_iter().filter(|entry| entry.sold_out_epoch().is_some());
            // A shard that does not answer delays only this round.
            stream::iter(marked).for_each_concurrent(REREADS_MAX, |entry| self.reread_one(entry)).await;
        }
    }

    async fn reread_one(self: &Arc<Self>, entry: Arc<Entry>) {
        match self.ledger.stock(entry.sale.id).await {
            Ok(Some(standing)) => self.observe(standing),
            // The ledger no longer has the sale: its next intents find out and handle that.
            Ok(None) => entry.set_sold_out(None),
            Err(fault) => debug!(code = fault.code(), "re-reading a sold-out sale failed"),
        }
    }
}

//! Rebuild: rebuilds the ledger of a paused sale from the orders, while other sales continue.
//!
//! 1. Wait until the order workers have done every committed batch, and nothing of the sale is open in the ledger.
//! 2. The order store registers the next generation. From here on every gateway ignores the old ledger of the sale.
//! 3. The ledger gets the sale, stopped and with nothing sold, and then every batch that the store has decided.
//! 4. The sale resumes, if the ledger has as many units left as the store. If a batch arrived in between, repeat from
//!    3.
//!
//! An interrupted rebuild can be started again: the sale stays paused until the end. An active sale that has lost
//! some units is paused first.

use std::time::Duration;

use flashgate_domain::{LedgerState, SaleId};
use flashgate_proto::{
    channel::found,
    v1::{
        self, ledger_service_client::LedgerServiceClient,
        order_store_service_client::OrderStoreServiceClient, repair_service_client::RepairServiceClient,
        sale_service_client::SaleServiceClient,
    },
};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tonic::{Status, transport::Channel};

use crate::client::{
    Carrier, ClientError, Sides,
    grpc::{ledger_client, order_store_client},
};

/// Interval between readings of both sides.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Interval between readings of the backlog when everything else is quiet, and their maximum number in a row.
const BACKLOG_INTERVAL: Duration = Duration::from_millis(20);
const BACKLOG_LOOKS: u32 = 200;
/// Orders of a page.
const PAGE_ORDERS: u32 = 4_000;
/// Maximum passes over the pages, if batches keep arriving.
const PASSES_MAX: u32 = 10;

/// Rebuilds the ledger of one sale.
pub struct Rebuild<G = Channel, W = Channel> {
    /// The sale.
    pub sale: SaleId,
    /// Whether an active sale is paused first.
    pub pause: bool,
    /// Required time without order changes: longer than a gateway continues to commit.
    pub quiet: Duration,
    /// Timeout of the wait for that.
    pub wait: Duration,
    /// The connections to both sides.
    pub sides: Sides<G, W>,
}

/// The state of a sale on both sides.
#[derive(Clone, Debug)]
pub struct RebuildStatus {
    /// The sale in the order store.
    pub sale: v1::Sale,
    /// `None`: the ledger does not have it.
    pub ledger: Option<v1::LedgerSnapshot>,
    /// The snapshot of its orders.
    pub store: v1::StoreSnapshot,
    /// The unfinished messages of the order workers.
    pub backlog: v1::GetBacklogResponse,
}

/// A rebuilt ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The generation of the sale.
    pub generation: u32,
    /// The number of orders that it was rebuilt from.
    pub orders: u64,
}

/// The ledger was not rebuilt; the sale is unchanged, or paused.
#[derive(Debug, Error)]
pub enum NotRebuilt {
    /// The sale may not be rebuilt.
    #[error("{0}")]
    Refused(String),
    /// A side did not answer, or refused.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// The orders kept changing until the timeout.
    #[error("the orders are still coming: {messages} messages wait, {open} batches are open (re-drive them)")]
    NotQuiet {
        /// The number of unfinished messages of the workers.
        messages: u64,
        /// The number of batches that are open in the ledger.
        open: usize,
    },
    /// The orders and the sale's row contradict each other.
    #[error(
        "from the orders {ledger} units are left, and the sale's row has {store}: look at it by `flashgate audit`"
    )]
    Differs {
        /// Units left by the orders.
        ledger: i64,
        /// Units left by the row.
        store: u64,
    },
}

impl From<Status> for NotRebuilt {
    fn from(status: Status) -> Self {
        Self::Call(status.into())
    }
}

/// The units that no order has.
fn unreserved(store: &v1::StoreSnapshot) -> i128 {
    i128::from(store.saleable) - i128::from(store.reserved)
}

impl RebuildStatus {
    /// The number of its batches that are open in the ledger.
    pub fn open_batches(&self) -> usize {
        self.ledger.as_ref().map_or(0, |snapshot| snapshot.open.len())
    }

    /// The number of orders in the order store.
    pub fn orders(&self) -> u64 {
        let sums = self.store.orders.unwrap_or_default();
        let each = [sums.pending, sums.confirmed, sums.written_off, sums.returned];
        each.into_iter().flatten().map(|amount| amount.orders).sum()
    }

    /// What placing changes: the number of orders, and the units left. Cancellations, which can go on during a rebuild,
    /// do not count.
    fn placed(&self) -> (u64, i128) {
        (self.orders(), unreserved(&self.store) - i128::from(self.store.returned))
    }

    /// Why the sale may not be rebuilt. With `may_sell`, an active or prepared sale may be: a failover can leave a
    /// prepared sale of an earlier generation, which no gateway activates.
    pub fn refusal(&self, may_sell: bool) -> Option<String> {
        if self.sale.state != "preheated" {
            return Some(format!("the sale is {} in the order store, not preheated", self.sale.state));
        }
        let snapshot = self.ledger.as_ref()?;
        match LedgerState::parse(&snapshot.state) {
            Some(LedgerState::Paused) => None,
            Some(LedgerState::Active | LedgerState::Prepared) if may_sell => None,
            Some(LedgerState::Active | LedgerState::Prepared | LedgerState::Closed) | None => {
                Some(format!("the sale is {} in the ledger, neither paused nor missing", snapshot.state))
            }
        }
    }
}

impl<G: Carrier, W: Carrier> Rebuild<G, W> {
    /// Reads the state of the sale.
    ///
    /// # Errors
    /// The side that did not answer.
    pub async fn standing(&self) -> Result<RebuildStatus, ClientError> {
        let (sale_id, worker) = (self.sale.get(), || self.sides.worker.clone());
        let sale = SaleServiceClient::new(worker()).get_sale(v1::GetSaleRequest { sale_id }).await?;
        let ledger = found(self.ledger().snapshot_sale(v1::SnapshotSaleRequest { sale_id }).await)?;
        let store = self.sums().await?;
        let backlog = RepairServiceClient::new(worker()).get_backlog(v1::GetBacklogRequest {}).await?;
        Ok(RebuildStatus { sale: sale.into_inner(), ledger, store, backlog: backlog.into_inner() })
    }

    async fn sums(&self) -> Result<v1::StoreSnapshot, ClientError> {
        let request = v1::SnapshotStoreSaleRequest { sale_id: self.sale.get(), batch_ids: Vec::new() };
        Ok(self.order_store().snapshot_store_sale(request).await?.into_inner())
    }

    /// Rebuilds the sale, and resumes it.
    ///
    /// # Errors
    /// The rebuild can be started again.
    pub async fn run(&self) -> Result<Rebuilt, NotRebuilt> {
        let sale_id = self.sale.get();
        if self.pause {
            self.ledger().pause_sale(v1::PauseSaleRequest { sale_id }).await?;
        }
        let standing = self.until_quiet().await?;
        let request = v1::NextGenerationRequest { sale_id, generation: standing.sale.generation };
        let next = RepairServiceClient::new(self.sides.worker.clone()).next_generation(request).await?;
        let sale = next.into_inner();
        let generation = sale.generation;
        self.ledger().begin_rebuild(v1::BeginRebuildRequest { sale: Some(sale) }).await?;
        let mut left = (0, 0);
        for _pass in 0..PASSES_MAX {
            let orders = self.restore(generation).await?;
            // Read after the pages: a batch that they lack makes a difference, and is in the next pass.
            let left_in_store = unreserved(&self.sums().await?);
            let saleable = u64::try_from(left_in_store).unwrap_or(0);
            let request = v1::EndRebuildRequest { sale_id, generation, saleable };
            let ended = self.ledger().end_rebuild(request).await?.into_inner();
            if ended.ended {
                return Ok(Rebuilt { generation, orders });
            }
            left = (ended.available, saleable);
        }
        let (ledger, store) = left;
        Err(NotRebuilt::Differs { ledger, store })
    }

    /// Waits until every committed batch is applied, nothing of the sale is open, and its orders stay unchanged.
    async fn until_quiet(&self) -> Result<RebuildStatus, NotRebuilt> {
        let deadline = Instant::now() + self.wait;
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let standing = self.standing().await?;
            if let Some(why) = standing.refusal(false) {
                return Err(NotRebuilt::Refused(why));
            }
            let now = standing.placed();
            if standing.open_batches() > 0 || last != Some(now) {
                (last, since) = (Some(now), Instant::now());
            }
            // No gateway commits any more. A moment without waiting messages then proves that all of it was done,
            // although messages of other sales keep arriving.
            if since.elapsed() >= self.quiet && self.until_done().await? {
                let after = self.standing().await?;
                if after.placed() == now && after.open_batches() == 0 {
                    return Ok(after);
                }
            }
            if Instant::now() >= deadline {
                let (messages, open) = (standing.backlog.messages, standing.open_batches());
                return Err(NotRebuilt::NotQuiet { messages, open });
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Whether there was a moment without unfinished messages. If the backlog is unknown, the quiet period must
    /// suffice.
    async fn until_done(&self) -> Result<bool, ClientError> {
        let mut repairs = RepairServiceClient::new(self.sides.worker.clone());
        for _look in 0..BACKLOG_LOOKS {
            let backlog = repairs.get_backlog(v1::GetBacklogRequest {}).await?.into_inner();
            if !backlog.known || backlog.messages == 0 {
                return Ok(true);
            }
            sleep(BACKLOG_INTERVAL).await;
        }
        Ok(false)
    }

    /// Restores all pages: the next page is fetched while the one before is put into the ledger.
    async fn restore(&self, generation: u32) -> Result<u64, ClientError> {
        let (mut orders, mut page) = (0, self.page(0).await?);
        loop {
            let v1::ListOutcomesResponse { batches, next_order_id } = page;
            orders += batches.iter().map(|batch| self.orders_in(batch)).sum::<u64>();
            let fetching = async {
                if next_order_id == 0 { Ok(None) } else { self.page(next_order_id).await.map(Some) }
            };
            let (next, restored) = tokio::join!(fetching, self.put(generation, batches));
            restored?;
            match next? {
                Some(next) => page = next,
                None => return Ok(orders),
            }
        }
    }

    fn orders_in(&self, batch: &v1::BatchOutcome) -> u64 {
        let of_sale = |order: &&v1::OrderOutcome| {
            order.intent.as_ref().is_some_and(|intent| intent.sale_id == self.sale.get())
        };
        u64::try_from(batch.orders.iter().filter(of_sale).count()).unwrap_or(u64::MAX)
    }

    async fn page(&self, after_order_id: u64) -> Result<v1::ListOutcomesResponse, ClientError> {
        let (sale_id, orders_max) = (self.sale.get(), PAGE_ORDERS);
        let request = v1::ListOutcomesRequest { sale_id, after_order_id, orders_max };
        Ok(self.order_store().list_outcomes(request).await?.into_inner())
    }

    async fn put(&self, generation: u32, batches: Vec<v1::BatchOutcome>) -> Result<(), ClientError> {
        if batches.is_empty() {
            return Ok(());
        }
        let request = v1::RestoreBatchesRequest { sale_id: self.sale.get(), generation, batches };
        self.ledger().restore_batches(request).await?;
        Ok(())
    }

    fn ledger(&self) -> LedgerServiceClient<G> {
        ledger_client(self.sides.gateway.clone())
    }

    fn order_store(&self) -> OrderStoreServiceClient<W> {
        order_store_client(self.sides.worker.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(in_store: &str, in_ledger: Option<&str>, may_sell: bool) -> Option<String> {
        let sale = v1::Sale { state: in_store.to_owned(), ..v1::Sale::default() };
        let snapshot = |state: &str| v1::LedgerSnapshot { state: state.to_owned(), ..Default::default() };
        let ledger = in_ledger.map(snapshot);
        let (store, backlog) = (v1::StoreSnapshot::default(), v1::GetBacklogResponse::default());
        RebuildStatus { sale, ledger, store, backlog }.refusal(may_sell)
    }

    #[test]
    fn a_sale_that_sells_or_is_prepared_is_rebuilt_only_if_it_may_be_paused() {
        for state in ["active", "prepared"] {
            assert_eq!(refusal("preheated", Some(state), true), None, "{state}");
            assert!(refusal("preheated", Some(state), false).is_some(), "{state}");
        }
    }

    #[test]
    fn a_sale_that_is_closed_or_was_never_preheated_is_not_rebuilt() {
        assert!(refusal("preheated", Some("closed"), true).is_some());
        assert!(refusal("preheating", Some("prepared"), true).is_some());
        assert!(refusal("preheating", None, true).is_some());
    }

    #[test]
    fn a_sale_that_is_paused_or_missing_is_rebuilt() {
        assert_eq!(refusal("preheated", Some("paused"), false), None);
        assert_eq!(refusal("preheated", None, false), None);
    }
}

//! `flashgate repair rebuild`: the ledger of a paused sale, built anew from the orders, while other sales go on.
//!
//! 1. Wait until the order workers have done every committed batch, and nothing of the sale is open in the ledger.
//! 2. The order store registers the next generation. From here on no gateway takes the old ledger for the sale.
//! 3. The ledger gets the sale, stopped and with nothing sold, and then every batch that the store has decided.
//! 4. The sale goes on, if as much is left in the ledger as in the store. If a batch came in between, once more from 3.
//!
//! Whoever is stopped in the middle begins anew: the sale is paused until the end. A sale that sells, and has lost some
//! units to nobody, is paused first (`--pause`).

use std::time::Duration;

use clap::Args;
use flashgate_audit::Sides;
use flashgate_domain::SaleId;
use flashgate_proto::v1::{
    self, books_service_client::BooksServiceClient, ledger_service_client::LedgerServiceClient,
    repair_service_client::RepairServiceClient, sale_service_client::SaleServiceClient,
};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tonic::{Code, transport::Channel};

use super::{answer::failed, audit::SideArgs, repair::ApplyArgs};
use crate::{exit::Failed, time};

/// How often both sides are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often the backlog is looked at when everything else is quiet, and how often in a row.
const BACKLOG_INTERVAL: Duration = Duration::from_millis(20);
const BACKLOG_LOOKS: u32 = 200;
/// How many orders a page has.
const PAGE_ORDERS: u32 = 4_000;
/// How often the pages are gone through, if batches keep coming.
const PASSES_MAX: u32 = 10;
/// The longest answer that is read: a page of the longest orders.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which sale to rebuild.
#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Also if it sells: it is paused first
    #[arg(long)]
    pause: bool,
    /// The orders must not have changed for so long: longer than a gateway goes on committing
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = time::parse)]
    quiet: Duration,
    /// Wait for at most so long until they are
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time::parse)]
    wait: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

/// What a rebuild finds and does.
#[derive(Clone, Debug, Serialize)]
struct RebuildView {
    sale_id: String,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_id: Option<String>,
    /// Before: `missing` or `paused`.
    ledger: String,
    open_batches: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog_messages: Option<u64>,
    generation: u32,
    saleable: u64,
    orders: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_orders: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl RebuildView {
    fn table(&self) -> String {
        let Self { sale_id, ledger, generation, saleable, orders, open_batches, .. } = self;
        let backlog = self.backlog_messages.map_or_else(|| "not known".to_owned(), |count| count.to_string());
        let found = format!(
            "sale {sale_id}: {ledger} in the ledger, generation {generation}\n\
             order store: {orders} orders, {saleable} units left; messages that wait: {backlog}; open batches: \
             {open_batches}"
        );
        match (self.restored_orders, self.seconds) {
            (Some(restored), Some(seconds)) => {
                format!("{found}\nrebuilt from {restored} orders in {seconds:.1} s; the sale goes on")
            }
            _ => format!("{found}\na dry run: nothing was done; --apply does it"),
        }
    }
}

/// Where the sale stands on both sides.
struct Standing {
    sale: v1::Sale,
    /// `None`: the ledger does not have it.
    ledger: Option<v1::LedgerSnapshot>,
    books: v1::SaleBooks,
    backlog: v1::GetBacklogResponse,
}

impl Standing {
    fn open_batches(&self) -> usize {
        self.ledger.as_ref().map_or(0, |snapshot| snapshot.open.len())
    }

    fn orders(&self) -> u64 {
        let sums = self.books.orders.unwrap_or_default();
        let each = [sums.pending, sums.confirmed, sums.written_off, sums.returned];
        each.into_iter().flatten().map(|amount| amount.orders).sum()
    }

    fn view(&self) -> RebuildView {
        let ledger = self.ledger.as_ref().map_or("missing", |snapshot| snapshot.state.as_str());
        RebuildView {
            sale_id: self.sale.id.to_string(),
            applied: false,
            repair_id: None,
            ledger: ledger.to_owned(),
            open_batches: self.open_batches(),
            backlog_messages: self.backlog.known.then_some(self.backlog.messages),
            generation: self.sale.generation,
            saleable: self.books.saleable,
            orders: self.orders(),
            restored_orders: None,
            seconds: None,
        }
    }

    fn refusal(&self, may_sell: bool) -> Option<String> {
        if self.sale.state != "preheated" {
            return Some(format!("the sale is {} in the order store, not preheated", self.sale.state));
        }
        match &self.ledger {
            Some(snapshot) if snapshot.state == "active" && may_sell => None,
            Some(snapshot) if snapshot.state != "paused" => {
                Some(format!("the sale is {} in the ledger, neither paused nor missing", snapshot.state))
            }
            Some(_) | None => None,
        }
    }
}

impl RebuildArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let sides = self.sides.connect().await?;
        let standing = self.standing(&sides).await?;
        if let Some(why) = standing.refusal(self.pause) {
            return Err(Failed::Refused(why));
        }
        let mut view = standing.view();
        if self.apply.apply {
            let started = Instant::now();
            let before = standing.view().table();
            let record = self.apply.begin(&sides.worker, "rebuild", self.sale.get(), &before).await?;
            view.repair_id = Some(record.id.to_string());
            let rebuilt = self.rebuild(&sides).await;
            let after = match &rebuilt {
                Ok((generation, orders)) => format!("generation {generation}, from {orders} orders"),
                Err(why) => format!("failed: {why}"),
            };
            record.end(&after).await?;
            let (generation, orders) = rebuilt?;
            (view.applied, view.generation, view.restored_orders) = (true, generation, Some(orders));
            view.seconds = Some(started.elapsed().as_secs_f64());
        }
        self.sides.call.print(&view, RebuildView::table)
    }

    async fn standing(&self, sides: &Sides) -> Result<Standing, Failed> {
        let sale_id = self.sale.get();
        let sale =
            SaleServiceClient::new(sides.worker.clone()).get_sale(v1::GetSaleRequest { sale_id }).await;
        let sale = sale.map_err(|status| failed(&status))?.into_inner();
        let ledger = ledger_client(&sides.gateway).snapshot_sale(v1::SnapshotSaleRequest { sale_id }).await;
        let ledger = match ledger {
            Ok(snapshot) => Some(snapshot.into_inner()),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => return Err(failed(&status)),
        };
        let request = v1::SumSaleRequest { sale_id, batch_ids: Vec::new() };
        let books = books_client(&sides.worker).sum_sale(request).await;
        let books = books.map_err(|status| failed(&status))?.into_inner();
        let backlog =
            RepairServiceClient::new(sides.worker.clone()).get_backlog(v1::GetBacklogRequest {}).await;
        let backlog = backlog.map_err(|status| failed(&status))?.into_inner();
        Ok(Standing { sale, ledger, books, backlog })
    }

    /// Rebuilds the sale. Its generation then, and how many orders were restored.
    async fn rebuild(&self, sides: &Sides) -> Result<(u32, u64), Failed> {
        let sale_id = self.sale.get();
        if self.pause {
            let paused = ledger_client(&sides.gateway).pause_sale(v1::PauseSaleRequest { sale_id }).await;
            paused.map_err(|status| failed(&status))?;
        }
        let standing = self.until_quiet(sides).await?;
        let request = v1::NextGenerationRequest { sale_id, generation: standing.sale.generation };
        let next = RepairServiceClient::new(sides.worker.clone()).next_generation(request).await;
        let sale = next.map_err(|status| failed(&status))?.into_inner();
        let generation = sale.generation;
        let begin = v1::BeginRebuildRequest { sale: Some(sale) };
        ledger_client(&sides.gateway).begin_rebuild(begin).await.map_err(|status| failed(&status))?;
        let mut left = (0, 0);
        for _pass in 0..PASSES_MAX {
            let orders = self.restore(sides, generation).await?;
            // Read after the pages: what they did not hold makes a difference, and is in the next pass.
            let saleable = self.standing(sides).await?.books.saleable;
            let request = v1::EndRebuildRequest { sale_id, generation, saleable };
            let ended = ledger_client(&sides.gateway).end_rebuild(request).await;
            let ended = ended.map_err(|status| failed(&status))?.into_inner();
            if ended.ended {
                return Ok((generation, orders));
            }
            left = (ended.available, saleable);
        }
        let (ledger, store) = left;
        Err(Failed::Failed(format!(
            "from the orders {ledger} units are left, and the sale's row has {store}: look at it by `flashgate audit`"
        )))
    }

    /// Waits until every committed batch is applied, nothing of the sale is open, and its orders stay as they are.
    async fn until_quiet(&self, sides: &Sides) -> Result<Standing, Failed> {
        let deadline = Instant::now() + self.wait;
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let standing = self.standing(sides).await?;
            if let Some(why) = standing.refusal(false) {
                return Err(Failed::Refused(why));
            }
            let now = (standing.orders(), standing.books.saleable);
            if standing.open_batches() > 0 || last != Some(now) {
                (last, since) = (Some(now), Instant::now());
            }
            // No gateway commits any more. A moment in which nothing waits then proves that all of it was done,
            // although messages of other sales keep coming.
            if since.elapsed() >= self.quiet && until_done(sides).await? {
                let after = self.standing(sides).await?;
                if (after.orders(), after.books.saleable) == now && after.open_batches() == 0 {
                    return Ok(after);
                }
            }
            if Instant::now() >= deadline {
                return Err(Failed::Unavailable(format!(
                    "the orders are still coming: {} messages wait, {} batches are open (re-drive them)",
                    standing.backlog.messages,
                    standing.open_batches()
                )));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Goes through all pages: the next one is fetched while the one before is put into the ledger.
    async fn restore(&self, sides: &Sides, generation: u32) -> Result<u64, Failed> {
        let (mut orders, mut page) = (0, self.page(sides, 0).await?);
        loop {
            let v1::ListOutcomesResponse { batches, next_order_id } = page;
            orders += batches.iter().map(|batch| self.orders_in(batch)).sum::<u64>();
            let fetching = async {
                if next_order_id == 0 { Ok(None) } else { self.page(sides, next_order_id).await.map(Some) }
            };
            let (next, restored) = tokio::join!(fetching, self.put(sides, generation, batches));
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

    async fn page(&self, sides: &Sides, after_order_id: u64) -> Result<v1::ListOutcomesResponse, Failed> {
        let request =
            v1::ListOutcomesRequest { sale_id: self.sale.get(), after_order_id, orders_max: PAGE_ORDERS };
        let page = books_client(&sides.worker).list_outcomes(request).await;
        Ok(page.map_err(|status| failed(&status))?.into_inner())
    }

    async fn put(
        &self,
        sides: &Sides,
        generation: u32,
        batches: Vec<v1::BatchOutcome>,
    ) -> Result<(), Failed> {
        if batches.is_empty() {
            return Ok(());
        }
        let request = v1::RestoreBatchesRequest { sale_id: self.sale.get(), generation, batches };
        let restored = ledger_client(&sides.gateway).restore_batches(request).await;
        restored.map(drop).map_err(|status| failed(&status))
    }
}

/// Whether there was a moment in which the workers had done everything. Where nobody knows, the quiet must do.
async fn until_done(sides: &Sides) -> Result<bool, Failed> {
    let mut repairs = RepairServiceClient::new(sides.worker.clone());
    for _look in 0..BACKLOG_LOOKS {
        let backlog =
            repairs.get_backlog(v1::GetBacklogRequest {}).await.map_err(|status| failed(&status))?;
        let backlog = backlog.into_inner();
        if !backlog.known || backlog.messages == 0 {
            return Ok(true);
        }
        sleep(BACKLOG_INTERVAL).await;
    }
    Ok(false)
}

fn ledger_client(gateway: &Channel) -> LedgerServiceClient<Channel> {
    LedgerServiceClient::new(gateway.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

fn books_client(worker: &Channel) -> BooksServiceClient<Channel> {
    BooksServiceClient::new(worker.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

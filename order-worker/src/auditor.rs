//! The audit in the background: this worker's own store against the ledger behind a gateway, sale by sale.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_audit::{GatewayLedger, Plan, SideFault, StoreSide, examine};
use flashgate_domain::{
    BatchId, BatchOutcome, SaleId, SaleState,
    audit::{DecidedBatch, Finding, Report, StoreBooks, Verdict},
};
use metrics::{counter, gauge, histogram};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::AuditConfig,
    store::{BatchPage, OrderStore, SALE_PAGE_MAX, SalePage, StoreFault},
};

/// Audits every sale that is on sale, again and again.
pub(crate) struct Auditor {
    ledger: GatewayLedger,
    store: OwnBooks,
    plan: Plan,
    period: Duration,
    /// The gauges that were set: one that no finding moves any longer goes back to 0.
    told: HashSet<(SaleId, &'static str)>,
}

impl Auditor {
    /// `None` if the configuration names no gateway.
    ///
    /// # Errors
    /// `audit.gateway_url` is no URL.
    pub(crate) fn new(
        config: &AuditConfig,
        store: Arc<dyn OrderStore>,
    ) -> Result<Option<Self>, tonic::transport::Error> {
        let Some(url) = &config.gateway_url else { return Ok(None) };
        let ledger = GatewayLedger::new(url, config.timeout())?;
        let plan = Plan { age: config.age(), ..Plan::default() };
        let (store, period) = (OwnBooks(store), config.period());
        Ok(Some(Self { ledger, store, plan, period, told: HashSet::new() }))
    }

    /// Audits until `leave`.
    pub(crate) async fn run(mut self, leave: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = leave.cancelled() => return,
                () = sleep(self.period) => {}
            }
            tokio::select! {
                biased;
                () = leave.cancelled() => return,
                () = self.audit_all() => {}
            }
        }
    }

    async fn audit_all(&mut self) {
        let mut page = SalePage { after_id: 0, size: SALE_PAGE_MAX, states: vec![SaleState::Preheated] };
        loop {
            let sales = match self.store.0.sales(&page).await {
                Ok(sales) => sales,
                Err(fault) => return warn!(%fault, "the sales to audit are not known"),
            };
            let Some(last) = sales.last() else { return };
            page.after_id = last.id.get();
            for sale in &sales {
                self.audit(sale.id).await;
            }
        }
    }

    async fn audit(&mut self, sale: SaleId) {
        let started = Instant::now();
        let examined = examine(sale, &self.ledger, &self.store, &self.plan).await;
        histogram!("flashgate_worker_audit_seconds").record(started.elapsed().as_secs_f64());
        let verdict = match &examined {
            Ok(Some(report)) => {
                self.tell(report);
                report.verdict().as_str()
            }
            Ok(None) => return,
            Err(fault) => {
                warn!(sale_id = %sale, %fault, "an audit could not be made");
                "failed"
            }
        };
        counter!("flashgate_worker_audits_total", "verdict" => verdict).increment(1);
    }

    fn tell(&mut self, report: &Report) {
        let sale = report.sale;
        match report.verdict() {
            Verdict::Agrees => {}
            Verdict::ToRedrive => warn!(sale_id = %sale, "some batches are open for too long"),
            Verdict::Differs => error!(sale_id = %sale, "ledger and order store differ"),
        }
        for finding in &report.findings {
            let batch = finding.batch().map(|batch| batch.to_string()).unwrap_or_default();
            info!(sale_id = %sale, kind = finding.name(), batch, "audit: {finding}");
            self.told.insert((sale, finding.name()));
        }
        for (_sale, kind) in self.told.iter().filter(|(told, _kind)| *told == sale) {
            let of_kind = report.findings.iter().filter(|finding| finding.name() == *kind);
            let units: u64 = of_kind.map(units).fold(0, u64::saturating_add);
            let units = f64::from(u32::try_from(units).unwrap_or(u32::MAX));
            gauge!("flashgate_worker_audit_units", "sale" => sale.to_string(), "finding" => *kind).set(units);
        }
    }
}

/// At least 1: a finding without units, such as a sale that is missing, is one all the same.
fn units(finding: &Finding) -> u64 {
    finding.units().max(1)
}

/// This worker's own store.
struct OwnBooks(Arc<dyn OrderStore>);

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(fault: StoreFault) -> SideFault {
    SideFault::Unavailable { side: "the order store", why: fault.to_string() }
}

#[async_trait]
impl StoreSide for OwnBooks {
    async fn books(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreBooks>, SideFault> {
        self.0.books(sale, asked).await.map_err(unavailable)
    }

    async fn batches(
        &self,
        sale: SaleId,
        before: Option<BatchId>,
        size: u32,
    ) -> Result<Vec<DecidedBatch>, SideFault> {
        let page = BatchPage { sale, before: before.map(BatchId::base), size };
        self.0.batches(&page).await.map_err(unavailable)
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, SideFault> {
        self.0.outcome(batch).await.map_err(unavailable)
    }
}

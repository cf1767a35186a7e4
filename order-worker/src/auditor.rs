//! The background audit: this worker's own store against the ledger behind a gateway, sale by sale.

use std::{
    collections::{BTreeSet, HashSet},
    num::NonZeroU64,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, SaleId, SaleState,
    audit::{BuyerUnits, DecidedBatch, Finding, Report, StoreSnapshot, Verdict},
};
use flashgate_operations::{
    audit::{LedgerSide, Plan, SideError, StoreSide, examine},
    client::GatewayLedger,
};
use flashgate_order_store::{BatchPage, BuyerPage, OrderStore, SALE_PAGE_MAX, SalePage, StoreError};
use metrics::{counter, gauge, histogram};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::AuditConfig;

/// Closed sales are audited, and the holdings of buyers compared, in every tenth round: closed sales change little, and
/// holdings take long.
const THOROUGH_EVERY: u64 = 10;

/// Audits every live sale in each round; closed sales, and the holdings of buyers, in every tenth round; a sale with
/// findings, and its holdings, in each round.
pub(crate) struct Auditor {
    ledger: Arc<dyn LedgerSide>,
    store: OwnStore,
    plan: Plan,
    period: Duration,
    /// The gauges that are not 0: a gauge without a finding is set back to 0.
    told: HashSet<(SaleId, &'static str)>,
    round: u64,
    is_thorough: bool,
}

impl Auditor {
    /// `None` if the configuration has no gateway URL.
    ///
    /// # Errors
    /// `audit.gateway_url` is not a URL.
    pub(crate) fn new(
        config: &AuditConfig,
        store: Arc<dyn OrderStore>,
    ) -> Result<Option<Self>, tonic::transport::Error> {
        let Some(url) = &config.gateway_url else { return Ok(None) };
        let millis = |millis: NonZeroU64| Duration::from_millis(millis.get());
        let ledger = Arc::new(GatewayLedger::new(url, millis(config.timeout_ms))?);
        let plan = Plan { age: millis(config.age_ms), ..Plan::default() };
        Ok(Some(Self::of(ledger, store, plan, millis(config.interval_ms))))
    }

    fn of(ledger: Arc<dyn LedgerSide>, store: Arc<dyn OrderStore>, plan: Plan, period: Duration) -> Self {
        Self {
            ledger,
            store: OwnStore(store),
            plan,
            period,
            told: HashSet::new(),
            round: 0,
            is_thorough: true,
        }
    }

    /// Audits until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(self.period)).await.is_some() {
            shutdown.run_until_cancelled(self.audit_all()).await;
        }
    }

    async fn audit_all(&mut self) {
        let mut states = vec![SaleState::Preheated];
        self.is_thorough = self.round.is_multiple_of(THOROUGH_EVERY);
        if self.is_thorough {
            states.push(SaleState::Closed);
        }
        self.round += 1;
        let mut page = SalePage { after_id: 0, size: SALE_PAGE_MAX, states };
        let mut audited = BTreeSet::new();
        loop {
            let sales = match self.store.0.sales(&page).await {
                Ok(sales) => sales,
                Err(fault) => return warn!(error = %fault, "listing sales for the audit failed"),
            };
            let Some(last) = sales.last() else { break };
            page.after_id = last.id.get();
            for sale in &sales {
                self.audit(sale.id).await;
                audited.insert(sale.id);
            }
        }
        let told: BTreeSet<SaleId> = self.told.iter().map(|(sale, _kind)| *sale).collect();
        for sale in told.difference(&audited) {
            self.audit(*sale).await;
        }
    }

    async fn audit(&mut self, sale: SaleId) {
        let started = Instant::now();
        // A finding that is not checked again would look repaired.
        let was_found = self.told.iter().any(|(told, _kind)| *told == sale);
        let plan = Plan { holdings: self.is_thorough || was_found, ..self.plan };
        let examined = examine(sale, &*self.ledger, &self.store, &plan).await;
        histogram!("flashgate_worker_audit_seconds").record(started.elapsed().as_secs_f64());
        let verdict = match &examined {
            Ok(Some(report)) => {
                self.tell(report);
                report.verdict().as_str()
            }
            // No ledger needs the sale, so there is nothing to audit.
            Ok(None) => return self.show(sale, &[]),
            Err(fault) => {
                warn!(sale_id = %sale, error = %fault, "audit failed");
                "failed"
            }
        };
        counter!("flashgate_worker_audits_total", "verdict" => verdict).increment(1);
    }

    fn tell(&mut self, report: &Report) {
        let sale = report.sale;
        match report.verdict() {
            Verdict::Agrees => {}
            Verdict::ToRedrive => warn!(sale_id = %sale, "audit: some batches are stuck"),
            Verdict::Differs => error!(sale_id = %sale, "ledger and order store differ"),
        }
        for finding in &report.findings {
            let batch = finding.batch().map(|batch| batch.to_string()).unwrap_or_default();
            info!(sale_id = %sale, kind = finding.name(), batch, "audit: {finding}");
        }
        self.show(sale, &report.findings);
    }

    /// Sets the gauges of the sale: those of `findings` to their units, and those set before to 0.
    fn show(&mut self, sale: SaleId, findings: &[Finding]) {
        self.told.extend(findings.iter().map(|finding| (sale, finding.name())));
        self.told.retain(|(told, kind)| {
            if *told != sale {
                return true;
            }
            let of_kind = findings.iter().filter(|finding| finding.name() == *kind);
            let units: u64 = of_kind.map(units).fold(0, u64::saturating_add);
            let shown = f64::from(u32::try_from(units).unwrap_or(u32::MAX));
            gauge!("flashgate_worker_audit_units", "sale" => sale.to_string(), "finding" => *kind).set(shown);
            units > 0
        });
    }
}

/// At least 1: a finding without units, such as a missing sale, still counts.
fn units(finding: &Finding) -> u64 {
    finding.units().max(1)
}

/// This worker's own store.
struct OwnStore(Arc<dyn OrderStore>);

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(fault: StoreError) -> SideError {
    SideError::Unavailable { side: "the order store", why: fault.to_string() }
}

#[async_trait]
impl StoreSide for OwnStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, SideError> {
        self.0.snapshot(sale, asked).await.map_err(unavailable)
    }

    async fn batches(
        &self,
        sale: SaleId,
        before: Option<BatchId>,
        size: u32,
    ) -> Result<Vec<DecidedBatch>, SideError> {
        let page = BatchPage { sale, before: before.map(BatchId::base), size };
        self.0.batches(&page).await.map_err(unavailable)
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, SideError> {
        self.0.outcome(batch).await.map_err(unavailable)
    }

    async fn buyers(
        &self,
        sale: SaleId,
        after: Option<&BuyerId>,
        size: u32,
    ) -> Result<Vec<BuyerUnits>, SideError> {
        let page = BuyerPage { sale, after: after.cloned(), size };
        self.0.buyers(&page).await.map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use flashgate_domain::{BatchId, BuyerDigest, Intent, OrderId, SaleId, Totals, audit::LedgerSnapshot};
    use flashgate_operations::audit::{LedgerSide, LogTrace, OrderMark, Plan, SideError};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tempfile::TempDir;

    use super::{Auditor, THOROUGH_EVERY};
    use flashgate_order_store::{
        OrderStore,
        contract::{
            Broken,
            scene::{NOW, draft, singles},
        },
    };
    use flashgate_order_store_sqlite::{SqliteSettings, SqliteStore};

    /// A ledger with ten units of every sale, minus leaked units and units sold one by one.
    #[derive(Default)]
    struct Ledger {
        leaked: AtomicI64,
        asked: AtomicUsize,
        sold: u32,
        /// The holdings of buyers were deleted for the sold units.
        forgets: AtomicBool,
        compared: AtomicUsize,
    }

    #[async_trait]
    impl LedgerSide for Ledger {
        async fn snapshot(&self, _sale: SaleId) -> Result<Option<LedgerSnapshot>, SideError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let available = 10 - i64::from(self.sold) - self.leaked.load(Ordering::Relaxed);
            let sold = u64::from(self.sold);
            let totals = Totals { initial: 10, deducted: sold, available, ..Totals::default() };
            let snapshot = LedgerSnapshot { generation: 1, totals, ..LedgerSnapshot::default() };
            Ok(Some(LedgerSnapshot { keys: sold, buyers: sold, ..snapshot }))
        }

        async fn trace(&self, _sale: SaleId, _batches: &[BatchId]) -> Result<Vec<LogTrace>, SideError> {
            Ok(Vec::new())
        }

        async fn orders(&self, _batch: BatchId) -> Result<Vec<OrderMark>, SideError> {
            Ok(Vec::new())
        }

        async fn purchase(&self, _intent: &Intent) -> Result<Option<OrderId>, SideError> {
            Ok(None)
        }

        async fn holdings(&self, _sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, SideError> {
            self.compared.fetch_add(1, Ordering::Relaxed);
            Ok(vec![u64::from(!self.forgets.load(Ordering::Relaxed)); buyers.len()])
        }
    }

    async fn preheated(folder: &TempDir) -> Result<(Arc<dyn OrderStore>, SaleId), Broken> {
        let store = SqliteStore::open(folder.path().join("store"), SqliteSettings::default()).await?;
        let store: Arc<dyn OrderStore> = Arc::new(store);
        let sale = store.create_sale(&draft("A thing", 10)?, NOW).await?.id;
        store.preheat_sale(sale, NOW).await?;
        store.confirm_preheat(sale, 1, NOW).await?;
        Ok((store, sale))
    }

    #[tokio::test]
    async fn holdings_are_compared_now_and_then_and_in_each_round_while_something_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (store, sale) = preheated(&folder).await.unwrap();
        store.apply(&[singles(1, sale, 3).unwrap()], NOW).await.unwrap();
        let ledger = Arc::new(Ledger { sold: 3, ..Ledger::default() });
        let plan = Plan { looks: 2, pause: std::time::Duration::ZERO, ..Plan::default() };
        let mut auditor = Auditor::of(ledger.clone(), store, plan, std::time::Duration::from_secs(60));
        for _round in 0..2 * THOROUGH_EVERY {
            auditor.audit_all().await;
        }
        let compared = || ledger.compared.swap(0, Ordering::Relaxed);
        assert_eq!(compared(), 2);
        ledger.forgets.store(true, Ordering::Relaxed);
        for round in 0..3 {
            auditor.audit_all().await;
            assert_eq!(compared(), 2, "twice in round {round}, since they differ");
        }
        ledger.forgets.store(false, Ordering::Relaxed);
        for round in [1, 0] {
            auditor.audit_all().await;
            assert_eq!(compared(), round, "until nothing is found");
        }
    }

    #[tokio::test]
    async fn a_closed_sale_is_audited_now_and_then_and_in_each_round_while_something_is_found() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let _recording = metrics::set_default_local_recorder(&recorder);
        let folder = tempfile::tempdir().unwrap();
        let (store, sale) = preheated(&folder).await.unwrap();

        let ledger = Arc::new(Ledger::default());
        let plan = Plan { looks: 2, pause: std::time::Duration::ZERO, ..Plan::default() };
        let period = std::time::Duration::from_secs(60);
        let mut auditor = Auditor::of(ledger.clone(), Arc::clone(&store), plan, period);
        let gauge = || {
            let name = format!("flashgate_worker_audit_units{{sale=\"{sale}\",finding=\"leaked\"}} ");
            let shown = metrics.render();
            let found = shown.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned));
            found.map(|value| value.parse::<u64>().unwrap())
        };
        auditor.audit_all().await;
        assert_eq!(gauge(), None);
        ledger.leaked.store(3, Ordering::Relaxed);
        auditor.audit_all().await;
        assert_eq!(gauge(), Some(3));

        store.close_sale(sale, NOW).await.unwrap();
        ledger.leaked.store(2, Ordering::Relaxed);
        auditor.audit_all().await;
        assert_eq!(gauge(), Some(2), "it is closed, and still looked at");
        ledger.leaked.store(0, Ordering::Relaxed);
        auditor.audit_all().await;
        assert_eq!(gauge(), Some(0), "it never keeps its last value");

        let before = ledger.asked.load(Ordering::Relaxed);
        for _round in 0..THOROUGH_EVERY {
            auditor.audit_all().await;
        }
        assert_eq!(ledger.asked.load(Ordering::Relaxed) - before, 1, "once in so many rounds");
    }
}

//! The reports of an audit.

use flashgate_domain::{
    SaleId,
    audit::{Finding, Report, Verdict},
};
use serde::Serialize;

use crate::audit::SideError;

/// The reports of one round.
#[derive(Clone, Debug, Serialize)]
pub struct AuditView {
    /// The worst verdict of all sales: `agrees`, `to_redrive`, `failed` or `differs`.
    pub verdict: &'static str,
    /// The audited sales.
    pub sales: Vec<SaleReportView>,
    /// Sales that could not be audited; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedSaleView>,
}

/// A sale that could not be audited.
#[derive(Clone, Debug, Serialize)]
pub struct FailedSaleView {
    /// The sale.
    pub sale_id: String,
    /// The cause.
    pub error: String,
}

/// The report about one sale.
#[derive(Clone, Debug, Serialize)]
pub struct SaleReportView {
    /// The sale.
    pub sale_id: String,
    /// `agrees`, `to_redrive` or `differs`.
    pub verdict: &'static str,
    /// Units left in the ledger; `null` if it does not have the sale.
    pub available: Option<i64>,
    /// Units left in the order store.
    pub saleable: u64,
    /// Orders in the order store.
    pub orders: u64,
    /// Open batches within the maximum age.
    pub in_flight: InFlightView,
    /// The findings.
    pub findings: Vec<FindingView>,
}

/// Open batches within the maximum age.
#[derive(Clone, Debug, Serialize)]
pub struct InFlightView {
    /// The number of batches.
    pub batches: u64,
    /// Their orders.
    pub orders: u64,
    /// Their units.
    pub units: u64,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    /// Its stable name.
    pub kind: &'static str,
    /// The number of units concerned.
    pub units: u64,
    /// The number of buyers, for findings about holdings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyers: Option<u64>,
    /// The batch at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// Further batches, or orders, of the finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// For a batch to re-drive: whether only its settlement is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<bool>,
    /// One sentence.
    pub text: String,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        let (mut named, mut is_decided) = (Vec::new(), None);
        match finding {
            Finding::Leaked { suspects, .. } => named.extend(suspects.iter().map(ToString::to_string)),
            Finding::ChangedBatch { orders, .. } => named.extend(orders.iter().map(ToString::to_string)),
            Finding::ToRedrive { decided, .. } => is_decided = Some(*decided),
            Finding::Phantom { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::ReturnsDue { .. }
            | Finding::RestocksDue { .. }
            | Finding::ReturnedTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => {}
        }
        Self {
            kind: finding.name(),
            units: finding.units(),
            buyers: finding.buyers(),
            batch_id: finding.batch().map(|batch| batch.to_string()),
            named,
            decided: is_decided,
            text: finding.to_string(),
        }
    }
}

impl From<&Report> for SaleReportView {
    fn from(report: &Report) -> Self {
        Self {
            sale_id: report.sale.to_string(),
            verdict: report.verdict().as_str(),
            available: report.available,
            saleable: report.saleable,
            orders: report.orders,
            in_flight: InFlightView {
                batches: report.in_flight_batches,
                orders: report.in_flight.orders,
                units: report.in_flight.units,
            },
            findings: report.findings.iter().map(FindingView::from).collect(),
        }
    }
}

impl AuditView {
    /// The view of the reports, and of the sales without one.
    pub fn new(reports: &[Report], failed: &[(SaleId, SideError)]) -> Self {
        let failed_view = |(sale, error): &(SaleId, SideError)| FailedSaleView {
            sale_id: sale.to_string(),
            error: error.to_string(),
        };
        let verdict = match worst(reports) {
            Verdict::Agrees | Verdict::ToRedrive if !failed.is_empty() => "failed",
            worst @ (Verdict::Agrees | Verdict::ToRedrive | Verdict::Differs) => worst.as_str(),
        };
        Self {
            verdict,
            sales: reports.iter().map(SaleReportView::from).collect(),
            failed: failed.iter().map(failed_view).collect(),
        }
    }
}

/// The worst verdict of the reports.
pub fn worst(reports: &[Report]) -> Verdict {
    reports.iter().map(Report::verdict).max().unwrap_or(Verdict::Agrees)
}

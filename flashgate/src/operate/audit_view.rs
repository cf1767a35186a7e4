//! Reports of an audit, for people and for programs.

use std::fmt::Display;

use comfy_table::{Table, presets};
use flashgate_domain::{
    SaleId,
    audit::{Finding, Report, Verdict},
};
use flashgate_output::exit::Failed;
use serde::Serialize;

use super::audit::heed;

/// All reports of one round.
#[derive(Debug, Serialize)]
pub(super) struct AuditView {
    verdict: &'static str,
    sales: Vec<SaleReport>,
    /// Sales that could not be audited; not there without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedSale>,
    #[serde(skip)]
    worst: Verdict,
}

#[derive(Debug, Serialize)]
struct FailedSale {
    sale_id: String,
    error: String,
    #[serde(skip)]
    why: Failed,
}

#[derive(Clone, Debug, Serialize)]
struct SaleReport {
    sale_id: String,
    verdict: &'static str,
    available: Option<i64>,
    saleable: u64,
    orders: u64,
    in_flight: InFlight,
    findings: Vec<FindingView>,
}

#[derive(Clone, Debug, Serialize)]
struct InFlight {
    batches: u64,
    orders: u64,
    units: u64,
}

#[derive(Clone, Debug, Serialize)]
struct FindingView {
    kind: &'static str,
    units: u64,
    /// Of what buyers hold: how many buyers.
    #[serde(skip_serializing_if = "Option::is_none")]
    buyers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<String>,
    /// Batches, or orders, that are named besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    named: Vec<String>,
    /// Of a batch to re-drive: whether only its settlement is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<bool>,
    text: String,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        let named = match finding {
            Finding::Leaked { suspects, .. } => suspects.iter().map(ToString::to_string).collect(),
            Finding::ChangedBatch { orders, .. } => orders.iter().map(ToString::to_string).collect(),
            Finding::ToRedrive { .. }
            | Finding::Phantom { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => Vec::new(),
        };
        let decided = match finding {
            Finding::ToRedrive { decided, .. } => Some(*decided),
            Finding::Leaked { .. }
            | Finding::ChangedBatch { .. }
            | Finding::Phantom { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => None,
        };
        let batch_id = finding.batch().map(|batch| batch.to_string());
        let (kind, units, text) = (finding.name(), finding.units(), finding.to_string());
        Self { kind, units, buyers: finding.buyers(), batch_id, named, decided, text }
    }
}

/// How a command ends that could not audit so many sales, `first` before the others.
pub(super) fn not_audited(sales: usize, first: impl Display, why: Failed) -> Failed {
    why.reworded(|why| match sales {
        1 => format!("sale {first} could not be audited: {why}"),
        _ => format!("{sales} sales could not be audited, sale {first} first: {why}"),
    })
}

impl AuditView {
    /// What the reports say, and of which sales there is none.
    pub(super) fn of(reports: &[Report], failed: Vec<(SaleId, Failed)>) -> Self {
        let sale = |report: &Report| SaleReport {
            sale_id: report.sale.to_string(),
            verdict: report.verdict().as_str(),
            available: report.available,
            saleable: report.saleable,
            orders: report.orders,
            in_flight: InFlight {
                batches: report.in_flight_batches,
                orders: report.in_flight.orders,
                units: report.in_flight.units,
            },
            findings: report.findings.iter().map(FindingView::from).collect(),
        };
        let worst = reports.iter().map(Report::verdict).max().unwrap_or(Verdict::Agrees);
        let verdict = match worst {
            Verdict::Agrees | Verdict::ToRedrive if !failed.is_empty() => "failed",
            Verdict::Agrees | Verdict::ToRedrive | Verdict::Differs => worst.as_str(),
        };
        let failed = failed.into_iter().map(|(sale, why)| FailedSale {
            sale_id: sale.to_string(),
            error: why.to_string(),
            why,
        });
        Self { verdict, sales: reports.iter().map(sale).collect(), failed: failed.collect(), worst }
    }

    /// How the command ends: the worst of all sales counts. A difference is certain; of a sale that could not be
    /// audited, anything may be true; batches that are open for too long are only late.
    pub(super) fn end(self) -> Result<(), Failed> {
        let (worst, sales) = (self.worst, self.failed.len());
        match (worst, self.failed.into_iter().next()) {
            (Verdict::Agrees | Verdict::ToRedrive, Some(first)) => {
                Err(not_audited(sales, &first.sale_id, first.why))
            }
            (Verdict::Agrees | Verdict::ToRedrive | Verdict::Differs, _) => heed(worst),
        }
    }

    /// One line a sale, and one a finding.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "SALE",
            "VERDICT",
            "LEDGER",
            "STORE",
            "ORDERS",
            "IN FLIGHT",
            "FINDING",
            "BATCH",
            "",
        ]);
        for sale in &self.sales {
            let in_flight = format!("{} in {}", sale.in_flight.orders, sale.in_flight.batches);
            table.add_row([
                sale.sale_id.clone(),
                sale.verdict.to_owned(),
                sale.available.map_or_else(|| "-".to_owned(), |units| units.to_string()),
                sale.saleable.to_string(),
                sale.orders.to_string(),
                in_flight,
            ]);
            for finding in &sale.findings {
                let mut row = vec![String::new(); 6];
                row.push(finding.kind.to_owned());
                row.push(finding.batch_id.clone().unwrap_or_default());
                row.push(finding.text.clone());
                table.add_row(row);
            }
        }
        for sale in &self.failed {
            let mut row = vec![sale.sale_id.clone(), "failed".to_owned()];
            row.resize(8, String::new());
            row.push(sale.error.clone());
            table.add_row(row);
        }
        format!("{}\n{}", table.trim_fmt(), self.verdict)
    }
}

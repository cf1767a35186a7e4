//! An audit of every sale: a sale that cannot be audited does not hide the others.

use flashgate_domain::{SaleId, audit::Report};

use super::{LedgerSide, Plan, SideError, StoreSide, examine};

/// The result of an audit of several sales.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The reports, in the order of the sales. A sale that needs no ledger has none.
    pub reports: Vec<Report>,
    /// The sales that could not be audited, with the errors.
    pub failed: Vec<(SaleId, SideError)>,
}

/// Audits `sales`, each independently.
pub async fn examine_all(
    sales: Vec<SaleId>,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    plan: &Plan,
) -> Round {
    let mut round = Round::default();
    for sale in sales {
        match examine(sale, ledger, store, plan).await {
            Ok(report) => round.reports.extend(report),
            Err(error) => round.failed.push((sale, error)),
        }
    }
    round
}

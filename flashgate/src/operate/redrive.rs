//! `flashgate repair re-drive`: batches that are open for too long.
//!
//! One that the order store has decided is settled: its outcome is published again. One that it has not is decided:
//! its message is sent again, from the deduction log. Both can be done twice without harm.
use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use flashgate_domain::{BatchId, SaleId};
use flashgate_operations::{
    audit::{Plan, SideError, examine_all},
    client::Sides,
    repair::{Stuck, redrive, redrive::record},
    view::RedriveView,
};
use flashgate_output::{exit::CliError, time};

use super::{
    answer::failed,
    audit::{SideArgs, Which, all_sales, not_audited},
    repair::ApplyArgs,
    table,
};

/// Which batches to re-drive.
#[derive(Clone, Debug, Args)]
pub struct RedriveArgs {
    /// A sale, or `all`
    #[arg(long, value_name = "ID|all", default_value = "all")]
    sale: Which,
    /// Age at which an open batch counts as stuck
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    older_than: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

impl RedriveArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let sides = self.sides.connect().await?;
        let (mut batches, failed) = self.stuck(&sides).await?;
        let mut repair_id = None;
        if self.apply.apply && !batches.is_empty() {
            repair_id = Some(self.redrive(&sides, &mut batches).await?);
        }
        let view = RedriveView::new(self.apply.apply, repair_id, &batches);
        self.sides.call.print(&view, table::repair::redrive)?;
        let sales = failed.len();
        let first = failed.into_iter().next();
        first.map_or(Ok(()), |(sale, why)| Err(not_audited(sales, sale, &why)))
    }

    /// The batches, by id: one that holds units of several sales is told once. And the sales that could not be audited:
    /// the batches of the others are re-driven all the same.
    async fn stuck(&self, sides: &Sides) -> Result<(Vec<Stuck>, Vec<(SaleId, SideError)>), CliError> {
        let sales = match self.sale {
            Which::One(sale) => vec![sale],
            Which::All => all_sales(&sides.worker).await?,
        };
        let plan = Plan { age: self.older_than, ..Plan::default() };
        let round = examine_all(sales, &sides.ledger(), &sides.store(), &plan).await;
        let mut found: BTreeMap<BatchId, Stuck> = BTreeMap::new();
        for stuck in round.reports.iter().flat_map(Stuck::of) {
            found.entry(stuck.batch).or_insert(stuck);
        }
        Ok((found.into_values().collect(), round.failed))
    }

    /// Re-drives the batches, and records the result of each.
    async fn redrive(&self, sides: &Sides, batches: &mut [Stuck]) -> Result<u64, CliError> {
        let sale = match self.sale {
            Which::One(sale) => Some(sale),
            Which::All => None,
        };
        let repair = self.apply.begin(&sides.worker, "re_drive", sale, &record(batches)).await?;
        let id = repair.id;
        let redriven = redrive(sides, batches).await;
        repair.end(&record(batches)).await.map_err(failed)?;
        redriven.map(|()| id).map_err(failed)
    }
}

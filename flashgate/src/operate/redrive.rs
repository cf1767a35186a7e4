//! `flashgate repair re-drive`: batches that are open for too long.
//!
//! One that the order store has decided is settled: its outcome is published again. One that it has not is decided:
//! its message is sent again, from the deduction log. Both can be done twice without harm.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use clap::Args;
use flashgate_domain::{BatchId, SaleId};
use flashgate_operations::{
    client::Sides,
    repair::{Stuck, redrive},
};
use flashgate_output::{exit::Failed, time};

use super::{
    answer::failed,
    audit::{SideArgs, Which, all_sales, audit_one},
    audit_view::not_audited,
    repair::ApplyArgs,
    repair_view::RedriveView,
};

/// Which batches to re-drive.
#[derive(Clone, Debug, Args)]
pub struct RedriveArgs {
    /// Of a sale, or of all
    #[arg(long, value_name = "ID|all", default_value = "all")]
    sale: Which,
    /// Only batches that are open for longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    older_than: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

impl RedriveArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let sides = self.sides.connect().await?;
        let (mut batches, failed) = self.stuck(&sides).await?;
        let mut repair_id = None;
        if self.apply.apply && !batches.is_empty() {
            repair_id = Some(self.redrive(&sides, &mut batches).await?);
        }
        let view = RedriveView::new(self.apply.apply, repair_id, &batches);
        self.sides.call.print(&view, RedriveView::table)?;
        let sales = failed.len();
        failed.into_iter().next().map_or(Ok(()), |(sale, why)| Err(not_audited(sales, sale, why)))
    }

    /// The batches, by id: one that holds units of several sales is told once. And the sales that could not be audited:
    /// the batches of the others are re-driven all the same.
    async fn stuck(&self, sides: &Sides) -> Result<(Vec<Stuck>, Vec<(SaleId, Failed)>), Failed> {
        let sales = match self.sale {
            Which::One(sale) => vec![sale],
            Which::All => all_sales(&sides.worker).await?,
        };
        let mut found: BTreeMap<BatchId, Stuck> = BTreeMap::new();
        let mut failed = Vec::new();
        for sale in sales {
            match audit_one(sides, sale, self.older_than).await {
                Ok(report) => {
                    for stuck in report.iter().flat_map(Stuck::of) {
                        found.entry(stuck.batch).or_insert(stuck);
                    }
                }
                Err(why) => failed.push((sale, why)),
            }
        }
        Ok((found.into_values().collect(), failed))
    }

    /// Re-drives the batches, and writes down what became of each.
    async fn redrive(&self, sides: &Sides, batches: &mut [Stuck]) -> Result<u64, Failed> {
        let sale_id = match self.sale {
            Which::One(sale) => sale.get(),
            Which::All => 0,
        };
        let record = self.apply.begin(&sides.worker, "re_drive", sale_id, &told(batches)).await?;
        let id = record.id;
        let redriven = redrive(sides, batches).await;
        record.end(&told(batches)).await?;
        redriven.map(|()| id).map_err(|status| failed(&status))
    }
}

/// One line a batch, for the record.
fn told(batches: &[Stuck]) -> String {
    let mut text = String::new();
    for Stuck { batch, sale, amount, decided, result } in batches {
        let (orders, units) = (amount.orders, amount.units);
        let state = if *decided { "decided" } else { "not decided" };
        let result = result.as_deref().map(|result| format!(": {result}")).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{batch} sale {sale}, {orders} orders, {units} units, {state}{result}");
    }
    text
}

//! `flashgate repair re-drive`: batches that are open for too long.
//!
//! One that the order store has decided is settled: its outcome is published again. One that it has not is decided:
//! its message is sent again, from the deduction log. Both can be done twice without harm.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use clap::Args;
use flashgate_domain::{
    BatchId, SaleId,
    audit::{Amount, Finding},
};
use flashgate_proto::v1::{
    self, ledger_service_client::LedgerServiceClient, repair_service_client::RepairServiceClient,
};

use super::{
    answer::failed,
    audit::{SideArgs, Sides, Which, all_sales, audit_one},
    repair::ApplyArgs,
    repair_view::{RedriveView, RedrivenBatch},
};
use crate::{exit::Failed, time};

/// How many batches one call asks for.
const BATCHES_MAX: usize = 100;

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

/// A batch that is open for too long.
struct Stuck {
    sale: SaleId,
    amount: Amount,
    decided: bool,
}

impl RedriveArgs {
    /// Does what the command says.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let sides = self.sides.connect().await?;
        let stuck = self.stuck(&sides).await?;
        let mut batches: Vec<RedrivenBatch> = stuck.iter().map(|(batch, stuck)| row(*batch, stuck)).collect();
        let mut repair_id = None;
        if self.apply.apply && !batches.is_empty() {
            repair_id = Some(self.redrive(&sides, &mut batches).await?);
        }
        let view = RedriveView::new(self.apply.apply, repair_id, batches);
        self.sides.call.print(&view, RedriveView::table)
    }

    /// The batches, by id: one that holds units of several sales is told once.
    async fn stuck(&self, sides: &Sides) -> Result<BTreeMap<BatchId, Stuck>, Failed> {
        let sales = match self.sale {
            Which::One(sale) => vec![sale],
            Which::All => all_sales(&sides.worker).await?,
        };
        let mut found = BTreeMap::new();
        for sale in sales {
            let report = audit_one(sides, sale, self.older_than).await?;
            for finding in report.into_iter().flat_map(|report| report.findings) {
                if let Finding::ToRedrive { batch, amount, decided, .. } = finding {
                    found.entry(batch).or_insert(Stuck { sale, amount, decided });
                }
            }
        }
        Ok(found)
    }

    /// Re-drives the batches, and tells in each what became of it.
    async fn redrive(&self, sides: &Sides, batches: &mut [RedrivenBatch]) -> Result<u64, Failed> {
        let sale_id = match self.sale {
            Which::One(sale) => sale.get(),
            Which::All => 0,
        };
        let before = told(batches);
        let record = self.apply.begin(&sides.worker, "re_drive", sale_id, &before).await?;
        let id = record.id;
        let mut failure = None;
        for chunk in batches.chunks_mut(BATCHES_MAX) {
            if let Err(why) = redrive_some(sides, chunk).await {
                failure = Some(why);
                break;
            }
        }
        record.end(&told(batches)).await?;
        failure.map_or(Ok(id), Err)
    }
}

async fn redrive_some(sides: &Sides, batches: &mut [RedrivenBatch]) -> Result<(), Failed> {
    for decided in [true, false] {
        let mut ours: Vec<&mut RedrivenBatch> =
            batches.iter_mut().filter(|batch| batch.decided == decided).collect();
        if ours.is_empty() {
            continue;
        }
        let batch_ids = ours.iter().map(|batch| batch.id.to_bytes().to_vec()).collect();
        let results = if decided {
            let request = v1::AnnounceAgainRequest { batch_ids };
            let answer = RepairServiceClient::new(sides.worker.clone()).announce_again(request).await;
            answer.map_err(|status| failed(&status))?.into_inner().results
        } else {
            let request = v1::SendAgainRequest { batch_ids };
            let answer = LedgerServiceClient::new(sides.gateway.clone()).send_again(request).await;
            answer.map_err(|status| failed(&status))?.into_inner().results
        };
        for (batch, result) in ours.iter_mut().zip(results) {
            batch.result = Some(result);
        }
    }
    Ok(())
}

fn row(id: BatchId, stuck: &Stuck) -> RedrivenBatch {
    RedrivenBatch {
        id,
        batch_id: id.to_string(),
        sale_id: stuck.sale.to_string(),
        orders: stuck.amount.orders,
        units: stuck.amount.units,
        decided: stuck.decided,
        result: None,
    }
}

/// One line a batch, for the record.
fn told(batches: &[RedrivenBatch]) -> String {
    let mut text = String::new();
    for batch in batches {
        let RedrivenBatch { batch_id, sale_id, orders, units, decided, result, .. } = batch;
        let state = if *decided { "decided" } else { "not decided" };
        let result = result.as_deref().map(|result| format!(": {result}")).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{batch_id} sale {sale_id}, {orders} orders, {units} units, {state}{result}");
    }
    text
}

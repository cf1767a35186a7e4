//! Re-drive: batches that are open for too long are settled or decided.
//!
//! A batch that the order store has decided is settled: a worker republishes its outcome. An undecided batch is
//! decided: a gateway resends its message, from the deduction log. Both are idempotent, across operators, and
//! harmless to a batch that is in flight.

use std::fmt::Write;

use flashgate_domain::{
    BatchId, SaleId,
    audit::{Amount, Finding, Report},
};
use flashgate_proto::v1::{
    self, ledger_service_client::LedgerServiceClient, repair_service_client::RepairServiceClient,
};

use crate::client::{Carrier, ClientError, Sides, grpc::bytes};

/// Maximum batches of one call.
const BATCHES_MAX: usize = 100;

/// A batch that is open for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The batch.
    pub batch: BatchId,
    /// The sale whose audit found it; the batch may hold units of other sales.
    pub sale: SaleId,
    /// The orders and units that it holds of the sale.
    pub amount: Amount,
    /// Whether the order store has decided it.
    pub decided: bool,
    /// The result, as the called process returned it; `None` before the call.
    pub result: Option<String>,
}

impl Stuck {
    /// The batches that an audit found.
    pub fn of(report: &Report) -> impl Iterator<Item = Self> {
        report.findings.iter().filter_map(|finding| {
            let Finding::ToRedrive { batch, amount, decided, .. } = finding else { return None };
            let (batch, amount, decided) = (*batch, *amount, *decided);
            Some(Self { batch, sale: report.sale, amount, decided, result: None })
        })
    }
}

/// Re-drives the batches, and sets the result of each.
///
/// # Errors
/// The side that did not answer. Batches without a result were skipped, or their result is unknown.
pub async fn redrive<G: Carrier, W: Carrier>(
    sides: &Sides<G, W>,
    batches: &mut [Stuck],
) -> Result<(), ClientError> {
    for chunk in batches.chunks_mut(BATCHES_MAX) {
        for decided in [true, false] {
            let ours: Vec<&mut Stuck> = chunk.iter_mut().filter(|stuck| stuck.decided == decided).collect();
            let ids: Vec<BatchId> = ours.iter().map(|stuck| stuck.batch).collect();
            let results = match decided {
                _ if ids.is_empty() => continue,
                true => settle(&sides.worker, &ids).await?,
                false => decide(&sides.gateway, &ids).await?,
            };
            for (stuck, result) in ours.into_iter().zip(results) {
                stuck.result = Some(result);
            }
        }
    }
    Ok(())
}

/// Makes a worker republish the outcomes of decided batches; returns the result of each.
pub(crate) async fn settle<W: Carrier>(worker: &W, batches: &[BatchId]) -> Result<Vec<String>, ClientError> {
    let request = v1::RepublishOutcomesRequest { batch_ids: bytes(batches) };
    let answer = RepairServiceClient::new(worker.clone()).republish_outcomes(request).await?;
    Ok(answer.into_inner().results)
}

/// Makes a gateway resend the messages of open batches; returns the result of each.
async fn decide<G: Carrier>(gateway: &G, batches: &[BatchId]) -> Result<Vec<String>, ClientError> {
    let request = v1::ResendBatchesRequest { batch_ids: bytes(batches) };
    let answer = LedgerServiceClient::new(gateway.clone()).resend_batches(request).await?;
    Ok(answer.into_inner().results)
}

/// One line per batch, for the record of the repair.
pub fn record(batches: &[Stuck]) -> String {
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

//! The ledger for operators and auditors, over gRPC: decodes requests, calls the ledger, encodes answers.

use std::sync::Arc;

use flashgate_domain::{
    BuyerDigest, Decision, OrderState, Refusal, SaleId,
    audit::{LedgerStep, LostEntry, Sums},
    id::ShardCount,
};
use flashgate_ledger::{
    Compensated, IntentResult, Ledger, LedgerError, LogEntry, OpenBatch, Rebuilding, Rebuilt, Restored,
    Snapshot,
};
use flashgate_proto::{
    body,
    order::mark_message,
    snapshot,
    v1::{self, ledger_service_server::LedgerService},
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, batch_ids, invalid, required, sale_id},
};
use futures::{StreamExt, TryStreamExt, stream};
use tonic::{Request, Response};
use tracing::{error, info, warn};

use crate::{
    outcomes::redrive::{Redrive, Sent},
    sales::{
        belonging::{self, Stranger},
        registry::{self, Registry},
    },
};

/// Maximum batches of one request.
const BATCHES_MAX: usize = 1_000;
/// Maximum concurrent look-ups of one request: they must not crowd out the buyers' calls.
const LOOK_UPS_MAX: usize = 8;
/// Maximum buyers of one request. The ledger reads them in one step.
const BUYERS_MAX: usize = 1_000;

/// The operator interface of the ledger, which all gateways share.
pub struct LedgerServiceImpl {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Has the identity that the ledger must have.
    pub registry: Arc<dyn Registry>,
    /// The number of the ledger's shards.
    pub shards: ShardCount,
    /// Re-drives batches.
    pub redrive: Redrive,
}

#[tonic::async_trait]
impl LedgerService for LedgerServiceImpl {
    async fn snapshot_sale(
        &self,
        request: Request<v1::SnapshotSaleRequest>,
    ) -> GrpcResult<v1::LedgerSnapshot> {
        let sale = sale_id(request.into_inner().sale_id)?;
        let snapshot = self.ledger.snapshot(sale).await.map_err(failure)?;
        let snapshot = snapshot.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        Ok(Response::new(snapshot_message(snapshot)))
    }

    async fn trace_batches(
        &self,
        request: Request<v1::TraceBatchesRequest>,
    ) -> GrpcResult<v1::TraceBatchesResponse> {
        let v1::TraceBatchesRequest { sale_id: number, batch_ids: ids, with_orders } = request.into_inner();
        let (sale, batches) = (sale_id(number)?, batch_ids(&ids, BATCHES_MAX)?);
        let looked = stream::iter(batches).map(|batch| async move {
            let entry = self.ledger.entry(batch).await.map_err(failure)?;
            Ok::<_, ApiError>(
                entry.map_or_else(v1::BatchTrace::default, |entry| trace_message(&entry, sale, with_orders)),
            )
        });
        let traces = looked.buffered(LOOK_UPS_MAX).try_collect().await?;
        Ok(Response::new(v1::TraceBatchesResponse { traces }))
    }

    async fn find_purchase(
        &self,
        request: Request<v1::FindPurchaseRequest>,
    ) -> GrpcResult<v1::FindPurchaseResponse> {
        let intent = body::intent(required("intent", request.into_inner().intent)?);
        let intent = intent.map_err(invalid("intent"))?;
        let screened = self.ledger.screen(intent.sale().shard(self.shards), &[intent]).await;
        let answers = screened.map_err(failure)?.results;
        let order_id = match answers.first() {
            Some(IntentResult::Replay(order)) => order.to_string(),
            Some(_) | None => String::new(),
        };
        Ok(Response::new(v1::FindPurchaseResponse { order_id }))
    }

    async fn get_holdings(
        &self,
        request: Request<v1::GetHoldingsRequest>,
    ) -> GrpcResult<v1::GetHoldingsResponse> {
        let v1::GetHoldingsRequest { sale_id: number, buyer_digests } = request.into_inner();
        let (sale, buyers) = (sale_id(number)?, buyers_of(buyer_digests)?);
        let units = self.ledger.holdings(sale, &buyers).await.map_err(failure)?;
        Ok(Response::new(v1::GetHoldingsResponse { units }))
    }

    async fn resend_batches(
        &self,
        request: Request<v1::ResendBatchesRequest>,
    ) -> GrpcResult<v1::ResendBatchesResponse> {
        let mut results = Vec::new();
        // Sequential: each is a half-message, and buyers' batches continue meanwhile.
        for batch in batch_ids(&request.into_inner().batch_ids, BATCHES_MAX)? {
            let sent = match self.redrive.send(batch).await {
                Ok(sent) => sent,
                // Concerns this batch only: the results of the others are still returned.
                Err(fault) if fault.is_refusal() => {
                    warn!(batch_id = %batch, code = fault.code(), error = %fault, "reading the message to re-drive failed");
                    Sent::Failed
                }
                Err(fault) => return Err(failure(fault).into()),
            };
            results.push(sent.as_str().to_owned());
        }
        Ok(Response::new(v1::ResendBatchesResponse { results }))
    }

    async fn pause_sale(&self, request: Request<v1::PauseSaleRequest>) -> GrpcResult<v1::PauseSaleResponse> {
        let sale = sale_id(request.into_inner().sale_id)?;
        self.ledger.pause(sale).await.map_err(failure)?;
        warn!(sale_id = %sale, "sale paused by an operator");
        Ok(Response::new(v1::PauseSaleResponse {}))
    }

    async fn begin_rebuild(
        &self,
        request: Request<v1::BeginRebuildRequest>,
    ) -> GrpcResult<v1::BeginRebuildResponse> {
        let sale = required("sale", request.into_inner().sale)?;
        let sale = registry::grpc::sale(sale).map_err(invalid("sale"))?;
        let shard = sale.id.shard(self.shards);
        belonging::adopt(&*self.ledger, &*self.registry, shard).await.map_err(stranger)?;
        let begun = self.ledger.begin_rebuild(&sale).await.map_err(failure)?;
        let why = match begun {
            Rebuilding::Begun => {
                info!(sale_id = %sale.id, generation = sale.generation, "rebuild of the sale in the ledger started");
                return Ok(Response::new(v1::BeginRebuildResponse {}));
            }
            Rebuilding::NotStopped { state } => format!("the sale is {} in the ledger", state.as_str()),
            Rebuilding::OtherGeneration { generation } => format!("the ledger has generation {generation}"),
            Rebuilding::Open { orders } => format!("{orders} of its orders are not settled: re-drive them"),
        };
        Err(ApiError::NotRebuildable { why: why.into() }.into())
    }

    async fn restore_batches(
        &self,
        request: Request<v1::RestoreBatchesRequest>,
    ) -> GrpcResult<v1::RestoreBatchesResponse> {
        let v1::RestoreBatchesRequest { sale_id: number, generation, batches } = request.into_inner();
        let sale = sale_id(number)?;
        let outcomes = batches.into_iter().map(body::batch_outcome).collect::<Result<Vec<_>, _>>();
        let outcomes = outcomes.map_err(invalid("batches"))?;
        let restoring = stream::iter(outcomes).map(|outcome| async move {
            match self.ledger.restore(sale, generation, &outcome).await.map_err(failure)? {
                Restored::Done => Ok(()),
                Restored::Missing => {
                    Err(ApiError::NotRebuildable { why: "the sale is not being rebuilt".into() })
                }
            }
        });
        let () = restoring.buffer_unordered(LOOK_UPS_MAX).try_collect().await?;
        Ok(Response::new(v1::RestoreBatchesResponse {}))
    }

    async fn end_rebuild(
        &self,
        request: Request<v1::EndRebuildRequest>,
    ) -> GrpcResult<v1::EndRebuildResponse> {
        let v1::EndRebuildRequest { sale_id: number, generation, saleable } = request.into_inner();
        let sale = sale_id(number)?;
        let left =
            i64::try_from(saleable).map_err(|_range| ApiError::malformed("saleable", "is too large"))?;
        let why = match self.ledger.end_rebuild(sale, generation, left).await.map_err(failure)? {
            Rebuilt::Done { state } => {
                info!(sale_id = %sale, generation, state = state.as_str(), "sale rebuilt in the ledger");
                return Ok(Response::new(v1::EndRebuildResponse { ended: true, available: left }));
            }
            Rebuilt::Differs { available } => {
                return Ok(Response::new(v1::EndRebuildResponse { ended: false, available }));
            }
            Rebuilt::Incomplete => {
                "what buyers hold, or the keys of orders, are not as many as were written: rebuild it again"
                    .to_owned()
            }
            Rebuilt::Missing => "the ledger does not have the sale".to_owned(),
            Rebuilt::OtherGeneration { generation } => format!("the ledger has generation {generation}"),
        };
        Err(ApiError::NotRebuildable { why: why.into() }.into())
    }

    async fn compensate_ledger(
        &self,
        request: Request<v1::CompensateLedgerRequest>,
    ) -> GrpcResult<v1::CompensateLedgerResponse> {
        let v1::CompensateLedgerRequest { sale_id: number, generation, adjustments, in_ledger, across } =
            request.into_inner();
        let (sale, step) = (sale_id(number)?, LedgerStep { generation, adjustments, in_ledger, across });
        let response = match self.ledger.compensate(sale, &step).await.map_err(failure)? {
            Compensated::Done { stock, deferred_units } => {
                warn!(sale_id = %sale, ?step, available = stock.available, deferred_units, "compensating step applied");
                let available = stock.available;
                v1::CompensateLedgerResponse {
                    result: "done".to_owned(),
                    available,
                    deferred_units,
                    ..Default::default()
                }
            }
            Compensated::Conflict { generation, adjustments, in_ledger } => v1::CompensateLedgerResponse {
                result: "conflict".to_owned(),
                generation,
                adjustments,
                in_ledger,
                ..Default::default()
            },
            Compensated::Missing => return Err(ApiError::Refused(Refusal::SaleNotFound).into()),
        };
        Ok(Response::new(response))
    }
}

fn buyers_of(fields: Vec<Vec<u8>>) -> Result<Vec<BuyerDigest>, ApiError> {
    if fields.len() > BUYERS_MAX {
        return Err(ApiError::malformed("buyer_digests", format!("must be at most {BUYERS_MAX}")));
    }
    let digest = |bytes: Vec<u8>| {
        let digest = bytes.try_into().map(BuyerDigest);
        digest.map_err(|_length| ApiError::malformed("buyer_digests", "must be 16 bytes each"))
    };
    fields.into_iter().map(digest).collect()
}

/// Maps a ledger fault to the error for the caller.
fn failure(fault: LedgerError) -> ApiError {
    match fault {
        LedgerError::Unreachable(_)
        | LedgerError::NoAnswer(_)
        | LedgerError::Refused(_)
        | LedgerError::OtherLedger { .. } => {
            warn!(code = fault.code(), error = %fault, "operator query on the ledger failed");
            ApiError::Refused(Refusal::LedgerUnavailable)
        }
        LedgerError::UnknownReply { .. } => {
            error!(code = fault.code(), error = %fault, "operator query on the ledger failed; a retry cannot help");
            ApiError::Internal
        }
    }
}

/// Maps an identity mismatch to the error for the caller.
fn stranger(stranger: Stranger) -> ApiError {
    match stranger {
        Stranger::Ledger(fault) => failure(fault),
        Stranger::Registry(fault) => {
            warn!(code = fault.code(), error = %fault, "reading the registered ledger from the order worker failed");
            ApiError::WorkerUnavailable
        }
        other @ (Stranger::OtherStore { .. } | Stranger::OtherLedger { .. } | Stranger::Lost { .. }) => {
            ApiError::NotRebuildable { why: other.to_string().into() }
        }
    }
}

fn snapshot_message(snapshot: Snapshot) -> v1::LedgerSnapshot {
    let (totals, written) = (snapshot.totals, snapshot.written);
    let held = |open: OpenBatch| v1::HeldBatch {
        batch_id: open.id.to_bytes().to_vec(),
        deducted_at_ms: open.deducted_at.as_millis(),
        orders: open.amount.orders,
        units: open.amount.units,
    };
    let lost = |lost: LostEntry| v1::LostEntry {
        batch_id: lost.batch.to_bytes().to_vec(),
        deducted_at_ms: lost.deducted_at.as_millis(),
    };
    v1::LedgerSnapshot {
        state: snapshot.state.as_str().to_owned(),
        generation: snapshot.generation,
        sequence: snapshot.sequence,
        adjustments: snapshot.adjustments,
        initial: totals.initial,
        restocked: totals.restocked,
        returned: totals.returned,
        deducted: totals.deducted,
        written_off: totals.written_off,
        reclaimed: totals.reclaimed,
        released: totals.released,
        available: totals.available,
        keys: snapshot.keys,
        buyers: snapshot.buyers,
        written: Some(v1::WrittenFields { buyers: written.buyers, keys: written.keys }),
        taken_at_ms: snapshot.taken_at.as_millis(),
        open: snapshot.open.into_iter().map(held).collect(),
        lost: snapshot.lost.into_iter().map(lost).collect(),
    }
}

fn trace_message(entry: &LogEntry, sale: SaleId, with_orders: bool) -> v1::BatchTrace {
    let mut sums = Sums::default();
    for order in entry.orders.iter().filter(|order| order.sale == sale) {
        sums.add(decision(order.state), 1, u64::from(order.quantity));
    }
    let told = if with_orders { entry.orders.as_slice() } else { &[] };
    v1::BatchTrace {
        status: entry.status.as_str().to_owned(),
        sums: Some(snapshot::sums_message(&sums)),
        orders: told.iter().map(|order| mark_message(order.sale, order.quantity, order.state)).collect(),
    }
}

/// The decision that made an order reach `state`; `None` while it is pending.
const fn decision(state: OrderState) -> Option<Decision> {
    match state {
        OrderState::Pending => None,
        OrderState::Cancelled(reason) => Some(Decision::Cancelled(reason)),
        OrderState::Confirmed
        | OrderState::Paid
        | OrderState::Shipped
        | OrderState::Finished
        | OrderState::Refunding(_)
        | OrderState::Refunded(_) => Some(Decision::Confirmed),
    }
}

//! Repairs: republishes outcomes, and records the actions of operators. Over gRPC.

use std::sync::Arc;

use flashgate_domain::{BatchId, Clock, OrderState, Refusal, SaleId, audit::StoreStep};
use flashgate_messaging::{Message, Publisher, Topic};
use flashgate_order_store::{
    Compensated, Correction, OrderSnapshot, OrderStore, REPAIR_PAGE_MAX, RepairDraft, RepairEvent,
    TEXT_BYTES_MAX,
};
use flashgate_proto::{
    body,
    sale::sale_message,
    v1::{self, repair_service_server::RepairService},
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, batch_ids, invalid, page_size, required, sale_id},
};
use metrics::counter;
use tonic::{Request, Response};
use tracing::{info, warn};

use super::{Backlog, sales::failure};

/// Maximum bytes of a request: a text of [`TEXT_BYTES_MAX`] and its envelope.
pub(super) const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Maximum batches of one request.
const BATCHES_MAX: usize = 1_000;
/// Default number of repairs of a page.
const PAGE_SIZE: u32 = 100;

/// The dependencies of repairs.
#[derive(Clone)]
pub struct Repairs {
    /// Stores decided batches and repair records.
    pub store: Arc<dyn OrderStore>,
    /// Publishes outcomes.
    pub publisher: Arc<dyn Publisher>,
    /// The topic of outcomes.
    pub outcomes: Topic,
    /// The time for stored rows.
    pub clock: Arc<dyn Clock>,
    /// The unfinished messages of the workers.
    pub backlog: Backlog,
}

#[tonic::async_trait]
impl RepairService for Repairs {
    async fn republish_outcomes(
        &self,
        request: Request<v1::RepublishOutcomesRequest>,
    ) -> GrpcResult<v1::RepublishOutcomesResponse> {
        let mut results = Vec::new();
        for batch in batch_ids(&request.into_inner().batch_ids, BATCHES_MAX)? {
            let announced = self.announce(batch).await?;
            results.push(if announced { "announced" } else { "not_decided" }.to_owned());
        }
        Ok(Response::new(v1::RepublishOutcomesResponse { results }))
    }

    async fn get_backlog(
        &self,
        _request: Request<v1::GetBacklogRequest>,
    ) -> GrpcResult<v1::GetBacklogResponse> {
        let messages = self.backlog.messages().await.map_err(|fault| {
            warn!(error = %fault, "reading the backlog failed");
            ApiError::Refused(Refusal::BrokerUnavailable)
        })?;
        let (known, messages) = (messages.is_some(), messages.unwrap_or(0));
        Ok(Response::new(v1::GetBacklogResponse { known, messages }))
    }

    async fn republish_returns(
        &self,
        request: Request<v1::RepublishReturnsRequest>,
    ) -> GrpcResult<v1::RepublishReturnsResponse> {
        let sale = sale_id(request.into_inner().sale_id)?;
        let events = self.store.republish_returns(sale).await.map_err(failure)?;
        info!(sale_id = %sale, events, "returns of units are published again");
        Ok(Response::new(v1::RepublishReturnsResponse { events }))
    }

    async fn next_generation(&self, request: Request<v1::NextGenerationRequest>) -> GrpcResult<v1::Sale> {
        let v1::NextGenerationRequest { sale_id: number, generation } = request.into_inner();
        let sale = sale_id(number)?;
        let next = self.store.next_generation(sale, generation, self.clock.now()).await.map_err(failure)?;
        let next = next.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        if !next.changed {
            return Err(ApiError::OtherGeneration.into());
        }
        info!(sale_id = %sale, generation = next.sale.generation, "rebuild of the sale registered");
        Ok(Response::new(sale_message(&next.sale)))
    }

    async fn compensate_store(
        &self,
        request: Request<v1::CompensateStoreRequest>,
    ) -> GrpcResult<v1::CompensateStoreResponse> {
        let v1::CompensateStoreRequest { sale_id: number, adjustments, in_store } = request.into_inner();
        let (sale, step) = (sale_id(number)?, StoreStep { adjustments, in_store });
        let done = self.store.compensate(sale, &step, self.clock.now()).await.map_err(failure)?;
        let (result, saleable, adjustments) = match done.ok_or(ApiError::Refused(Refusal::SaleNotFound))? {
            Compensated::Done { saleable, adjustments } => {
                warn!(sale_id = %sale, ?step, saleable, "compensating step applied");
                ("done", saleable, adjustments)
            }
            Compensated::Conflict { saleable, adjustments } => ("conflict", saleable, adjustments),
            Compensated::Insufficient { saleable, adjustments } => ("insufficient", saleable, adjustments),
        };
        let result = result.to_owned();
        Ok(Response::new(v1::CompensateStoreResponse { result, saleable, adjustments }))
    }

    async fn correct_order(
        &self,
        request: Request<v1::CorrectOrderRequest>,
    ) -> GrpcResult<v1::CorrectOrderResponse> {
        let correction = correction(request.into_inner())?;
        let is_done = self.store.correct_order(&correction, self.clock.now()).await.map_err(failure)?;
        if is_done {
            let Correction { order, seen, settled, .. } = correction;
            warn!(order_id = %order, ?seen, ?settled, "order corrected");
        }
        let result = if is_done { "done" } else { "conflict" }.to_owned();
        Ok(Response::new(v1::CorrectOrderResponse { result }))
    }

    async fn begin_repair(&self, request: Request<v1::BeginRepairRequest>) -> GrpcResult<v1::RepairEvent> {
        let v1::BeginRepairRequest { sale_id: number, kind, actor, reason, before } = request.into_inner();
        let sale = if number == 0 { None } else { Some(sale_id(number)?) };
        let draft = RepairDraft { sale, kind, actor, reason, before }.check();
        let draft = draft.map_err(|wrong| ApiError::malformed(wrong.field, wrong.expected))?;
        let event = self.store.begin_repair(&draft, self.clock.now()).await.map_err(failure)?;
        info!(id = event.id, kind = draft.kind, actor = draft.actor, "repair started");
        Ok(Response::new(event_message(event)))
    }

    async fn end_repair(&self, request: Request<v1::EndRepairRequest>) -> GrpcResult<v1::RepairEvent> {
        let v1::EndRepairRequest { id, after } = request.into_inner();
        if after.len() > TEXT_BYTES_MAX {
            let expected = format!("must be at most {TEXT_BYTES_MAX} bytes");
            return Err(ApiError::malformed("after", expected).into());
        }
        let event = self.store.end_repair(id, &after, self.clock.now()).await.map_err(failure)?;
        Ok(Response::new(event_message(event.ok_or(ApiError::RepairNotFound)?)))
    }

    async fn list_repairs(
        &self,
        request: Request<v1::ListRepairsRequest>,
    ) -> GrpcResult<v1::ListRepairsResponse> {
        let v1::ListRepairsRequest { before_id, page_size: asked } = request.into_inner();
        let size = page_size("page_size", asked, PAGE_SIZE, REPAIR_PAGE_MAX)?;
        let before = (before_id > 0).then_some(before_id);
        let repairs = self.store.repairs(before, size).await.map_err(failure)?;
        Ok(Response::new(v1::ListRepairsResponse {
            repairs: repairs.into_iter().map(event_message).collect(),
        }))
    }
}

impl Repairs {
    /// Publishes the outcome of the batch; `false` if it is not decided.
    async fn announce(&self, batch: BatchId) -> Result<bool, ApiError> {
        let Some(outcome) = self.store.outcome(batch).await.map_err(failure)? else { return Ok(false) };
        let identity = self.store.identity().await.map_err(failure)?;
        let message = Message::new(
            self.outcomes.clone(),
            batch.to_string(),
            body::encode_outcomes(&[outcome], identity.ledger),
        );
        self.publisher.publish(message).await.map_err(|fault| {
            counter!("flashgate_worker_publish_faults_total", "kind" => "outcomes", "code" => fault.code())
                .increment(1);
            warn!(batch_id = %batch, error = %fault, "republishing an outcome failed");
            ApiError::Refused(Refusal::BrokerUnavailable)
        })?;
        info!(batch_id = %batch, "outcome republished");
        Ok(true)
    }
}

fn correction(request: v1::CorrectOrderRequest) -> Result<Correction, ApiError> {
    let v1::CorrectOrderRequest { order_id, seen, settled } = request;
    let order = order_id.parse().map_err(invalid("order_id"))?;
    let (seen, settled) = (required("seen", seen)?, required("settled", settled)?);
    if seen.sale_id != settled.sale_id {
        return Err(ApiError::malformed("settled", "must be of the sale that was seen"));
    }
    let sale = SaleId::new(seen.sale_id).map_err(invalid("seen"))?;
    Ok(Correction { order, sale, seen: mark("seen", &seen)?, settled: mark("settled", &settled)? })
}

/// Accepts only states in which an order is decided: later states are not the ledger's.
fn mark(field: &'static str, mark: &v1::OrderMark) -> Result<OrderSnapshot, ApiError> {
    let reason = body::cancel_reason(&mark.cancel_reason)
        .map_err(|_unknown| ApiError::malformed(field, "must have a known reason"))?;
    match OrderState::from_parts(&mark.state, reason) {
        Some(state @ (OrderState::Confirmed | OrderState::Cancelled(_))) if mark.quantity > 0 => {
            Ok(OrderSnapshot { quantity: mark.quantity, state })
        }
        Some(_) | None => Err(ApiError::malformed(field, "must be an order that is confirmed or cancelled")),
    }
}

fn event_message(event: RepairEvent) -> v1::RepairEvent {
    let RepairEvent { id, draft, began_at, ended } = event;
    let (after, ended_at) = ended.unwrap_or_default();
    v1::RepairEvent {
        id,
        sale_id: draft.sale.map_or(0, SaleId::get),
        kind: draft.kind,
        actor: draft.actor,
        reason: draft.reason,
        before: draft.before,
        after,
        began_at_ms: began_at.as_millis(),
        ended_at_ms: ended_at.as_millis(),
    }
}

//! The order store for auditors, over gRPC: decodes requests, calls the store, encodes answers. Changes nothing.

use std::sync::Arc;

use flashgate_domain::{BatchId, BuyerId, OrderId, Refusal};
use flashgate_order_store::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage, SnapshotRepository,
};
use flashgate_proto::{
    body, snapshot,
    v1::{self, order_store_service_server::OrderStoreService},
};
use flashgate_service::{
    error::ApiError,
    fields::{self, GrpcResult, invalid, page_size, sale_id},
};
use tonic::{Request, Response};

use super::sales::failure;

/// Maximum bytes of a request: one for the batches of a backlog of some 100,000.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Usual orders of a page of outcomes.
const PAGE_ORDERS: u32 = 4_000;
/// Maximum orders of a page of outcomes.
const PAGE_ORDERS_MAX: u32 = 10_000;

/// The snapshot service of this worker's store.
pub struct StoreViews(Arc<dyn SnapshotRepository>);

impl StoreViews {
    /// Reads `store`.
    pub const fn new(store: Arc<dyn SnapshotRepository>) -> Self {
        Self(store)
    }
}

#[tonic::async_trait]
impl OrderStoreService for StoreViews {
    async fn snapshot_store_sale(
        &self,
        request: Request<v1::SnapshotStoreSaleRequest>,
    ) -> GrpcResult<v1::StoreSnapshot> {
        let v1::SnapshotStoreSaleRequest { sale_id: number, batch_ids } = request.into_inner();
        // As many as a message has room for.
        let asked = fields::batch_ids(&batch_ids, usize::MAX)?;
        let found = self.0.snapshot(sale_id(number)?, &asked).await.map_err(failure)?;
        let found = found.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        Ok(Response::new(snapshot::store_snapshot_message(&found)))
    }

    async fn list_batches(
        &self,
        request: Request<v1::ListBatchesRequest>,
    ) -> GrpcResult<v1::ListBatchesResponse> {
        let v1::ListBatchesRequest { sale_id: number, before_batch_id, page_size: asked } =
            request.into_inner();
        let before = match before_batch_id.as_slice() {
            [] => None,
            id => Some(batch_id("before_batch_id", id)?.base()),
        };
        let size = page_size("page_size", asked, BATCH_PAGE_MAX, BATCH_PAGE_MAX)?;
        let page = BatchPage { sale: sale_id(number)?, before, size };
        let found = self.0.batches(&page).await.map_err(failure)?;
        Ok(Response::new(snapshot::batches_message(&found)))
    }

    async fn get_outcome(
        &self,
        request: Request<v1::GetOutcomeRequest>,
    ) -> GrpcResult<v1::GetOutcomeResponse> {
        let batch = batch_id("batch_id", &request.into_inner().batch_id)?;
        let found = self.0.outcome(batch).await.map_err(failure)?;
        Ok(Response::new(v1::GetOutcomeResponse { outcome: found.as_ref().map(body::outcome_body) }))
    }

    async fn list_outcomes(
        &self,
        request: Request<v1::ListOutcomesRequest>,
    ) -> GrpcResult<v1::ListOutcomesResponse> {
        let v1::ListOutcomesRequest { sale_id: number, after_order_id, orders_max } = request.into_inner();
        let after = match after_order_id {
            0 => None,
            id => Some(OrderId::new(id).map_err(invalid("after_order_id"))?),
        };
        let orders_max = page_size("orders_max", orders_max, PAGE_ORDERS, PAGE_ORDERS_MAX)?;
        let page = OutcomePage { sale: sale_id(number)?, after, orders_max };
        let found = self.0.outcomes(&page).await.map_err(failure)?;
        let found = found.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        Ok(Response::new(v1::ListOutcomesResponse {
            batches: found.outcomes.iter().map(body::outcome_body).collect(),
            next_order_id: found.next.map_or(0, OrderId::get),
        }))
    }

    async fn list_buyers(
        &self,
        request: Request<v1::ListBuyersRequest>,
    ) -> GrpcResult<v1::ListBuyersResponse> {
        let v1::ListBuyersRequest { sale_id: number, after_buyer_id, page_size: asked } =
            request.into_inner();
        let after = match after_buyer_id.as_str() {
            "" => None,
            id => Some(BuyerId::new(id).map_err(invalid("after_buyer_id"))?),
        };
        let size = page_size("page_size", asked, BUYER_PAGE_MAX, BUYER_PAGE_MAX)?;
        let page = BuyerPage { sale: sale_id(number)?, after, size };
        let found = self.0.buyers(&page).await.map_err(failure)?;
        Ok(Response::new(snapshot::buyers_message(&found)))
    }
}

fn batch_id(field: &'static str, bytes: &[u8]) -> Result<BatchId, ApiError> {
    BatchId::from_bytes(bytes).map_err(invalid(field))
}

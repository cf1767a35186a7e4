//! The order store for auditors, over gRPC: decodes requests, calls the store, encodes answers. Changes nothing.

use std::sync::Arc;

use flashgate_domain::{BatchId, BuyerId, OrderId, Refusal, SaleId};
use flashgate_order_store::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage, SnapshotRepository,
};
use flashgate_proto::{
    body, snapshot,
    v1::{self, order_store_service_server::OrderStoreService},
};
use flashgate_service::error::ApiError;
use tonic::{Request, Response, Status};

use super::sales::failure;

/// Maximum bytes of a request: one for the batches of a backlog of some 100,000.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

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
    ) -> Result<Response<v1::StoreSnapshot>, Status> {
        let v1::SnapshotStoreSaleRequest { sale_id: number, batch_ids } = request.into_inner();
        let asked = batch_ids.iter().map(|id| batch_id("batch_ids", id)).collect::<Result<Vec<_>, _>>()?;
        let found = self.0.snapshot(sale_id(number)?, &asked).await.map_err(failure)?;
        let found = found.ok_or(ApiError::Refused(Refusal::SaleNotFound))?;
        Ok(Response::new(snapshot::store_snapshot_message(&found)))
    }

    async fn list_batches(
        &self,
        request: Request<v1::ListBatchesRequest>,
    ) -> Result<Response<v1::ListBatchesResponse>, Status> {
        let v1::ListBatchesRequest { sale_id: number, before_batch_id, page_size } = request.into_inner();
        let before = match before_batch_id.as_slice() {
            [] => None,
            id => Some(batch_id("before_batch_id", id)?.base()),
        };
        let page = BatchPage { sale: sale_id(number)?, before, size: size(page_size, BATCH_PAGE_MAX)? };
        let found = self.0.batches(&page).await.map_err(failure)?;
        Ok(Response::new(snapshot::batches_message(&found)))
    }

    async fn get_outcome(
        &self,
        request: Request<v1::GetOutcomeRequest>,
    ) -> Result<Response<v1::GetOutcomeResponse>, Status> {
        let batch = batch_id("batch_id", &request.into_inner().batch_id)?;
        let found = self.0.outcome(batch).await.map_err(failure)?;
        Ok(Response::new(v1::GetOutcomeResponse { outcome: found.as_ref().map(body::outcome_body) }))
    }

    async fn list_outcomes(
        &self,
        request: Request<v1::ListOutcomesRequest>,
    ) -> Result<Response<v1::ListOutcomesResponse>, Status> {
        let v1::ListOutcomesRequest { sale_id: number, after_order_id, orders_max } = request.into_inner();
        let after = match after_order_id {
            0 => None,
            id => Some(OrderId::new(id).map_err(|wrong| ApiError::malformed("after_order_id", wrong))?),
        };
        let (usual, most) = PAGE_ORDERS;
        let orders_max = if orders_max == 0 { usual } else { orders_max };
        if orders_max > most {
            return Err(ApiError::malformed("orders_max", format!("must be at most {most}")).into());
        }
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
    ) -> Result<Response<v1::ListBuyersResponse>, Status> {
        let v1::ListBuyersRequest { sale_id: number, after_buyer_id, page_size } = request.into_inner();
        let after = match after_buyer_id.as_str() {
            "" => None,
            id => Some(BuyerId::new(id).map_err(|wrong| ApiError::malformed("after_buyer_id", wrong))?),
        };
        let page = BuyerPage { sale: sale_id(number)?, after, size: size(page_size, BUYER_PAGE_MAX)? };
        let found = self.0.buyers(&page).await.map_err(failure)?;
        Ok(Response::new(snapshot::buyers_message(&found)))
    }
}

/// The page size for a request of `asked`: the maximum by default.
fn size(asked: u32, most: u32) -> Result<u32, ApiError> {
    match asked {
        0 => Ok(most),
        asked if asked <= most => Ok(asked),
        _ => Err(ApiError::malformed("page_size", format!("must be at most {most}"))),
    }
}

/// Default and maximum number of orders of a page of outcomes.
const PAGE_ORDERS: (u32, u32) = (4_000, 10_000);

fn sale_id(number: u64) -> Result<SaleId, ApiError> {
    SaleId::new(number).map_err(|invalid| ApiError::malformed("sale_id", invalid))
}

pub(super) fn batch_id(field: &'static str, bytes: &[u8]) -> Result<BatchId, ApiError> {
    BatchId::from_bytes(bytes).map_err(|invalid| ApiError::malformed(field, invalid))
}

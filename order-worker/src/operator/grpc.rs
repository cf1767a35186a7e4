//! Decodes and encodes gRPC; decides nothing.

use std::sync::Arc;

use axum::Router;
use flashgate_domain::{Cause, IdempotencyKey, OperatorName};
use flashgate_proto::{
    FILE_DESCRIPTOR_SET, body,
    sale::{restock_message, sale_message},
    v1::{
        self,
        dead_letter_service_server::DeadLetterServiceServer,
        order_service_server::OrderServiceServer,
        order_store_service_server::OrderStoreServiceServer,
        preheat_service_server::{PreheatService, PreheatServiceServer},
        repair_service_server::RepairServiceServer,
        sale_service_server::{SaleService, SaleServiceServer},
    },
};
use flashgate_service::{
    body::BodyLimits,
    fields::{GrpcResult, invalid, sale_id},
    messages,
};
use tonic::{Request, Response, service::Routes};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{
    dead_letters::{self, DeadLetters},
    form,
    order_store::{self, StoreViews},
    orders::OrderDesk,
    page,
    repairs::{self, Repairs},
    sales::Sales,
};
use crate::{health::Health, lifecycle::Orders, payments::Payments};

/// What the services work on.
pub struct Services {
    /// Sales.
    pub sales: Arc<Sales>,
    /// Orders.
    pub orders: Arc<Orders>,
    /// Payments of orders.
    pub payments: Arc<Payments>,
    /// Repairs.
    pub repairs: Repairs,
    /// Dead letters.
    pub dead_letters: DeadLetters,
}

/// The services, with health and reflection, as routes without a fallback; and a task that keeps health equal to
/// readiness.
///
/// # Errors
/// The descriptors of the services cannot be read: a broken build.
pub fn routes(
    services: Services,
    health: &Health,
    limits: BodyLimits,
) -> Result<(Router, impl Future<Output = ()> + Send + use<>), tonic_reflection::server::Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let message_bytes_max = limits.bytes_max;
    let Services { sales, orders, payments, repairs, dead_letters } = services;
    let desk = OrderDesk { orders, payments };
    let service = Operator(sales);
    let routes = Routes::new(health_service)
        .add_service(reflection)
        .add_service(
            OrderStoreServiceServer::new(StoreViews::new(repairs.store.clone()))
                .max_decoding_message_size(order_store::MESSAGE_BYTES_MAX),
        )
        .add_service(
            DeadLetterServiceServer::new(dead_letters)
                .max_decoding_message_size(dead_letters::MESSAGE_BYTES_MAX),
        )
        .add_service(RepairServiceServer::new(repairs).max_decoding_message_size(repairs::MESSAGE_BYTES_MAX))
        .add_service(SaleServiceServer::new(service.clone()).max_decoding_message_size(message_bytes_max))
        .add_service(PreheatServiceServer::new(service).max_decoding_message_size(message_bytes_max))
        .add_service(OrderServiceServer::new(desk).max_decoding_message_size(message_bytes_max));
    let router = messages::bounded(routes.into_axum_router().reset_fallback(), limits, &[]);
    Ok((router, report_health(reporter, health.watch())))
}

/// Keeps gRPC health equal to readiness. The empty name stands for the whole server.
async fn report_health(
    reporter: HealthReporter,
    mut condition: tokio::sync::watch::Receiver<crate::health::Condition>,
) {
    loop {
        let ready = condition.borrow_and_update().is_ready();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        if condition.changed().await.is_err() {
            return;
        }
    }
}

/// The services for sales, for operators and gateways.
#[derive(Clone)]
pub struct Operator(pub Arc<Sales>);

#[tonic::async_trait]
impl SaleService for Operator {
    async fn create_sale(&self, request: Request<v1::CreateSaleRequest>) -> GrpcResult<v1::Sale> {
        let request = request.into_inner();
        let key = match request.idempotency_key.as_str() {
            "" => None,
            key => Some(IdempotencyKey::new(key).map_err(invalid("idempotency_key"))?),
        };
        let (sale, _is_repeated) = self.0.create(key.as_ref(), &form::draft(request)?).await?;
        Ok(Response::new(sale_message(&sale)))
    }

    async fn preheat_sale(&self, request: Request<v1::PreheatSaleRequest>) -> GrpcResult<v1::Sale> {
        let sale = sale_id(request.into_inner().sale_id)?;
        Ok(Response::new(sale_message(&self.0.preheat(sale).await?)))
    }

    async fn get_sale(&self, request: Request<v1::GetSaleRequest>) -> GrpcResult<v1::Sale> {
        let sale = sale_id(request.into_inner().sale_id)?;
        Ok(Response::new(sale_message(&self.0.find(sale).await?)))
    }

    async fn list_sales(&self, request: Request<v1::ListSalesRequest>) -> GrpcResult<v1::ListSalesResponse> {
        let sales = self.0.list(&page::checked(&request.into_inner())?).await?;
        Ok(Response::new(v1::ListSalesResponse { sales: sales.iter().map(sale_message).collect() }))
    }

    async fn restock_sale(&self, request: Request<v1::RestockSaleRequest>) -> GrpcResult<v1::Sale> {
        let v1::RestockSaleRequest { sale_id: sale, units, idempotency_key, operator, cause } =
            request.into_inner();
        let key = IdempotencyKey::new(idempotency_key).map_err(invalid("idempotency_key"))?;
        let operator = OperatorName::new(operator).map_err(invalid("operator"))?;
        let cause = Cause::new(cause).map_err(invalid("cause"))?;
        let draft = form::restock(sale_id(sale)?, units, operator, cause)?;
        Ok(Response::new(sale_message(&self.0.restock(&key, &draft).await?)))
    }

    async fn list_restocks(
        &self,
        request: Request<v1::ListRestocksRequest>,
    ) -> GrpcResult<v1::ListRestocksResponse> {
        let restocks = self.0.restocks(sale_id(request.into_inner().sale_id)?).await?;
        Ok(Response::new(v1::ListRestocksResponse {
            restocks: restocks.iter().map(restock_message).collect(),
        }))
    }

    async fn close_sale(&self, request: Request<v1::CloseSaleRequest>) -> GrpcResult<v1::Sale> {
        let sale = sale_id(request.into_inner().sale_id)?;
        Ok(Response::new(sale_message(&self.0.close(sale).await?)))
    }
}

#[tonic::async_trait]
impl PreheatService for Operator {
    async fn register_ledger(
        &self,
        request: Request<v1::RegisterLedgerRequest>,
    ) -> GrpcResult<v1::StoreIdentity> {
        let ledger = body::ledger_id(&request.into_inner().ledger_id);
        let ledger = ledger.map_err(invalid("ledger_id"))?;
        let identity = self.0.register_ledger(ledger).await?;
        Ok(Response::new(v1::StoreIdentity {
            store_id: identity.store.to_bytes().to_vec(),
            ledger_id: identity.ledger.map_or_else(Vec::new, |ledger| ledger.to_bytes().to_vec()),
        }))
    }

    async fn confirm_preheat(&self, request: Request<v1::ConfirmPreheatRequest>) -> GrpcResult<v1::Sale> {
        let request = request.into_inner();
        let sale = self.0.confirm_preheat(sale_id(request.sale_id)?, request.generation).await?;
        Ok(Response::new(sale_message(&sale)))
    }
}

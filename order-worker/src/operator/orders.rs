//! Orders over gRPC: decodes and encodes; decides nothing.

use std::sync::Arc;

use flashgate_domain::{BuyerId, Cause, OperatorName, OrderId, OrderStep};
use flashgate_proto::{
    event::event_message,
    order::order_message,
    v1::{self, order_service_server::OrderService},
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, invalid},
};
use tonic::{Request, Response};

use crate::lifecycle::{By, Orders};

/// The service for orders, for operators and gateways.
#[derive(Clone)]
pub(super) struct OrderDesk(pub(super) Arc<Orders>);

#[tonic::async_trait]
impl OrderService for OrderDesk {
    async fn find_order(&self, request: Request<v1::FindOrderRequest>) -> GrpcResult<v1::Order> {
        let order = order_id(&request.into_inner().order_id)?;
        Ok(Response::new(order_message(&self.0.find(order).await?)))
    }

    async fn cancel_order(&self, request: Request<v1::CancelStoredOrderRequest>) -> GrpcResult<v1::Order> {
        let v1::CancelStoredOrderRequest { order_id: order, buyer_id, operator, cause } =
            request.into_inner();
        let by = match (buyer_id.as_str(), operator.as_str()) {
            ("", _) => By::Operator(OperatorName::new(operator).map_err(invalid("operator"))?),
            (_, "") => By::Buyer(BuyerId::new(buyer_id).map_err(invalid("buyer_id"))?),
            (_, _) => return Err(ApiError::malformed("operator", "must be empty if a buyer cancels").into()),
        };
        let cause = Cause::new(cause).map_err(invalid("cause"))?;
        let order = self.0.make(OrderStep::Cancel, order_id(&order)?, &by, &cause).await?;
        Ok(Response::new(order_message(&order)))
    }

    async fn advance_order(&self, request: Request<v1::AdvanceOrderRequest>) -> GrpcResult<v1::Order> {
        let v1::AdvanceOrderRequest { order_id: order, step, operator, cause } = request.into_inner();
        let step = OrderStep::parse(&step).filter(|step| *step != OrderStep::Cancel);
        let step = step.ok_or(ApiError::malformed("step", "must be pay, ship, finish or refund"))?;
        let by = By::Operator(OperatorName::new(operator).map_err(invalid("operator"))?);
        let cause = Cause::new(cause).map_err(invalid("cause"))?;
        Ok(Response::new(order_message(&self.0.make(step, order_id(&order)?, &by, &cause).await?)))
    }

    async fn list_order_events(
        &self,
        request: Request<v1::ListOrderEventsRequest>,
    ) -> GrpcResult<v1::ListOrderEventsResponse> {
        let events = self.0.events(order_id(&request.into_inner().order_id)?).await?;
        let events = events.iter().map(event_message).collect();
        Ok(Response::new(v1::ListOrderEventsResponse { events }))
    }
}

fn order_id(text: &str) -> Result<OrderId, ApiError> {
    text.parse().map_err(invalid("order_id"))
}

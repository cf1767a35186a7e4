//! Orders over gRPC: decodes and encodes; decides nothing.

use std::sync::Arc;

use flashgate_domain::{BuyerId, Cause, OperatorName, OrderId, OrderStep, RefundId, RefundKey, RefundRetry};
use flashgate_proto::{
    event::event_message,
    order::order_message,
    payment::{attempt_message, payment_message, refund_message},
    v1::{self, order_service_server::OrderService},
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, invalid},
    order_page,
};
use tonic::{Request, Response};

use crate::{
    lifecycle::{By, Orders},
    payments::Payments,
};

/// The service for orders, for operators and gateways.
#[derive(Clone)]
pub(super) struct OrderDesk {
    pub(super) orders: Arc<Orders>,
    pub(super) payments: Arc<Payments>,
}

#[tonic::async_trait]
impl OrderService for OrderDesk {
    async fn find_order(&self, request: Request<v1::FindOrderRequest>) -> GrpcResult<v1::Order> {
        let order = order_id(&request.into_inner().order_id)?;
        Ok(Response::new(order_message(&self.orders.find(order).await?)))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListStoredOrdersRequest>,
    ) -> GrpcResult<v1::ListStoredOrdersResponse> {
        let v1::ListStoredOrdersRequest { buyer_id, before_id, page_size } = request.into_inner();
        let buyer = BuyerId::new(buyer_id).map_err(invalid("buyer_id"))?;
        let orders = self.orders.list(&buyer, order_page::from_message(&before_id, page_size)?).await?;
        Ok(Response::new(v1::ListStoredOrdersResponse { orders: orders.iter().map(order_message).collect() }))
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
        let order = self.orders.make(OrderStep::Cancel, order_id(&order)?, &by, &cause).await?;
        Ok(Response::new(order_message(&order)))
    }

    async fn advance_order(&self, request: Request<v1::AdvanceOrderRequest>) -> GrpcResult<v1::Order> {
        let v1::AdvanceOrderRequest { order_id: order, step, operator, cause } = request.into_inner();
        let step = OrderStep::parse(&step).filter(|step| *step != OrderStep::Cancel);
        let step = step.ok_or(ApiError::malformed("step", "must be pay, ship, fail, finish or refund"))?;
        let by = By::Operator(OperatorName::new(operator).map_err(invalid("operator"))?);
        let cause = Cause::new(cause).map_err(invalid("cause"))?;
        Ok(Response::new(order_message(&self.orders.make(step, order_id(&order)?, &by, &cause).await?)))
    }

    async fn list_order_events(
        &self,
        request: Request<v1::ListOrderEventsRequest>,
    ) -> GrpcResult<v1::ListOrderEventsResponse> {
        let events = self.orders.events(order_id(&request.into_inner().order_id)?).await?;
        let events = events.iter().map(event_message).collect();
        Ok(Response::new(v1::ListOrderEventsResponse { events }))
    }

    async fn open_payment(&self, request: Request<v1::OpenStoredPaymentRequest>) -> GrpcResult<v1::Payment> {
        let v1::OpenStoredPaymentRequest { order_id: order, buyer_id } = request.into_inner();
        let buyer = BuyerId::new(buyer_id).map_err(invalid("buyer_id"))?;
        let payment = self.payments.open(order_id(&order)?, &buyer).await?;
        Ok(Response::new(payment_message(&payment)))
    }

    async fn list_payments(
        &self,
        request: Request<v1::ListPaymentsRequest>,
    ) -> GrpcResult<v1::ListPaymentsResponse> {
        let (attempts, refunds) = self.payments.list(order_id(&request.into_inner().order_id)?).await?;
        Ok(Response::new(v1::ListPaymentsResponse {
            attempts: attempts.iter().map(attempt_message).collect(),
            refunds: refunds.iter().map(refund_message).collect(),
        }))
    }

    async fn retry_refund(&self, request: Request<v1::RetryRefundRequest>) -> GrpcResult<v1::Refund> {
        let v1::RetryRefundRequest { refund_id, operator, cause } = request.into_inner();
        let by = RefundRetry {
            operator: OperatorName::new(operator).map_err(invalid("operator"))?,
            cause: Cause::new(cause).map_err(invalid("cause"))?,
        };
        let refund = self.payments.retry(refund_key(&refund_id)?, &by).await?;
        Ok(Response::new(refund_message(&refund)))
    }
}

/// The refund with this id. An id that is not one of ours is of no refund.
pub(super) fn refund_key(text: &str) -> Result<RefundKey, ApiError> {
    let id = RefundId::new(text).map_err(invalid("refund_id"))?;
    RefundKey::parse(&id).ok_or(ApiError::RefundNotFound)
}

fn order_id(text: &str) -> Result<OrderId, ApiError> {
    text.parse().map_err(invalid("order_id"))
}

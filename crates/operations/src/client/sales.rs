//! Sales and orders, through the order worker.

use std::fmt::Display;

use flashgate_domain::{
    BuyerId, Order, OrderEvent, OrderId, OrderPage, OrderStep, PaymentAttempt, Refund, RefundId, Restock,
    Sale, SaleId, SaleState,
};
use flashgate_proto::{
    event, order, payment, sale,
    v1::{self, order_service_client::OrderServiceClient, sale_service_client::SaleServiceClient},
};
use tonic::{Response, Status, transport::Channel};

use super::{Carrier, ClientError, Port};

/// Sales per call of [`preheated`](SalesClient::preheated).
const PAGE_SIZE: u32 = 1_000;

/// A client for sales, through any order worker.
#[derive(Clone, Debug)]
pub struct SalesClient<C = Channel>(SaleServiceClient<C>);

impl<C: Carrier> SalesClient<C> {
    /// Uses a connection to an order worker.
    pub fn on(worker: C) -> Self {
        Self(SaleServiceClient::new(worker))
    }

    /// Creates a sale. Idempotent if the request has an idempotency key.
    ///
    /// # Errors
    /// The call failed.
    pub async fn create(&mut self, request: v1::CreateSaleRequest) -> Result<Sale, ClientError> {
        decoded(self.0.create_sale(request).await)
    }

    /// Makes the gateways put the sale into the ledger.
    ///
    /// # Errors
    /// The call failed.
    pub async fn preheat(&mut self, sale: SaleId) -> Result<Sale, ClientError> {
        decoded(self.0.preheat_sale(v1::PreheatSaleRequest { sale_id: sale.get() }).await)
    }

    /// One sale.
    ///
    /// # Errors
    /// The call failed.
    pub async fn find(&mut self, sale: SaleId) -> Result<Sale, ClientError> {
        decoded(self.0.get_sale(v1::GetSaleRequest { sale_id: sale.get() }).await)
    }

    /// Adds units to a sale, once for each key.
    ///
    /// # Errors
    /// The call failed.
    pub async fn restock(&mut self, request: v1::RestockSaleRequest) -> Result<Sale, ClientError> {
        decoded(self.0.restock_sale(request).await)
    }

    /// The restocks of a sale, the latest first.
    ///
    /// # Errors
    /// The call failed.
    pub async fn restocks(&mut self, sale: SaleId) -> Result<Vec<Restock>, ClientError> {
        let answer = self.0.list_restocks(v1::ListRestocksRequest { sale_id: sale.get() }).await?;
        let restocks = answer.into_inner().restocks.into_iter();
        restocks.map(|message| sale::restock(message).map_err(invalid)).collect()
    }

    /// Ends the sale for good.
    ///
    /// # Errors
    /// The call failed.
    pub async fn close(&mut self, sale: SaleId) -> Result<Sale, ClientError> {
        decoded(self.0.close_sale(v1::CloseSaleRequest { sale_id: sale.get() }).await)
    }

    /// At most `size` sales with an id greater than `after`, by ascending id; only those in one of `states`, unless
    /// `states` is empty.
    ///
    /// # Errors
    /// The call failed.
    pub async fn list(
        &mut self,
        after: u64,
        size: u32,
        states: &[SaleState],
    ) -> Result<Vec<Sale>, ClientError> {
        let states = states.iter().map(|state| state.as_str().to_owned()).collect();
        let request = v1::ListSalesRequest { after_id: after, page_size: size, states };
        let page = self.0.list_sales(request).await?.into_inner().sales;
        page.into_iter().map(sale).collect()
    }

    /// Every sale that was preheated, by ascending id: the sales that a ledger has, or has had.
    ///
    /// # Errors
    /// A call failed.
    pub async fn preheated(&mut self) -> Result<Vec<SaleId>, ClientError> {
        let states = [SaleState::Preheated, SaleState::Closed];
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = self.list(after, PAGE_SIZE, &states).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.id.get();
            found.extend(page.iter().map(|sale| sale.id));
        }
    }
}

/// A client for orders, through any order worker.
#[derive(Clone, Debug)]
pub struct OrdersClient<C = Channel>(OrderServiceClient<C>);

impl<C: Carrier> OrdersClient<C> {
    /// Uses a connection to an order worker.
    pub fn on(worker: C) -> Self {
        Self(OrderServiceClient::new(worker))
    }

    /// The order as the order store has it.
    ///
    /// # Errors
    /// The call failed.
    pub async fn find(&mut self, order_id: OrderId) -> Result<Order, ClientError> {
        let request = v1::FindOrderRequest { order_id: order_id.to_string() };
        order::order(self.0.find_order(request).await?.into_inner()).map_err(invalid)
    }

    /// Orders of a buyer, newest first.
    ///
    /// # Errors
    /// The call failed.
    pub async fn list(&mut self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, ClientError> {
        let orders = self.0.list_orders(order::page_request(buyer, page)).await?.into_inner().orders;
        orders.into_iter().map(|stored| order::order(stored).map_err(invalid)).collect()
    }

    /// Makes a step with an order; one that has made it before stays as it is. Returns the order.
    ///
    /// # Errors
    /// The call failed.
    pub async fn make(
        &mut self,
        step: OrderStep,
        order_id: OrderId,
        operator: &str,
        cause: &str,
    ) -> Result<Order, ClientError> {
        let (order_id, operator, cause) = (order_id.to_string(), operator.to_owned(), cause.to_owned());
        let answer = if step == OrderStep::Cancel {
            let buyer_id = String::new();
            self.0.cancel_order(v1::CancelStoredOrderRequest { order_id, buyer_id, operator, cause }).await
        } else {
            let step = step.as_str().to_owned();
            self.0.advance_order(v1::AdvanceOrderRequest { order_id, step, operator, cause }).await
        };
        order::order(answer?.into_inner()).map_err(invalid)
    }

    /// The transitions of an order after it was placed, by ascending version.
    ///
    /// # Errors
    /// The call failed.
    pub async fn events(&mut self, order_id: OrderId) -> Result<Vec<OrderEvent>, ClientError> {
        let request = v1::ListOrderEventsRequest { order_id: order_id.to_string() };
        let events = self.0.list_order_events(request).await?.into_inner().events;
        events.into_iter().map(|event| event::event(event).map_err(invalid)).collect()
    }

    /// The payment attempts and the refunds of an order.
    ///
    /// # Errors
    /// The call failed.
    pub async fn payments(
        &mut self,
        order_id: OrderId,
    ) -> Result<(Vec<PaymentAttempt>, Vec<Refund>), ClientError> {
        let request = v1::ListPaymentsRequest { order_id: order_id.to_string() };
        let v1::ListPaymentsResponse { attempts, refunds } =
            self.0.list_payments(request).await?.into_inner();
        let attempts = attempts.into_iter().map(|attempt| payment::payment_attempt(attempt).map_err(invalid));
        let refunds = refunds.into_iter().map(|refund| payment::refund(refund).map_err(invalid));
        Ok((attempts.collect::<Result<_, _>>()?, refunds.collect::<Result<_, _>>()?))
    }

    /// Makes another refund for one that failed or was cancelled; returns the one that covers the money.
    ///
    /// # Errors
    /// The call failed.
    pub async fn retry_refund(
        &mut self,
        refund: &RefundId,
        operator: &str,
        cause: &str,
    ) -> Result<Refund, ClientError> {
        let (refund_id, operator, cause) = (refund.to_string(), operator.to_owned(), cause.to_owned());
        let request = v1::RetryRefundRequest { refund_id, operator, cause };
        payment::refund(self.0.retry_refund(request).await?.into_inner()).map_err(invalid)
    }
}

fn decoded(answer: Result<Response<v1::Sale>, Status>) -> Result<Sale, ClientError> {
    sale(answer?.into_inner())
}

fn sale(message: v1::Sale) -> Result<Sale, ClientError> {
    sale::sale(message).map_err(invalid)
}

fn invalid(error: impl Display) -> ClientError {
    ClientError::InvalidResponse { port: Port::Worker, error: error.to_string() }
}

//! The order worker as gateways call it: the worker's own code (`operator::Sales`, `lifecycle::Orders`) behind the network. Whichever
//! worker is alive answers.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::{
    BuyerId, Cause, LedgerId, Order, OrderId, OrderPage, OrderStep, Payment, Refusal, Sale, SaleId,
    SaleState, StoreIdentity,
};
use flashgate_gateway::sales::registry::{Listed, Registry, RegistryError};
use flashgate_order_store::{SALE_PAGE_MAX, SalePage};
use flashgate_order_worker::lifecycle::By;
use flashgate_service::error::ApiError;

use crate::{
    desk::{Desk, at_anyone},
    network::Link,
    worker::WorkerFront,
};

/// A gateway's way to the workers.
pub struct SimRegistry {
    link: Link<Desk<WorkerFront>>,
}

impl SimRegistry {
    /// Over `link`.
    pub const fn new(link: Link<Desk<WorkerFront>>) -> Self {
        Self { link }
    }

    async fn ask<T: Send + 'static, F: Future<Output = Result<T, ApiError>> + Send + 'static>(
        &self,
        what: &'static str,
        about: String,
        work: impl FnOnce(WorkerFront) -> F + Send + 'static,
    ) -> Result<T, ApiError> {
        let server = Arc::clone(self.link.server());
        let at_a_worker =
            async move { at_anyone(server, work).await.unwrap_or(Err(ApiError::WorkerUnavailable)) };
        let lost = |_lost| ApiError::WorkerUnavailable;
        self.link.carry(what, about, at_a_worker).await.map_err(lost)?
    }
}

fn fault(failure: ApiError) -> RegistryError {
    if failure == ApiError::OtherGeneration {
        return RegistryError::OtherGeneration;
    }
    RegistryError::Unavailable(format!("{failure:?}"))
}

#[async_trait]
impl Registry for SimRegistry {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        let register = move |front: WorkerFront| async move { front.sales.register_ledger(ledger).await };
        let answer = self.ask("register_ledger", String::new(), register).await.map_err(fault)?;
        Ok(StoreIdentity { store: answer.store, ledger: answer.ledger })
    }

    async fn sales(&self, states: &[SaleState]) -> Result<Listed, RegistryError> {
        let page = SalePage { after_id: 0, size: SALE_PAGE_MAX, states: states.to_vec() };
        let list = move |front: WorkerFront| async move { front.sales.list(&page).await };
        let sales = self.ask("sales", String::new(), list).await.map_err(fault)?;
        Ok(Listed { sales, unreadable: Vec::new() })
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, RegistryError> {
        let find = move |front: WorkerFront| async move { front.sales.find(sale).await };
        match self.ask("sale", sale.to_string(), find).await {
            Ok(sale) => Ok(Some(sale)),
            Err(ApiError::Refused(Refusal::SaleNotFound)) => Ok(None),
            Err(failure) => Err(fault(failure)),
        }
    }

    async fn confirm_preheat(&self, sale: SaleId, generation: u32) -> Result<Sale, RegistryError> {
        let confirm =
            move |front: WorkerFront| async move { front.sales.confirm_preheat(sale, generation).await };
        self.ask("confirm_preheat", sale.to_string(), confirm).await.map_err(fault)
    }

    async fn find_order(&self, order: OrderId) -> Result<Option<Order>, RegistryError> {
        let find = move |front: WorkerFront| async move { front.orders.find(order).await };
        match self.ask("find_order", order.to_string(), find).await {
            Ok(order) => Ok(Some(order)),
            Err(ApiError::OrderNotFound) => Ok(None),
            Err(failure) => Err(fault(failure)),
        }
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, RegistryError> {
        let (about, buyer) = (buyer.as_str().to_owned(), buyer.clone());
        let list = move |front: WorkerFront| async move { front.orders.list(&buyer, page).await };
        self.ask("orders_of", about, list).await.map_err(fault)
    }

    async fn cancel_order(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        let (by, cause) = (By::Buyer(buyer.clone()), Cause::default());
        let cancel = move |front: WorkerFront| async move {
            front.orders.make(OrderStep::Cancel, order, &by, &cause).await
        };
        match self.ask("cancel_order", order.to_string(), cancel).await {
            Ok(order) => Ok(Some(order)),
            Err(ApiError::OrderNotFound) => Ok(None),
            Err(ApiError::OrderStateConflict { .. }) => Err(RegistryError::StateConflict),
            Err(failure) => Err(fault(failure)),
        }
    }

    async fn open_payment(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Payment>, RegistryError> {
        let buyer = buyer.clone();
        let open = move |front: WorkerFront| async move { front.payments.open(order, &buyer).await };
        match self.ask("open_payment", order.to_string(), open).await {
            Ok(payment) => Ok(Some(payment)),
            Err(ApiError::OrderNotFound) => Ok(None),
            Err(ApiError::OrderStateConflict { .. }) => Err(RegistryError::StateConflict),
            Err(ApiError::Unpayable(why)) => Err(RegistryError::Unpayable(why)),
            Err(failure) => Err(fault(failure)),
        }
    }
}

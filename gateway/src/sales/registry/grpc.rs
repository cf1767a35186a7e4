//! The order worker over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use flashgate_domain::{
    BuyerId, LedgerId, Order, OrderId, OrderPage, Payment, Sale, SaleId, SaleState, StoreId, StoreIdentity,
    Unpayable,
};
use flashgate_proto::{
    body::{self, BodyError},
    channel::{found, kept_alive},
    order, payment, sale,
    v1::{
        self, order_service_client::OrderServiceClient, preheat_service_client::PreheatServiceClient,
        sale_service_client::SaleServiceClient,
    },
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use tonic_types::StatusExt;

use super::{Listed, Registry, RegistryError};

/// Sales per page.
const PAGE_SIZE: u32 = 1_000;

/// The order worker at one address. Connects at the first call, and again whenever the connection is lost.
#[derive(Clone, Debug)]
pub struct GrpcRegistry {
    sales: SaleServiceClient<Channel>,
    preheats: PreheatServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
}

impl GrpcRegistry {
    /// `url` such as `http://127.0.0.1:7002`; `timeout` limits each call. Fails if `url` is not a URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, tonic::transport::Error> {
        let endpoint = kept_alive(Endpoint::from_shared(url.to_owned())?);
        let channel = endpoint.timeout(timeout).connect_timeout(timeout).connect_lazy();
        Ok(Self {
            sales: SaleServiceClient::new(channel.clone()),
            preheats: PreheatServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel),
        })
    }
}

#[async_trait]
impl Registry for GrpcRegistry {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        let ledger_id = ledger.map_or_else(Vec::new, |ledger| ledger.to_bytes().to_vec());
        let request = v1::RegisterLedgerRequest { ledger_id };
        let answer = self.preheats.clone().register_ledger(request).await.map_err(unavailable)?.into_inner();
        let store = <[u8; 16]>::try_from(answer.store_id).map_err(garbled("store_id"))?;
        Ok(StoreIdentity {
            store: StoreId::from_bytes(store).map_err(garbled("store_id"))?,
            ledger: body::ledger_id(&answer.ledger_id).map_err(garbled("ledger_id"))?,
        })
    }

    async fn sales(&self, states: &[SaleState]) -> Result<Listed, RegistryError> {
        let mut request = v1::ListSalesRequest {
            after_id: 0,
            page_size: PAGE_SIZE,
            states: states.iter().map(|state| state.as_str().to_owned()).collect(),
        };
        let mut listed = Listed::default();
        loop {
            let page =
                self.sales.clone().list_sales(request.clone()).await.map_err(unavailable)?.into_inner().sales;
            let Some(last) = page.last() else { return Ok(listed) };
            if last.sale_id <= request.after_id {
                return Err(RegistryError::Garbled("order of sales"));
            }
            request.after_id = last.sale_id;
            for body in page {
                let number = body.sale_id;
                match sale(body) {
                    Ok(sale) => listed.sales.push(sale),
                    Err(fault) => listed.unreadable.push((number, fault)),
                }
            }
        }
    }

    async fn sale(&self, id: SaleId) -> Result<Option<Sale>, RegistryError> {
        let answer = self.sales.clone().get_sale(v1::GetSaleRequest { sale_id: id.get() }).await;
        found(answer).map_err(unavailable)?.map(sale).transpose()
    }

    async fn confirm_preheat(&self, id: SaleId, generation: u32) -> Result<Sale, RegistryError> {
        let request = v1::ConfirmPreheatRequest { sale_id: id.get(), generation };
        match self.preheats.clone().confirm_preheat(request).await {
            Ok(body) => sale(body.into_inner()),
            Err(status) if status.code() == Code::FailedPrecondition => Err(RegistryError::OtherGeneration),
            Err(status) => Err(unavailable(status)),
        }
    }

    async fn find_order(&self, order: OrderId) -> Result<Option<Order>, RegistryError> {
        let request = v1::FindOrderRequest { order_id: order.to_string() };
        let answer = self.orders.clone().find_order(request).await;
        found(answer).map_err(unavailable)?.map(stored_order).transpose()
    }

    async fn orders_of(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, RegistryError> {
        let request = order::page_request(buyer, page);
        let orders = self.orders.clone().list_orders(request).await.map_err(unavailable)?.into_inner().orders;
        orders.into_iter().map(stored_order).collect()
    }

    async fn cancel_order(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        let request = v1::CancelStoredOrderRequest {
            order_id: order.to_string(),
            buyer_id: buyer.as_str().to_owned(),
            ..v1::CancelStoredOrderRequest::default()
        };
        match found(self.orders.clone().cancel_order(request).await) {
            Ok(order) => order.map(stored_order).transpose(),
            Err(status) if status.code() == Code::FailedPrecondition => Err(RegistryError::StateConflict),
            Err(status) => Err(unavailable(status)),
        }
    }

    async fn open_payment(&self, order: OrderId, buyer: &BuyerId) -> Result<Option<Payment>, RegistryError> {
        let (order_id, buyer_id) = (order.to_string(), buyer.as_str().to_owned());
        let request = v1::OpenStoredPaymentRequest { order_id, buyer_id };
        match found(self.orders.clone().open_payment(request).await) {
            Ok(opened) => opened.map(|opened| payment::payment(opened).map_err(unreadable)).transpose(),
            Err(status) if status.code() == Code::FailedPrecondition => Err(not_payable(&status)),
            Err(status) => Err(unavailable(status)),
        }
    }
}

/// Why the order worker opens no payment: the codes that it shares with [`Unpayable`], or the state of the order.
fn not_payable(status: &Status) -> RegistryError {
    let code = status.get_details_error_info().map(|info| info.reason);
    let unpayable = code.and_then(|code| Unpayable::parse(&code));
    unpayable.map_or(RegistryError::StateConflict, RegistryError::Unpayable)
}

fn stored_order(message: v1::Order) -> Result<Order, RegistryError> {
    order::order(message).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(invalid: BodyError) -> RegistryError {
    match invalid {
        BodyError::WrongField { field } => RegistryError::Garbled(field),
        BodyError::NotProtobuf(_) => RegistryError::Garbled("message"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(status: Status) -> RegistryError {
    RegistryError::Unavailable(format!("{}: {}", status.code(), status.message()))
}

fn garbled<E>(field: &'static str) -> impl FnOnce(E) -> RegistryError {
    move |_why| RegistryError::Garbled(field)
}

/// Decodes the sale in a message.
pub(crate) fn sale(message: v1::Sale) -> Result<Sale, RegistryError> {
    sale::sale(message).map_err(|invalid| RegistryError::Garbled(invalid.field))
}

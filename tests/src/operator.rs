//! What an operator does: creates sales and has them preheated.

use std::{net::SocketAddr, time::Duration};

use flashgate_domain::{Clock, SaleId, SystemClock};
use flashgate_operations::client::{ClientError, OrdersClient, SalesClient};
use flashgate_proto::v1::CreateSaleRequest;
use tonic::transport::Endpoint;

/// The price of a unit of every sale, in minor units of [`CURRENCY`].
pub const PRICE_MINOR: u64 = 1_999;
/// The currency of every sale.
pub const CURRENCY: &str = "EUR";

/// A new sale: open now and for an hour, unless told otherwise.
#[derive(Clone, Debug)]
pub struct SaleForm(CreateSaleRequest);

impl SaleForm {
    /// A sale of `stock` units, of which a buyer can have all.
    pub fn of_stock(stock: u64) -> Self {
        let now = SystemClock.now();
        // A sale's own limit is lower than what a stock can be.
        let limit_per_buyer = u32::try_from(stock).unwrap_or(u32::MAX).min(1_000_000);
        Self(CreateSaleRequest {
            title: "Eine Kanne".to_owned(),
            price_minor: PRICE_MINOR,
            currency: CURRENCY.to_owned(),
            opens_at_ms: now.as_millis().saturating_sub(60_000),
            closes_at_ms: now.saturating_add(Duration::from_secs(3_600)).as_millis(),
            stock,
            limit_per_buyer,
            ..CreateSaleRequest::default()
        })
    }

    /// At most `units` a buyer.
    pub fn limit(mut self, units: u32) -> Self {
        self.0.limit_per_buyer = units;
        self
    }

    /// At most `units` a request.
    pub fn quantity_max(mut self, units: u32) -> Self {
        self.0.quantity_max = units;
        self
    }

    /// Open from `opens_at_ms` until `closes_at_ms`.
    pub fn window(mut self, opens_at_ms: u64, closes_at_ms: u64) -> Self {
        (self.0.opens_at_ms, self.0.closes_at_ms) = (opens_at_ms, closes_at_ms);
        self
    }

    /// Orders are to be paid within `time`.
    pub fn pay_within(mut self, time: Duration) -> Self {
        self.0.pay_within_ms = Some(u64::try_from(time.as_millis()).unwrap());
        self
    }

    /// The units of an order leave the order store when it is shipped.
    pub fn at_payment(mut self) -> Self {
        self.0.deduct_policy = "at_payment".to_owned();
        self
    }

    /// How many units a buyer can have.
    pub const fn limit_per_buyer(&self) -> u32 {
        self.0.limit_per_buyer
    }
}

/// The operator's interface of one order worker.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Sales in the order store.
    pub sales: SalesClient,
    /// Orders in the order store.
    pub orders: OrdersClient,
}

impl Operator {
    /// The one that listens there. Must be called within a runtime.
    ///
    /// # Panics
    /// Never: an address makes a URL.
    pub fn new(address: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let orders = OrdersClient::on(channel.clone());
        Self { sales: SalesClient::on(channel), orders }
    }

    /// Creates a sale that nobody can buy from yet.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn create(&self, form: SaleForm) -> SaleId {
        self.sales.clone().create(form.0).await.unwrap().id
    }

    /// Creates a sale and has it preheated.
    ///
    /// # Errors
    /// What the worker says, if it is refused.
    pub async fn open(&self, form: SaleForm) -> Result<SaleId, ClientError> {
        let sale = self.sales.clone().create(form.0).await?.id;
        Ok(self.sales.clone().preheat(sale).await?.id)
    }

    /// Has it preheated; it becomes sellable moments later.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn preheat(&self, sale: SaleId) {
        self.sales.clone().preheat(sale).await.unwrap();
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn close(&self, sale: SaleId) {
        self.sales.clone().close(sale).await.unwrap();
    }
}

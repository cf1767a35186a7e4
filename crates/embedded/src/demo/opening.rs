//! Opens the demo's sale as an operator does: through the order worker's interface.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use flashgate_domain::{Clock, SaleFields, SaleId, SystemClock, causes};
use flashgate_output::exit::CliError;
use flashgate_proto::{
    sale::create_request,
    v1::{self, sale_service_client::SaleServiceClient},
};
use http::Method;
use tokio::time::{sleep, timeout};

use super::client::Client;
use crate::serve::welcome::Addresses;

/// The currency of the price. Its minor unit is a hundredth.
pub(super) const CURRENCY: &str = "EUR";
const PRICE_MINOR: u64 = 2_999;
const OPEN_FOR: Duration = Duration::from_secs(3_600);
const PREHEAT_MAX: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Creates and preheats a sale whose window is open, and whose orders must be paid within `pay_within`.
pub(super) async fn open(
    addresses: &Addresses,
    units: NonZeroU64,
    limit_per_buyer: NonZeroU32,
    pay_within: Duration,
) -> Result<SaleId, CliError> {
    let client = SaleServiceClient::connect(format!("http://{}", addresses.operator)).await;
    let mut client = client.map_err(|why| CliError::Other(causes(&why)))?;
    let now = SystemClock.now();
    let request = create_request(
        SaleFields {
            title: "Demo".to_owned(),
            price_minor: PRICE_MINOR,
            currency: CURRENCY.to_owned(),
            opens_at: now,
            closes_at: now.saturating_add(OPEN_FOR),
            stock: units.get(),
            limit_per_buyer: limit_per_buyer.get(),
            pay_within,
            ..SaleFields::default()
        },
        None,
    );
    let sale_id = client.create_sale(request).await.map_err(refused)?.into_inner().sale_id;
    client.preheat_sale(v1::PreheatSaleRequest { sale_id }).await.map_err(refused)?;
    let sale = SaleId::new(sale_id).map_err(CliError::other)?;
    timeout(PREHEAT_MAX, on_sale(addresses.http, sale))
        .await
        .unwrap_or_else(|_elapsed| Err(CliError::Other("the gateway did not preheat the sale".to_owned())))?;
    Ok(sale)
}

/// Polls the buyers' interface: the sale is preheated in the order store a moment before the gateway sells it.
async fn on_sale(http: SocketAddr, sale: SaleId) -> Result<(), CliError> {
    let mut client = Client::connect(http).await?;
    let path = format!("/v1/sales/{sale}");
    while client.ask(Method::GET, &path, None, "").await?.body["state"] != "preheated" {
        sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused(status: tonic::Status) -> CliError {
    CliError::Other(format!("the order worker: {}: {}", status.code(), status.message()))
}

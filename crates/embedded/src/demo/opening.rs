//! Opens the demo's sale as an operator does: through the order worker's interface.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use bytes::Bytes;
use flashgate_domain::{Clock, SaleFields, SaleId, SystemClock, causes};
use flashgate_output::exit::CliError;
use flashgate_proto::{
    sale::create_request,
    v1::{self, sale_service_client::SaleServiceClient},
};
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::serve::welcome::Addresses;

const OPEN_FOR: Duration = Duration::from_secs(3_600);
const PREHEAT_MAX: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Creates and preheats a sale whose window is open.
pub(super) async fn open(
    addresses: &Addresses,
    units: NonZeroU64,
    limit_per_buyer: NonZeroU32,
) -> Result<SaleId, CliError> {
    let client = SaleServiceClient::connect(format!("http://{}", addresses.operator)).await;
    let mut client = client.map_err(|why| CliError::Other(causes(&why)))?;
    let now = SystemClock.now();
    let request = create_request(
        SaleFields {
            title: "Demo".to_owned(),
            price_minor: 2_999,
            currency: "EUR".to_owned(),
            opens_at: now,
            closes_at: now.saturating_add(OPEN_FOR),
            stock: units.get(),
            limit_per_buyer: limit_per_buyer.get(),
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
    let stream = TcpStream::connect(http).await.map_err(CliError::other)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(CliError::other)?;
    tokio::spawn(connection);
    loop {
        let request = Request::get(format!("/v1/sales/{sale}")).header(header::HOST, http.to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(CliError::other)?;
        sender.ready().await.map_err(CliError::other)?;
        let answer = sender.send_request(request).await.map_err(CliError::other)?.into_body();
        let body = answer.collect().await.map_err(CliError::other)?.to_bytes();
        let told: Value = serde_json::from_slice(&body).map_err(CliError::other)?;
        if told["state"] == "preheated" {
            return Ok(());
        }
        sleep(LOOK_INTERVAL).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused(status: tonic::Status) -> CliError {
    CliError::Other(format!("the order worker: {}: {}", status.code(), status.message()))
}

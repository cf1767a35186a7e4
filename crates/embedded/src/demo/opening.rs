//! Opens the demo's sale, as an operator does: over the order worker's interface.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use bytes::Bytes;
use flashgate_domain::{Clock, SaleFields, SaleId, SystemClock, causes};
use flashgate_output::exit::Failed;
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

/// Creates and preheats a sale that is open already.
pub(super) async fn open(
    addresses: &Addresses,
    units: NonZeroU64,
    limit_per_buyer: NonZeroU32,
) -> Result<SaleId, Failed> {
    let client = SaleServiceClient::connect(format!("http://{}", addresses.operator)).await;
    let mut client = client.map_err(|why| Failed::Failed(causes(&why)))?;
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
    let sale = SaleId::new(sale_id).map_err(Failed::because)?;
    timeout(PREHEAT_MAX, on_sale(addresses.http, sale))
        .await
        .unwrap_or_else(|_elapsed| Err(Failed::Failed("the gateway did not preheat the sale".to_owned())))?;
    Ok(sale)
}

/// Waits at the buyers' door: the order store knows the sale as preheated a moment before the gateway sells it.
async fn on_sale(http: SocketAddr, sale: SaleId) -> Result<(), Failed> {
    let stream = TcpStream::connect(http).await.map_err(Failed::because)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failed::because)?;
    tokio::spawn(connection);
    loop {
        let request = Request::get(format!("/v1/sales/{sale}")).header(header::HOST, http.to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(Failed::because)?;
        sender.ready().await.map_err(Failed::because)?;
        let answer = sender.send_request(request).await.map_err(Failed::because)?.into_body();
        let body = answer.collect().await.map_err(Failed::because)?.to_bytes();
        let told: Value = serde_json::from_slice(&body).map_err(Failed::because)?;
        if told["state"] == "preheated" {
            return Ok(());
        }
        sleep(LOOK_INTERVAL).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused(status: tonic::Status) -> Failed {
    Failed::Failed(format!("the order worker: {}: {}", status.code(), status.message()))
}

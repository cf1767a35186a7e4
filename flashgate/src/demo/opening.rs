//! Opens the demo's sale, as an operator does: over the order worker's interface.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use flashgate_domain::{Clock, SaleId, SystemClock};
use flashgate_proto::v1::{self, sale_service_client::SaleServiceClient};
use tokio::time::{Instant, sleep};

use crate::{
    exit::{Failed, causes},
    serve::welcome::Addresses,
};

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
    let now_ms = SystemClock.now().as_millis();
    let open_for_ms = u64::try_from(OPEN_FOR.as_millis()).unwrap_or(u64::MAX);
    let request = v1::CreateSaleRequest {
        title: "Demo".to_owned(),
        price_minor: 2_999,
        currency: "EUR".to_owned(),
        opens_at_ms: now_ms,
        closes_at_ms: now_ms.saturating_add(open_for_ms),
        stock: units.get(),
        limit_per_buyer: limit_per_buyer.get(),
        quantity_max: 0,
        deduct_policy: "at_order".to_owned(),
    };
    let sale_id = client.create_sale(request).await.map_err(refused)?.into_inner().id;
    let mut sale =
        client.preheat_sale(v1::PreheatSaleRequest { sale_id }).await.map_err(refused)?.into_inner();
    let deadline = Instant::now() + PREHEAT_MAX;
    while sale.state != "preheated" {
        if Instant::now() >= deadline {
            return Err(Failed::Failed("the gateway did not preheat the sale".to_owned()));
        }
        sleep(LOOK_INTERVAL).await;
        sale = client.get_sale(v1::GetSaleRequest { sale_id }).await.map_err(refused)?.into_inner();
    }
    SaleId::new(sale_id).map_err(Failed::because)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refused(status: tonic::Status) -> Failed {
    Failed::Failed(format!("the order worker: {}: {}", status.code(), status.message()))
}

//! A sale is created once, also if the answer gets lost between the order worker and the operator.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{Clock, SystemClock};
use flashgate_proto::v1::{
    CreateSaleRequest, ListSalesRequest, Sale, sale_service_client::SaleServiceClient,
};
use flashgate_tests::{
    Deployment, eventually,
    proxy::{Line, Proxy},
};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

const TIME_TO_SEE: Duration = Duration::from_secs(60);

fn form(key: &str) -> CreateSaleRequest {
    let now = SystemClock.now();
    CreateSaleRequest {
        title: "Eine Kanne".to_owned(),
        price_minor: 1_999,
        currency: "EUR".to_owned(),
        opens_at_ms: now.as_millis(),
        closes_at_ms: now.saturating_add(Duration::from_secs(3_600)).as_millis(),
        stock: 10,
        limit_per_buyer: 2,
        idempotency_key: key.to_owned(),
        ..CreateSaleRequest::default()
    }
}

fn client(address: std::net::SocketAddr) -> SaleServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    SaleServiceClient::new(endpoint.timeout(Duration::from_secs(3)).connect_lazy())
}

async fn sales(client: &mut SaleServiceClient<Channel>) -> Vec<Sale> {
    client.list_sales(ListSalesRequest::default()).await.unwrap().into_inner().sales
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_whose_answer_was_lost_is_repeated_and_found() {
    let shop = Deployment::of("sale-creation").start().await;
    let worker = shop.workers[0].address();
    let mut near = client(worker);
    let before = sales(&mut near).await.len();
    let proxy = Proxy::before(worker).await;
    let request = form("tonight");

    proxy.set(Line::Mute);
    let lost = client(proxy.address()).create_sale(request.clone()).await.unwrap_err();
    assert!(lost.get_details_error_info().is_none(), "no worker has said that: {lost:?}");
    let made = eventually("the sale is stored", TIME_TO_SEE, async || {
        sales(&mut near.clone()).await.into_iter().nth(before).ok_or("no sale yet".to_owned())
    })
    .await;

    proxy.set(Line::Open);
    let mut far = client(proxy.address());
    let again = far.create_sale(request.clone()).await.unwrap().into_inner();
    assert_eq!(again.sale_id, made.sale_id);
    assert_eq!(sales(&mut near).await.len(), before + 1, "no second sale");

    let other = CreateSaleRequest { stock: 11, ..request };
    let refused = far.create_sale(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "sale_key_reused");
    assert!(refused.message().contains(&format!("sale {}", made.sale_id)), "{}", refused.message());
    assert_eq!(sales(&mut near).await.len(), before + 1);
    shop.stop().await;
}

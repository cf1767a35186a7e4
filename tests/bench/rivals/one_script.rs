//! Rival: one Redis script a request, and no message. It keeps limit, key and stock, answers as a gateway does,
//! and loses every order that Redis loses. `rival-one-script ADDRESS REDIS_URL`

use std::{
    env,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use redis::{Script, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The first order id: as long as those of a gateway.
const ORDER_ID_FIRST: u64 = 235_155_916_964_495_360;
const BUYER_HEADER: HeaderName = HeaderName::from_static("x-buyer-id");
const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// A buyer can have everything: the limit is looked at all the same.
const LIMIT_PER_BUYER: u32 = 1_000_000;

struct Shop {
    redis: MultiplexedConnection,
    script: Script,
    next_order: AtomicU64,
}

#[derive(Deserialize)]
struct Body {
    quantity: u32,
}

#[derive(Serialize)]
struct Accepted<'a> {
    order_id: &'a str,
    status: &'static str,
}

#[derive(Serialize)]
struct Refused<'a> {
    code: &'a str,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = env::args().skip(1);
    let (Some(address), Some(redis_url)) = (words.next(), words.next()) else {
        anyhow::bail!("usage: rival-one-script ADDRESS REDIS_URL");
    };
    let address: SocketAddr = address.parse().context("ADDRESS")?;
    let redis = redis::Client::open(redis_url)?.get_multiplexed_async_connection().await?;
    let script = Script::new(include_str!("one_order.lua"));
    let shop = Arc::new(Shop { redis, script, next_order: AtomicU64::new(ORDER_ID_FIRST) });
    let router = Router::new().route("/v1/sales/{sale_id}/orders", post(buy)).with_state(shop);
    Ok(axum::serve(TcpListener::bind(address).await?, router).await?)
}

async fn buy(
    State(shop): State<Arc<Shop>>,
    Path(sale): Path<u64>,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(buyer), Some(key)) = (text(BUYER_HEADER), text(KEY_HEADER)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let order = shop.next_order.fetch_add(1, Ordering::Relaxed);
    let ran: Result<(String, Option<String>), _> = shop
        .script
        .key(format!("one-script:{{{sale}}}:left"))
        .key(format!("one-script:{{{sale}}}:held"))
        .key(format!("one-script:{{{sale}}}:keys"))
        .arg(buyer)
        .arg(key)
        .arg(body.quantity)
        .arg(LIMIT_PER_BUYER)
        .arg(order)
        .invoke_async(&mut shop.redis.clone())
        .await;
    match ran {
        Ok((_accepted_or_replayed, Some(order_id))) => {
            let location = [(header::LOCATION, format!("/v1/orders/{order_id}"))];
            let accepted = Json(Accepted { order_id: &order_id, status: "accepted" });
            (StatusCode::ACCEPTED, location, accepted).into_response()
        }
        Ok((code, None)) => (StatusCode::CONFLICT, Json(Refused { code: &code })).into_response(),
        Err(_fault) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

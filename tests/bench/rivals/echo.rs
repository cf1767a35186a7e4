//! Rival: a bare echo, what a server can do that only reads and writes JSON, on the HTTP library and with the
//! allocator of a gateway. The request is that of a purchase; the answer is as long as that of an accepted one, and
//! means nothing. `rival-echo ADDRESS`

use std::{env, net::SocketAddr};

use anyhow::Context;
use axum::{Json, Router, http::header, response::IntoResponse, routing::post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Body {
    quantity: u32,
}

/// As long as `{"order_id":"235155916964495360","status":"accepted"}` for a quantity of one digit.
#[derive(Serialize)]
struct Echo {
    quantity: u32,
    padding: &'static str,
}

async fn echo(Json(body): Json<Body>) -> impl IntoResponse {
    let location = [(header::LOCATION, "/v1/orders/235155916964495360")];
    let padding = "as long as an order id and so on";
    (location, Json(Echo { quantity: body.quantity, padding }))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address: SocketAddr = env::args().nth(1).context("usage: rival-echo ADDRESS")?.parse()?;
    let listener = TcpListener::bind(address).await?;
    Ok(axum::serve(listener, Router::new().route("/echo", post(echo))).await?)
}

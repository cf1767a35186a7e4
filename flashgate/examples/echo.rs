//! A bare echo: what a server can do that only reads and writes JSON. `cargo run --release --example echo [PORT]`

#![expect(clippy::print_stdout, reason = "tells where it listens")]

use std::{env, error::Error, net::SocketAddr};

use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Body {
    quantity: u32,
}

#[derive(Serialize)]
struct Echo {
    quantity: u32,
}

async fn echo(Json(body): Json<Body>) -> Json<Echo> {
    Json(Echo { quantity: body.quantity })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(7100), |port| port.parse())?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    println!("POST http://{}/echo", listener.local_addr()?);
    Ok(axum::serve(listener, Router::new().route("/echo", post(echo))).await?)
}

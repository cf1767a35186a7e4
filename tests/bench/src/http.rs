//! One request on a connection of its own: for health, metrics and the state of sales.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const WAIT_MAX: Duration = Duration::from_secs(5);

/// Status and body of `GET path`.
pub async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    timeout(WAIT_MAX, exchange(address, path)).await.with_context(|| format!("{address}{path}"))?
}

async fn exchange(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

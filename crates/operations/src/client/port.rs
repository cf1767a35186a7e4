//! Which port of flashgate answers at an address. A gRPC client that connects to another kind of server only gets
//! errors about compression flags or lost frames; an operator needs to know which port answers and which one to use
//! instead.

use std::{fmt, time::Duration};

use flashgate_proto::v1::{
    self, ledger_service_client::LedgerServiceClient, purchase_service_client::PurchaseServiceClient,
    sale_service_client::SaleServiceClient,
};
use http::Uri;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

use super::error::ClientError;

/// Maximum bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// The `domain` of flashgate's `google.rpc.ErrorInfo`.
const ERROR_DOMAIN: &str = "flashgate";

/// A port of flashgate that serves gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The operators' port of an order worker.
    Worker,
    /// The operators' port of a gateway.
    GatewayOperators,
    /// The gRPC port for buyers of a gateway.
    GatewayGrpc,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "the operators' port of an order worker",
            Self::GatewayOperators => "the operators' port of a gateway",
            Self::GatewayGrpc => "the gRPC port for buyers of a gateway",
        })
    }
}

impl Port {
    const ALL: [Self; 3] = [Self::Worker, Self::GatewayOperators, Self::GatewayGrpc];

    /// Its default number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Worker => 7070,
            Self::GatewayOperators => 7003,
            Self::GatewayGrpc => 7002,
        }
    }

    /// Whether this port answers on the channel: sends a request with an invalid id, which is refused before any
    /// look-up.
    async fn answers(self, channel: &Channel) -> Result<(), Status> {
        let channel = channel.clone();
        let answer = match self {
            Self::Worker => {
                SaleServiceClient::new(channel).get_sale(v1::GetSaleRequest::default()).await.map(drop)
            }
            Self::GatewayOperators => {
                let request = v1::SnapshotSaleRequest::default();
                LedgerServiceClient::new(channel).snapshot_sale(request).await.map(drop)
            }
            Self::GatewayGrpc => {
                let request = v1::GetOrderRequest::default();
                PurchaseServiceClient::new(channel).get_order(request).await.map(drop)
            }
        };
        match answer {
            Err(status) if !is_ours(&status) => Err(status),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Whether flashgate sent the status, and not a library on either side.
fn is_ours(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == ERROR_DOMAIN)
}

/// The server that answers instead of the expected port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Another port of flashgate.
    Port(Port),
    /// The HTTP port for buyers of a gateway.
    BuyersHttp,
    /// An HTTP server other than flashgate.
    OtherHttp,
    /// A server without HTTP.
    NoHttp,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "is {port}"),
            Self::BuyersHttp => f.write_str("is the HTTP port for buyers of a gateway"),
            Self::OtherHttp => f.write_str("is an HTTP server, but no flashgate"),
            Self::NoHttp => f.write_str("is no flashgate: what answers there does not speak HTTP"),
        }
    }
}

/// Verifies that `expected` answers on the channel.
///
/// # Errors
/// [`ClientError::OtherServer`] names what answers instead; the server's own error if its answer cannot be parsed.
pub(super) async fn check(
    expected: Port,
    url: &str,
    uri: &Uri,
    channel: &Channel,
    within: Duration,
) -> Result<(), ClientError> {
    let Err(status) = expected.answers(channel).await else { return Ok(()) };
    // A server that did not answer would not answer the other requests either.
    if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) {
        return Err(status.into());
    }
    let Some(found) = find(expected, uri, channel, within).await else { return Err(status.into()) };
    Err(ClientError::OtherServer { port: expected, url: url.to_owned(), found })
}

/// The server found instead; `None` if its answer cannot be parsed.
async fn find(expected: Port, uri: &Uri, channel: &Channel, within: Duration) -> Option<Found> {
    for other in Port::ALL.into_iter().filter(|other| *other != expected) {
        if other.answers(channel).await.is_ok() {
            return Some(Found::Port(other));
        }
    }
    let answer = timeout(within, http1_answer(uri)).await.ok()??;
    Some(match answer {
        answer if !answer.starts_with("HTTP/") => Found::NoHttp,
        answer if answer.contains("urn:flashgate:problem:") => Found::BuyersHttp,
        _ => Found::OtherHttp,
    })
}

/// The beginning of the answer to a plain HTTP request for an unknown path.
async fn http1_answer(uri: &Uri) -> Option<String> {
    let authority = uri.authority()?;
    let address = (authority.host().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET /v1/nothing HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // Bytes that arrived before an error count.
    let _ = stream.take(u64::try_from(ANSWER_BYTES_MAX).ok()?).read_to_end(&mut answer).await;
    (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
}

//! What answers at an address. A gRPC client that meets another kind of server is told of compression flags or of lost
//! frames; an operator is to be told which port that is, and which one to name instead.

use std::time::Duration;

use flashgate_output::exit::Failed;
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

use super::answer::failed;

/// More of an answer is not looked at.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// The `domain` of flashgate's `google.rpc.ErrorInfo`.
const ERROR_DOMAIN: &str = "flashgate";

/// A port of flashgate that serves gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// The operators' port of an order worker.
    Worker,
    /// The operators' port of a gateway.
    GatewayOperators,
    /// The gRPC port for buyers of a gateway.
    GatewayGrpc,
}

impl Service {
    const ALL: [Self; 3] = [Self::Worker, Self::GatewayOperators, Self::GatewayGrpc];

    /// The flag that names it, in every command.
    pub(super) const fn flag(self) -> &'static str {
        match self {
            Self::Worker => "--worker",
            Self::GatewayOperators => "--gateway",
            Self::GatewayGrpc => "--gateway-grpc",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Worker => "the operators' port of an order worker",
            Self::GatewayOperators => "the operators' port of a gateway",
            Self::GatewayGrpc => "the gRPC port for buyers of a gateway",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Worker => 7070,
            Self::GatewayOperators => 7003,
            Self::GatewayGrpc => 7002,
        }
    }

    /// Whether it answers on the channel: a question with a wrong id, which is refused before anything is looked up.
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

/// Whether a flashgate has sent it, and not a library on either side.
fn is_ours(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == ERROR_DOMAIN)
}

/// What was met instead.
enum Met {
    Port(Service),
    BuyersHttp,
    OtherHttp,
    NoHttp,
}

/// Whether `wanted` answers on the channel.
///
/// # Errors
/// [`Failed::Usage`] says what answers there instead. A server that answers nothing that can be understood is as
/// [`failed`] has it.
pub(super) async fn check(
    wanted: Service,
    url: &str,
    uri: &Uri,
    channel: &Channel,
    within: Duration,
) -> Result<(), Failed> {
    let Err(status) = wanted.answers(channel).await else { return Ok(()) };
    // A server that is silent would only be silent again.
    if matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded) {
        return Err(failed(&status));
    }
    let Some(met) = met(wanted, uri, channel, within).await else { return Err(failed(&status)) };
    Err(Failed::Usage(told(wanted, url, &met)))
}

fn told(wanted: Service, url: &str, met: &Met) -> String {
    let (flag, name, port) = (wanted.flag(), wanted.name(), wanted.port());
    let met = match met {
        Met::Port(service) => format!("is {}", service.name()),
        Met::BuyersHttp => "is the HTTP port for buyers of a gateway".to_owned(),
        Met::OtherHttp => "is an HTTP server, but no flashgate".to_owned(),
        Met::NoHttp => "is no flashgate: what answers there does not speak HTTP".to_owned(),
    };
    format!("{flag} {url} {met}; {flag} must name {name}, {port} by default")
}

/// Who else it is; `None` if it answers nothing that can be understood.
async fn met(wanted: Service, uri: &Uri, channel: &Channel, within: Duration) -> Option<Met> {
    for other in Service::ALL.into_iter().filter(|other| *other != wanted) {
        if other.answers(channel).await.is_ok() {
            return Some(Met::Port(other));
        }
    }
    let answer = timeout(within, http1_answer(uri)).await.ok()??;
    Some(match answer {
        answer if !answer.starts_with("HTTP/") => Met::NoHttp,
        answer if answer.contains("urn:flashgate:problem:") => Met::BuyersHttp,
        _ => Met::OtherHttp,
    })
}

/// The beginning of the answer to a plain HTTP request for nothing.
async fn http1_answer(uri: &Uri) -> Option<String> {
    let authority = uri.authority()?;
    let address = (authority.host().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET /v1/nothing HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // What arrived before a fault counts.
    let _ = stream.take(u64::try_from(ANSWER_BYTES_MAX).ok()?).read_to_end(&mut answer).await;
    (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
}

//! HTTP of the demo's buyers and operators: a connection with one request at a time, and JSON.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use flashgate_output::exit::CliError;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

/// Timeout of a request, with its answer.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// A connection to a server of the demo.
#[derive(Debug)]
pub(super) struct Client {
    to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The body; null if there is none, or no JSON.
    pub(super) body: Value,
}

impl Answer {
    /// The stable code of an error, or the status.
    pub(super) fn code(&self) -> String {
        let code = self.body["code"].as_str().map(str::to_owned);
        code.unwrap_or_else(|| format!("http_{}", self.status.as_u16()))
    }
}

impl Client {
    pub(super) async fn connect(to: SocketAddr) -> Result<Self, CliError> {
        let stream = timeout(REQUEST_MAX, TcpStream::connect(to)).await.map_err(CliError::other)?;
        let stream = stream.map_err(CliError::other)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(CliError::other)?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Self { to, sender })
    }

    /// Sends a request with at most one header of its own.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&str, &str)>,
        body: impl Into<Bytes>,
    ) -> Result<Answer, CliError> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, self.to.to_string());
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(body.into())).map_err(CliError::other)?;
        timeout(REQUEST_MAX, self.exchange(request)).await.map_err(CliError::other)?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, CliError> {
        self.sender.ready().await.map_err(CliError::other)?;
        let response = self.sender.send_request(request).await.map_err(CliError::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(CliError::other)?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

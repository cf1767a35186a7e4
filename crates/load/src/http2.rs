//! HTTP/2 without TLS, with hyper's client. Several workers share a connection.

use std::sync::Arc;

use bytes::Bytes;
use flashgate_output::exit::CliError;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use super::{
    crowd::Ask,
    http_answer::{REPLAYED_HEADER, RESPONSE_BYTES_MAX, Reply},
    outcome::{Answer, Fault},
    plan::Plan,
    shared::Handle,
    target::Server,
    wire::{Wire, connect},
};

/// Shared by all requests to one server.
#[derive(Clone, Debug)]
pub(super) struct Http2 {
    plan: Arc<Plan>,
    server: Server,
    /// By sale.
    uris: Arc<[Uri]>,
    headers: HeaderMap,
    body: Bytes,
}

impl Http2 {
    pub(super) fn new(plan: &Arc<Plan>, server: &Server) -> Result<Self, CliError> {
        let uri = |path: &String| {
            let built =
                Uri::builder().scheme("http").authority(&*server.authority).path_and_query(path.as_str());
            built.build().map_err(|why| CliError::flag("--echo", why))
        };
        let mut headers: HeaderMap = plan.headers.iter().cloned().collect();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            plan: Arc::clone(plan),
            server: server.clone(),
            uris: plan.paths().iter().map(uri).collect::<Result<_, _>>()?,
            headers,
            body: plan.body().into(),
        })
    }

    /// Wires for all workers that share a connection.
    pub(super) fn wires(&self) -> impl Iterator<Item = Http2Wire> {
        let handles = Handle::several(self.plan.in_flight.get());
        handles.map(|handle| Http2Wire { shared: self.clone(), handle })
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uris.get(ask.sale).cloned().unwrap_or_default();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert("x-buyer-id", value(self.plan.names.buyer(ask.buyer))?);
        headers.insert("idempotency-key", value(self.plan.names.key(ask.purchase))?);
        Ok(request)
    }
}

/// Names are letters, digits and hyphens, so they are always valid values.
fn value(name: String) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(name).map_err(|_why| Fault::BadResponse)
}

/// One worker's access to a shared connection.
#[derive(Debug)]
pub(super) struct Http2Wire {
    shared: Http2,
    handle: Handle<SendRequest<Full<Bytes>>>,
}

impl Wire for Http2Wire {
    async fn ready(&mut self) -> Result<(), Fault> {
        if self.handle.connection().is_ok_and(|sender| sender.is_closed()) {
            self.handle.discard().await;
        }
        let Http2 { plan, server, .. } = &self.shared;
        let within = plan.limits.connect_timeout;
        self.handle
            .ready(|| async {
                let stream = connect(server, within).await?;
                let shaken = timeout(within, handshake(TokioExecutor::new(), TokioIo::new(stream))).await;
                let (sender, connection) =
                    shaken.map_err(|_elapsed| Fault::ConnectTimeout)?.map_err(|_why| Fault::ConnectFailed)?;
                // It ends when the last sender is dropped, or by a fault, which the senders get.
                tokio::spawn(connection);
                Ok(sender)
            })
            .await
    }

    async fn buy(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let request = self.shared.request(ask)?;
        let within = self.shared.plan.limits.request_timeout;
        let with_order = self.shared.plan.needs_orders();
        let sender = self.handle.connection()?;
        let exchanged = timeout(within, exchange(sender, request, with_order)).await;
        let answer = exchanged.unwrap_or(Err(Fault::RequestTimeout));
        if answer == Err(Fault::ConnectionLost) {
            self.handle.discard().await;
        }
        answer
    }

    fn take_connects(&mut self) -> u64 {
        self.handle.take_connects()
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    with_order: bool,
) -> Result<Answer, Fault> {
    sender.ready().await.map_err(|_why| Fault::ConnectionLost)?;
    let response = sender.send_request(request).await.map_err(|_why| Fault::ConnectionLost)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await.map_err(|_why| Fault::BadResponse)?;
    let replayed = head.headers.get(REPLAYED_HEADER).is_some_and(|value| value == "true");
    Ok(Reply { status: head.status, replayed, body: &body.to_bytes() }.answer(with_order))
}

//! gRPC, one call per request, with the generated client. Several workers share a connection.
use std::{error::Error, io, iter::once, sync::Arc};

use flashgate_domain::sources;
use flashgate_output::exit::CliError;
use flashgate_proto::{
    channel::kept_alive,
    v1::{BuyRequest, GetOrderRequest, purchase_service_client::PurchaseServiceClient},
};
use tokio::time::timeout;
use tonic::{
    Code, Request, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    crowd::Ask,
    http_answer::RESPONSE_BYTES_MAX,
    outcome::{Answer, Fault, Outcome},
    plan::{Aim, Plan},
    shared::Handle,
    target::Server,
    wire::{Wire, connect_fault},
};

pub(super) type Client = PurchaseServiceClient<Channel>;

/// Shared by all calls to one server.
#[derive(Debug)]
pub(super) struct Grpc {
    pub(super) plan: Arc<Plan>,
    endpoint: Endpoint,
    /// The additional headers.
    metadata: MetadataMap,
}

impl Grpc {
    pub(super) fn new(plan: &Arc<Plan>, server: &Server) -> Result<Arc<Self>, CliError> {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.authority));
        let endpoint = endpoint.map_err(|why| CliError::flag("--target", why))?;
        let headers = plan.headers.iter().cloned().collect();
        Ok(Arc::new(Self {
            plan: Arc::clone(plan),
            endpoint: kept_alive(endpoint).connect_timeout(plan.limits.connect_timeout),
            metadata: MetadataMap::from_headers(headers),
        }))
    }

    /// Opens a connection of its own.
    pub(super) async fn connect(&self) -> Result<Client, Fault> {
        // The endpoint's own timeout covers TCP alone, not a server that accepts and never answers.
        let connected = timeout(self.plan.limits.connect_timeout, self.endpoint.connect()).await;
        let channel = connected.map_err(|_elapsed| Fault::ConnectTimeout)?;
        let channel = channel.map_err(|why| io_kind(&why).map_or(Fault::ConnectFailed, connect_fault))?;
        Ok(PurchaseServiceClient::new(channel).max_decoding_message_size(RESPONSE_BYTES_MAX))
    }

    /// A call with the additional headers.
    pub(super) fn call<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().clone_from(&self.metadata);
        request
    }

    /// A call by a buyer.
    fn call_by<T>(&self, buyer: u64, message: T) -> Result<Request<T>, Fault> {
        let mut request = self.call(message);
        // Names are letters, digits and hyphens, so they are always valid values.
        let buyer = AsciiMetadataValue::try_from(self.plan.names.buyer(buyer));
        request.metadata_mut().insert("x-buyer-id", buyer.map_err(|_why| Fault::BadResponse)?);
        Ok(request)
    }

    /// The message for `ask`.
    pub(super) fn message(&self, ask: &Ask) -> BuyRequest {
        let sale_id = match &self.plan.aim {
            Aim::Sales(sales) => sales.get(ask.sale).map_or(0, |sale| sale.get()),
            Aim::Echo(_) => 0,
        };
        let idempotency_key = self.plan.names.key(ask.purchase);
        BuyRequest { sale_id, quantity: self.plan.quantity.get(), idempotency_key }
    }

    /// Whether the order has been decided.
    pub(super) async fn is_decided(
        &self,
        client: &mut Client,
        order: u64,
        buyer: u64,
    ) -> Result<bool, Fault> {
        let request = self.call_by(buyer, GetOrderRequest { order_id: order.to_string() })?;
        let found = timeout(self.plan.limits.request_timeout, client.get_order(request)).await;
        let found = found.map_err(|_elapsed| Fault::RequestTimeout)?;
        Ok(found.is_ok_and(|order| order.get_ref().state != "pending"))
    }

    /// Wires for all workers that share a connection.
    pub(super) fn wires(self: &Arc<Self>) -> impl Iterator<Item = GrpcWire> {
        let handles = Handle::several(self.plan.in_flight.get());
        handles.map(|handle| GrpcWire { shared: Arc::clone(self), handle })
    }
}

/// One worker's access to a shared connection.
#[derive(Debug)]
pub(super) struct GrpcWire {
    shared: Arc<Grpc>,
    handle: Handle<Client>,
}

impl Wire for GrpcWire {
    async fn ready(&mut self) -> Result<(), Fault> {
        self.handle.ready(|| self.shared.connect()).await
    }

    async fn buy(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let request = self.shared.call_by(ask.buyer, self.shared.message(ask))?;
        let within = self.shared.plan.limits.request_timeout;
        let client = self.handle.connection()?;
        let answer = match timeout(within, client.buy(request)).await {
            Err(_elapsed) => Err(Fault::RequestTimeout),
            Ok(Ok(bought)) => Ok(accepted(&bought.get_ref().order_id, bought.get_ref().replayed)),
            Ok(Err(status)) => refused(&status),
        };
        if matches!(answer, Err(fault) if fault != Fault::RequestTimeout) {
            self.handle.discard().await;
        }
        answer
    }

    fn take_connects(&mut self) -> u64 {
        self.handle.take_connects()
    }
}

/// The answer to a purchase that was accepted.
pub(super) fn accepted(order_id: &str, replayed: bool) -> Answer {
    Answer::order(order_id.parse().ok(), replayed)
}

/// The answer in a status of the server, or the fault that prevented an answer.
pub(super) fn refused(status: &Status) -> Result<Answer, Fault> {
    if let Some(why) = status.source() {
        // No server sent this: tonic made it from a fault of the connection.
        return Err(io_kind(why).map_or(Fault::ConnectionLost, connect_or_lost));
    }
    let by_code = by_code(status.code());
    Ok(match status.get_details_error_info() {
        Some(info) => Answer::refused(&info.reason, by_code),
        None => Answer::refused(&format!("grpc_{}", i32::from(status.code())), by_code),
    })
}

fn connect_or_lost(kind: io::ErrorKind) -> Fault {
    if kind == io::ErrorKind::ConnectionRefused { Fault::ConnectRefused } else { Fault::ConnectionLost }
}

/// The meaning of a status without a more specific code.
pub(super) fn by_code(code: Code) -> Outcome {
    match code {
        Code::ResourceExhausted => Outcome::Throttled,
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DeadlineExceeded | Code::Aborted => {
            Outcome::Unavailable
        }
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => Outcome::Rejected,
    }
}

/// The operating system error at the root of another error, if any.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    once(error).chain(sources(error)).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

//! Both sides over their operators' interfaces.

use std::time::Duration;

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerDigest, BuyerId, Intent, LogStatus, OrderId, SaleId,
    audit::{BuyerUnits, DecidedBatch, LedgerSnapshot, StoreSnapshot},
};
use flashgate_proto::{
    body,
    channel::{found, kept_alive},
    order, snapshot,
    v1::{
        self, ledger_service_client::LedgerServiceClient, order_store_service_client::OrderStoreServiceClient,
    },
};
use tonic::{
    Status,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
    transport::{Channel, Endpoint, Error},
};

use crate::audit::sides::{LedgerSide, LogTrace, OrderMark, SideError, StoreSide};

/// Maximum bytes of an answer: a snapshot with a million open batches.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

const GATEWAY: &str = "the gateway";
const WORKER: &str = "the order worker";

/// Carries calls: a [`Channel`], or any other gRPC service.
pub trait Carrier:
    GrpcService<
        Body,
        Error: Into<StdError>,
        Future: Send,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> Carrier for C where
    C: GrpcService<
            Body,
            Error: Into<StdError>,
            Future: Send,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// The connections of an operator to both sides.
#[derive(Clone, Debug)]
pub struct Sides<G = Channel, W = Channel> {
    /// Any gateway.
    pub gateway: G,
    /// Any order worker.
    pub worker: W,
}

impl<G: Carrier, W: Carrier> Sides<G, W> {
    /// The ledger behind the gateway.
    pub fn ledger(&self) -> GatewayLedger<G> {
        GatewayLedger::on(self.gateway.clone())
    }

    /// The order store behind the worker.
    pub fn store(&self) -> WorkerStore<W> {
        WorkerStore::on(self.worker.clone())
    }
}

/// A client of the gateway on `channel`, for long answers too.
pub(crate) fn ledger_client<C: Carrier>(channel: C) -> LedgerServiceClient<C> {
    LedgerServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the order worker on `channel`, for long answers too.
pub(crate) fn order_store_client<C: Carrier>(channel: C) -> OrderStoreServiceClient<C> {
    OrderStoreServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A channel that connects at its first use, and again whenever the connection is lost.
fn channel(url: &str, timeout: Duration) -> Result<Channel, Error> {
    let endpoint = kept_alive(Endpoint::from_shared(url.to_owned())?);
    Ok(endpoint.timeout(timeout).connect_timeout(CONNECT_TIMEOUT).connect_lazy())
}

fn unavailable(side: &'static str) -> impl FnOnce(Status) -> SideError {
    move |status| SideError::Unavailable { side, why: format!("{}: {}", status.code(), status.message()) }
}

fn invalid_response<E: std::fmt::Display>(side: &'static str) -> impl FnOnce(E) -> SideError {
    move |why| SideError::InvalidResponse { side, why: why.to_string() }
}

/// Batch ids as messages contain them.
pub(crate) fn bytes(batches: &[BatchId]) -> Vec<Vec<u8>> {
    batches.iter().map(|batch| batch.to_bytes().to_vec()).collect()
}

/// The ledger behind any gateway.
#[derive(Clone, Debug)]
pub struct GatewayLedger<C = Channel>(LedgerServiceClient<C>);

impl GatewayLedger {
    /// `url` such as `http://127.0.0.1:7003`, the operator's address of a gateway; `timeout` limits each call.
    /// Connects at its first call.
    ///
    /// # Errors
    /// `url` is not a URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        Ok(Self::on(channel(url, timeout)?))
    }
}

impl<C: Carrier> GatewayLedger<C> {
    /// Uses an existing channel.
    pub fn on(channel: C) -> Self {
        Self(ledger_client(channel))
    }

    async fn traces(
        &self,
        sale_id: u64,
        batches: &[BatchId],
        with_orders: bool,
    ) -> Result<Vec<v1::BatchTrace>, SideError> {
        let request = v1::TraceBatchesRequest { sale_id, batch_ids: bytes(batches), with_orders };
        let traces = self.0.clone().trace_batches(request).await.map_err(unavailable(GATEWAY))?;
        let traces = traces.into_inner().traces;
        if traces.len() == batches.len() {
            Ok(traces)
        } else {
            Err(invalid_response(GATEWAY)("number of traces"))
        }
    }
}

fn log_trace(trace: v1::BatchTrace) -> Result<LogTrace, SideError> {
    let status = match trace.status.as_str() {
        "" => None,
        name => {
            Some(LogStatus::parse(name).ok_or_else(|| invalid_response(GATEWAY)(format!("status {name}")))?)
        }
    };
    Ok(LogTrace { status, sums: snapshot::sums(trace.sums) })
}

fn order_mark(mark: &v1::OrderMark) -> Option<OrderMark> {
    let state = order::state(&mark.state, &mark.cancel_reason).ok()?;
    Some(OrderMark { sale: SaleId::new(mark.sale_id).ok()?, quantity: mark.quantity, state })
}

#[async_trait]
impl<C: Carrier> LedgerSide for GatewayLedger<C> {
    async fn snapshot(&self, sale: SaleId) -> Result<Option<LedgerSnapshot>, SideError> {
        let request = v1::SnapshotSaleRequest { sale_id: sale.get() };
        let snapshot = found(self.0.clone().snapshot_sale(request).await).map_err(unavailable(GATEWAY))?;
        snapshot.map(snapshot::ledger_snapshot).transpose().map_err(invalid_response(GATEWAY))
    }

    async fn trace(&self, sale: SaleId, batches: &[BatchId]) -> Result<Vec<LogTrace>, SideError> {
        self.traces(sale.get(), batches, false).await?.into_iter().map(log_trace).collect()
    }

    async fn orders(&self, batch: BatchId) -> Result<Vec<OrderMark>, SideError> {
        // The sums are ignored, so any sale will do.
        let traces = self.traces(1, &[batch], true).await?;
        let marks = traces.iter().flat_map(|trace| &trace.orders).map(order_mark);
        marks.collect::<Option<_>>().ok_or_else(|| invalid_response(GATEWAY)("an order"))
    }

    async fn purchase(&self, intent: &Intent) -> Result<Option<OrderId>, SideError> {
        let request = v1::FindPurchaseRequest { intent: Some(body::intent_body(intent)) };
        let found = self.0.clone().find_purchase(request).await.map_err(unavailable(GATEWAY))?.into_inner();
        if found.order_id.is_empty() {
            return Ok(None);
        }
        found.order_id.parse().map(Some).map_err(invalid_response(GATEWAY))
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, SideError> {
        let buyer_digests = buyers.iter().map(|buyer| buyer.0.to_vec()).collect();
        let request = v1::GetHoldingsRequest { sale_id: sale.get(), buyer_digests };
        let held = self.0.clone().get_holdings(request).await.map_err(unavailable(GATEWAY))?.into_inner();
        if held.units.len() == buyers.len() {
            Ok(held.units)
        } else {
            Err(invalid_response(GATEWAY)("number of holdings"))
        }
    }
}

/// The order store behind any order worker.
#[derive(Clone, Debug)]
pub struct WorkerStore<C = Channel>(OrderStoreServiceClient<C>);

impl WorkerStore {
    /// `url` such as `http://127.0.0.1:7070`, the operator's address of an order worker; `timeout` limits each call.
    /// Connects at its first call.
    ///
    /// # Errors
    /// `url` is not a URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        Ok(Self::on(channel(url, timeout)?))
    }
}

impl<C: Carrier> WorkerStore<C> {
    /// Uses an existing channel.
    pub fn on(channel: C) -> Self {
        Self(order_store_client(channel))
    }
}

#[async_trait]
impl<C: Carrier> StoreSide for WorkerStore<C> {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, SideError> {
        let request = v1::SnapshotStoreSaleRequest { sale_id: sale.get(), batch_ids: bytes(asked) };
        let sums = found(self.0.clone().snapshot_store_sale(request).await).map_err(unavailable(WORKER))?;
        sums.map(snapshot::store_snapshot).transpose().map_err(invalid_response(WORKER))
    }

    async fn batches(
        &self,
        sale: SaleId,
        before: Option<BatchId>,
        size: u32,
    ) -> Result<Vec<DecidedBatch>, SideError> {
        let before_batch_id = before.map(|batch| batch.to_bytes().to_vec()).unwrap_or_default();
        let request = v1::ListBatchesRequest { sale_id: sale.get(), before_batch_id, page_size: size };
        let page = self.0.clone().list_batches(request).await.map_err(unavailable(WORKER))?;
        snapshot::batches(page.into_inner()).map_err(invalid_response(WORKER))
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, SideError> {
        let request = v1::GetOutcomeRequest { batch_id: batch.to_bytes().to_vec() };
        let found = self.0.clone().get_outcome(request).await.map_err(unavailable(WORKER))?.into_inner();
        found.outcome.map(body::batch_outcome).transpose().map_err(invalid_response(WORKER))
    }

    async fn buyers(
        &self,
        sale: SaleId,
        after: Option<&BuyerId>,
        size: u32,
    ) -> Result<Vec<BuyerUnits>, SideError> {
        let after_buyer_id = after.map_or("", BuyerId::as_str).to_owned();
        let request = v1::ListBuyersRequest { sale_id: sale.get(), after_buyer_id, page_size: size };
        let page = self.0.clone().list_buyers(request).await.map_err(unavailable(WORKER))?;
        snapshot::buyers(page.into_inner()).map_err(invalid_response(WORKER))
    }
}

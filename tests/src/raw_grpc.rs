//! gRPC calls with any bytes for a message, to any method: what no generated client would send.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};

/// A gRPC server, as a peer sees it that keeps to the framing and to nothing else.
#[derive(Clone, Debug)]
pub struct RawGrpc(Grpc<Channel>);

impl RawGrpc {
    /// The server that listens there. Must be called within a runtime.
    ///
    /// # Panics
    /// Never: an address makes a URL.
    pub fn new(address: SocketAddr) -> Self {
        Self(Grpc::new(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()))
    }

    /// Sends the messages to `/service/Method`, and returns the one message that comes back.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub async fn call(
        &self,
        path: &'static str,
        request: Request<impl Stream<Item = Bytes> + Send + 'static>,
    ) -> Result<Response<Bytes>, Status> {
        self.ready().await.client_streaming(request, PathAndQuery::from_static(path), AnyBytes).await
    }

    /// The same for a method that answers with many messages.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub async fn call_streaming(
        &self,
        path: &'static str,
        request: Request<impl Stream<Item = Bytes> + Send + 'static>,
    ) -> Result<Response<Streaming<Bytes>>, Status> {
        self.ready().await.streaming(request, PathAndQuery::from_static(path), AnyBytes).await
    }

    async fn ready(&self) -> Grpc<Channel> {
        let Self(grpc) = self;
        let mut grpc = grpc.clone();
        grpc.ready().await.expect("the server can be reached");
        grpc
    }
}

/// Leaves messages as they are.
#[derive(Clone, Copy, Debug)]
struct AnyBytes;

impl Codec for AnyBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AnyBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for AnyBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

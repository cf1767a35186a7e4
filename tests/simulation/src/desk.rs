//! Where operators and gateways call: whichever process is alive answers.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http},
};

use crate::{
    life::Life,
    network::{Link, Server},
};

/// The processes of a kind, each with its life and with what can be called there.
pub struct Desk<T> {
    open: Vec<(Arc<Life>, T)>,
    turn: usize,
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self { open: Vec::new(), turn: 0 }
    }
}

impl<T: Clone> Desk<T> {
    /// A process is up.
    pub fn open(&mut self, life: Arc<Life>, service: T) {
        self.open.push((life, service));
    }

    /// One that is alive, another one every time.
    pub fn anyone(&mut self) -> Option<(Arc<Life>, T)> {
        self.open.retain(|(life, _service)| !life.is_over());
        self.turn += 1;
        let place = self.turn % self.open.len().max(1);
        self.open.get(place).cloned()
    }
}

/// Does `work` at some process of a desk; `None` if there is none, or it dies meanwhile.
pub async fn at_anyone<T, W>(desk: Arc<Server<Desk<T>>>, work: impl FnOnce(T) -> W) -> Option<W::Output>
where
    T: Clone + Send + 'static,
    W: Future,
{
    let (life, front) = { desk.state().anyone() }?;
    tokio::select! {
        biased;
        () = life.ended() => None,
        done = work(front) => Some(done),
    }
}

/// A way to the gRPC services of a desk, for clients: what they encode goes over the simulated network.
pub struct Channel<S>(Link<Desk<S>>);

impl<S> Clone for Channel<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Channel<S> {
    /// Over `link`.
    pub const fn new(link: Link<Desk<S>>) -> Self {
        Self(link)
    }
}

impl<S> Service<http::Request<Body>> for Channel<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (link, method) = (self.0.clone(), request.uri().path().to_owned());
        let server = Arc::clone(link.server());
        let at_a_process = async move {
            let answer = at_anyone(server, |mut service| async move { service.call(request).await }).await;
            answer.map_or_else(
                || unavailable("nobody is there"),
                |answer| answer.unwrap_or_else(|never| match never {}),
            )
        };
        let answered = async move { link.carry("grpc", method, at_a_process).await };
        Box::pin(async { Ok(answered.await.unwrap_or_else(|_lost| unavailable("no answer"))) })
    }
}

fn unavailable(why: &str) -> http::Response<Body> {
    Status::unavailable(why).into_http()
}

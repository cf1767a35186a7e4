//! HTTP/1.1, with minimal work: it shares its cores with the servers that it measures.
//!
//! One connection carries one request at a time. Requests are assembled in a reused buffer, and
//! a response is parsed in place.

mod request;
mod response;

use std::{sync::Arc, time::Duration};

use request::Template;
use response::Arrived;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{
    crowd::Ask,
    deadline::Deadline,
    http_answer::{RESPONSE_BYTES_MAX, Reply},
    outcome::{Answer, Fault},
    plan::Plan,
    target::Server,
    wire::{Wire, connect},
};

/// Minimum idle time after which the server may have closed a connection.
const IDLE_MIN: Duration = Duration::from_secs(1);

/// Shared by the connections to one server.
#[derive(Clone, Debug)]
pub(super) struct Http1 {
    plan: Arc<Plan>,
    server: Server,
    template: Arc<Template>,
}

impl Http1 {
    pub(super) fn new(plan: &Arc<Plan>, server: &Server) -> Self {
        let template = Arc::new(Template::new(plan, server));
        Self { plan: Arc::clone(plan), server: server.clone(), template }
    }

    pub(super) fn wire(&self) -> Http1Wire {
        Http1Wire {
            shared: self.clone(),
            stream: None,
            answered_at: None,
            connects: 0,
            deadline: Deadline::new(),
            request: Vec::new(),
            response: vec![0; RESPONSE_BYTES_MAX],
            response_len: 0,
        }
    }
}

/// One connection, opened when needed.
#[derive(Debug)]
pub(super) struct Http1Wire {
    shared: Http1,
    stream: Option<TcpStream>,
    /// When the last answer arrived on this stream.
    answered_at: Option<Instant>,
    connects: u64,
    deadline: Deadline,
    request: Vec<u8>,
    response: Vec<u8>,
    /// The number of bytes of `response` that have arrived.
    response_len: usize,
}

impl Wire for Http1Wire {
    async fn ready(&mut self) -> Result<(), Fault> {
        if self.stream.is_none() {
            self.stream = Some(connect(&self.shared.server, self.shared.plan.limits.connect_timeout).await?);
            self.answered_at = None;
            self.connects += 1;
        }
        Ok(())
    }

    async fn buy(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        self.shared.template.write(ask, &mut self.request);
        let with_order = self.shared.plan.needs_orders();
        self.ask(|reply| reply.answer(with_order)).await
    }

    fn take_connects(&mut self) -> u64 {
        std::mem::take(&mut self.connects)
    }
}

impl Http1Wire {
    /// Whether the order has been decided: confirmed, cancelled, or further on.
    pub(super) async fn is_decided(&mut self, order: u64, buyer: u64) -> Result<bool, Fault> {
        self.ready().await?;
        self.shared.template.write_look_up(order, buyer, &mut self.request);
        self.ask(|reply| reply.is_decided()).await
    }

    /// Sends the request in the buffer, on a new connection if the server has closed this one.
    async fn ask<T>(&mut self, judge: impl Fn(&Reply<'_>) -> T) -> Result<T, Fault> {
        let was_idle = self.answered_at.is_some_and(|at| at.elapsed() >= IDLE_MIN);
        self.deadline.set(self.shared.plan.limits.request_timeout);
        let mut exchanged = self.exchange(&judge).await;
        // The server may have closed the idle connection while the request was in flight, without processing it.
        // If it was processed after all, its key makes the second request harmless.
        if matches!(exchanged, Err(Fault::ConnectionLost)) && was_idle && self.response_len == 0 {
            self.stream = None;
            exchanged = match self.ready().await {
                Ok(()) => self.exchange(&judge).await,
                Err(fault) => Err(fault),
            };
        }
        self.answered_at = exchanged.is_ok().then(Instant::now);
        if !matches!(exchanged, Ok((_, false))) {
            self.stream = None;
        }
        exchanged.map(|(judged, _close)| judged)
    }

    /// Sends the request and reads the complete response. Returns the result of `judge`, and whether the
    /// server closes.
    async fn exchange<T>(&mut self, judge: impl Fn(&Reply<'_>) -> T) -> Result<(T, bool), Fault> {
        let Some(stream) = &mut self.stream else { return Err(Fault::ConnectionLost) };
        let lost = |_why| Fault::ConnectionLost;
        self.response_len = 0;
        let sent = self.deadline.limit(stream.write_all(&self.request)).await;
        sent.ok_or(Fault::RequestTimeout)?.map_err(lost)?;
        loop {
            let free = &mut self.response[self.response_len..];
            if free.is_empty() {
                return Err(Fault::BadResponse);
            }
            let read = self.deadline.limit(stream.read(free)).await;
            match read.ok_or(Fault::RequestTimeout)?.map_err(lost)? {
                0 => return Err(Fault::ConnectionLost),
                read => self.response_len += read,
            }
            match response::parse(&self.response[..self.response_len]) {
                Ok(Arrived::Whole { reply, close }) => return Ok((judge(&reply), close)),
                Ok(Arrived::Part) => {}
                Err(response::InvalidResponse) => return Err(Fault::BadResponse),
            }
        }
    }
}

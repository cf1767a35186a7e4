//! A TCP proxy that can cut the line, slow it down or let it go silent, and lead to another server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// What becomes of what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It passes.
    Open,
    /// It passes, each piece so much later.
    Slow(Duration),
    /// Connections stay, new ones are taken, and nothing passes until the line is open again: half-open.
    Silent,
    /// Connections are closed, and new ones as soon as they come.
    Cut,
}

/// Stands in front of one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<watch::Sender<Line>>,
    server: Arc<watch::Sender<SocketAddr>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `server`, open.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(watch::Sender::new(Line::Open));
        let server = Arc::new(watch::Sender::new(server));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&server), Arc::clone(&line)));
        Self { address, line, server, accepting }
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what becomes of what passes, for connections that are there and those to come.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Leads new connections to `server`.
    pub fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.line.send_replace(Line::Cut);
    }
}

async fn accept(
    listener: TcpListener,
    server: Arc<watch::Sender<SocketAddr>>,
    line: Arc<watch::Sender<Line>>,
) {
    while let Ok((client, _peer)) = listener.accept().await {
        tokio::spawn(carry(client, *server.borrow(), line.subscribe()));
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut line: watch::Receiver<Line>) {
    if line.wait_for(|line| *line != Line::Silent).await.is_ok_and(|line| *line == Line::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    // Small requests and answers: waiting to fill a packet would be the proxy's delay, not the server's.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, line.clone()) => {}
        () = pass(from_server, to_client, line.clone()) => {}
        _cut = line.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let passes = |line: &Line| matches!(line, Line::Open | Line::Slow(_));
        let passing = line.wait_for(passes).await.map(|line| *line);
        if let Ok(Line::Slow(delay)) = passing {
            sleep(delay).await;
        }
        let open = passing.is_ok();
        let part = bytes.get(..count).unwrap_or_default();
        if !open || to.write_all(part).await.is_err() {
            return;
        }
    }
}

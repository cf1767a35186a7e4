//! A TCP proxy that can cut the line, slow it down, let it go silent or freeze what is open, and lead to another
//! server.

mod translate;

use std::{future::pending, mem, net::SocketAddr, sync::Arc, time::Duration};

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
use translate::{Translation, Translator};

use crate::eventually::eventually;

/// What becomes of what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It passes.
    Open,
    /// It passes, each piece so much later.
    Slow(Duration),
    /// Requests pass, and answers get lost: what servers send is thrown away.
    Mute,
    /// Connections stay, new ones are taken, and nothing passes until the line is open again: half-open.
    Silent,
    /// Connections are closed, and new ones as soon as they come.
    Cut,
}

/// How long it may take until a client connects.
const OPEN_TIME: Duration = Duration::from_secs(30);

/// Stands in front of one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

/// What a proxy does now.
#[derive(Clone, Debug)]
struct State {
    line: Line,
    server: SocketAddr,
    /// How often it froze what was open.
    freezes: u64,
    /// What was frozen by so many of them is closed.
    closed: u64,
    /// Held by each connection that was taken since the last freeze, once: counts them.
    carried: Arc<()>,
}

impl Proxy {
    /// A proxy in front of `server`, open.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn before(server: SocketAddr) -> Self {
        Self::start(server, None).await
    }

    /// The same, which also has `to` instead of `from` in what the server sends: a name server then leads its clients
    /// through a proxy.
    ///
    /// # Panics
    /// If it cannot listen, or the texts differ in length.
    pub async fn translating(server: SocketAddr, from: &str, to: &str) -> Self {
        Self::start(server, Some(Translation::new(from, to))).await
    }

    async fn start(server: SocketAddr, translation: Option<Translation>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { line: Line::Open, server, freezes: 0, closed: 0, carried: Arc::default() };
        let state = Arc::new(watch::Sender::new(state));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state), translation));
        Self { address, state, accepting }
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what becomes of what passes, for connections that are there and those to come. Frozen ones stay frozen.
    pub fn set(&self, line: Line) {
        self.state.send_modify(|state| state.line = line);
    }

    /// Leads new connections to `server`. Those that are there stay with theirs.
    pub fn lead_to(&self, server: SocketAddr) {
        self.state.send_modify(|state| state.server = server);
    }

    /// Freezes the connections that are open now, for good: both ends keep theirs and nothing passes any more, not even
    /// its end, as after a lost host or an expired NAT entry. What an end still sends is accepted until the buffers of
    /// the system are full, and never arrives. Connections to come are not frozen. Nothing thaws frozen ones;
    /// [`Proxy::close_frozen`] ends them.
    ///
    /// Returns how many connections it froze: 0 shows nothing.
    pub fn freeze(&self) -> usize {
        let mut frozen = Arc::default();
        self.state.send_modify(|state| {
            state.freezes += 1;
            mem::swap(&mut state.carried, &mut frozen);
        });
        Arc::strong_count(&frozen) - 1
    }

    /// The same, once at least one connection is open.
    ///
    /// # Panics
    /// If none is opened for long.
    pub async fn freeze_open(&self) {
        eventually("a connection to freeze", OPEN_TIME, async || match self.freeze() {
            0 => Err("none is open".to_owned()),
            _ => Ok(()),
        })
        .await;
    }

    /// Closes the frozen connections at both ends, as keep-alives of the system would some day.
    pub fn close_frozen(&self) {
        self.state.send_modify(|state| state.closed = state.freezes);
    }

    /// How many connections it carries, frozen ones not counted.
    pub fn connections(&self) -> usize {
        self.counter()()
    }

    /// Tells how many connections it carries, frozen ones not counted, when it is asked.
    pub fn counter(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let state = self.state.subscribe();
        move || Arc::strong_count(&state.borrow().carried) - 1
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The last sender goes with this task: it ends the frozen connections.
        self.accepting.abort();
        self.set(Line::Cut);
    }
}

async fn accept(listener: TcpListener, state: Arc<watch::Sender<State>>, translation: Option<Translation>) {
    while let Ok((client, _peer)) = listener.accept().await {
        let now = state.borrow().clone();
        let watched = Watched { state: state.subscribe(), freezes: now.freezes };
        let translator = translation.as_ref().map(Translation::translator);
        tokio::spawn(carry(client, now, watched, translator));
    }
}

/// The state of the proxy, as one connection sees it.
#[derive(Clone)]
struct Watched {
    state: watch::Receiver<State>,
    /// As many as there were when the connection was taken.
    freezes: u64,
}

impl Watched {
    /// Waits until `wanted` says yes of the line, and returns the line. Never returns once the connection is frozen or
    /// the proxy is gone.
    async fn until(&mut self, wanted: impl Fn(Line) -> bool) -> Line {
        let Self { state, freezes } = self;
        let reached = state.wait_for(|state| state.freezes != *freezes || wanted(state.line)).await;
        match reached.ok().and_then(|state| (state.freezes == *freezes).then_some(state.line)) {
            Some(line) => line,
            None => pending().await,
        }
    }

    /// Waits until the connection is frozen or the proxy is gone.
    async fn frozen(&mut self) {
        let Self { state, freezes } = self;
        drop(state.wait_for(|state| state.freezes != *freezes).await);
    }

    /// Waits until the connection, which is frozen, is closed or the proxy is gone.
    async fn closed(mut self) {
        drop(self.state.wait_for(|state| state.closed > self.freezes).await);
    }
}

async fn carry(mut client: TcpStream, at_start: State, watched: Watched, translator: Option<Translator>) {
    let State { server, carried, .. } = at_start;
    let mut frozen = watched.clone();
    let mut line = watched.clone();
    let connected = tokio::select! {
        biased;
        () = frozen.frozen() => None,
        connected = connect(&mut client, server, &mut line) => Some(connected),
    };
    match connected {
        None => {
            drop(carried);
            watched.closed().await;
        }
        Some(None) => {}
        Some(Some(server)) => join(client, server, watched, carried, translator).await,
    }
}

/// The connection to the server; none if the line is cut or the server takes none.
async fn connect(client: &mut TcpStream, server: SocketAddr, watched: &mut Watched) -> Option<TcpStream> {
    if watched.until(|line| line != Line::Silent).await == Line::Cut {
        return None;
    }
    let server = TcpStream::connect(server).await.ok()?;
    // Small requests and answers: waiting to fill a packet would be the proxy's delay, not the server's.
    client.set_nodelay(true).and(server.set_nodelay(true)).ok()?;
    Some(server)
}

/// Passes what comes, until an end closes or the line is cut.
async fn join(
    client: TcpStream,
    server: TcpStream,
    watched: Watched,
    carried: Arc<()>,
    translator: Option<Translator>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let [mut frozen, mut forth, mut back, mut cut] = [(); 4].map(|()| watched.clone());
    tokio::select! {
        biased;
        () = frozen.frozen() => {
            drop(carried);
            watched.closed().await;
        }
        () = pass(&mut from_client, &mut to_server, &mut forth, None, false) => {}
        () = pass(&mut from_server, &mut to_client, &mut back, translator, true) => {}
        _cut = cut.until(|line| line == Line::Cut) => {}
    }
}

async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    watched: &mut Watched,
    mut translator: Option<Translator>,
    are_answers: bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await;
        // The end of a connection passes like bytes do.
        let line = watched.until(|line| matches!(line, Line::Open | Line::Slow(_) | Line::Mute)).await;
        let Ok(count @ 1..) = read else { return };
        if line == Line::Mute && are_answers {
            continue;
        }
        if let Line::Slow(delay) = line {
            sleep(delay).await;
        }
        let part = bytes.get(..count).unwrap_or_default();
        let written = match &mut translator {
            None => to.write_all(part).await,
            Some(translator) => to.write_all(&translator.pass(part)).await,
        };
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Longer than anything takes that passes.
    const PASSES: Duration = Duration::from_secs(20);
    /// So long nothing may come.
    const QUIET: Duration = Duration::from_millis(300);

    /// A server that answers each byte with its own. Where it listens.
    async fn server(answer: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    while client.read_u8().await.is_ok() {
                        client.write_u8(answer).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn ask(connection: &mut TcpStream) -> u8 {
        connection.write_u8(0).await.unwrap();
        timeout(PASSES, connection.read_u8()).await.expect("an answer").unwrap()
    }

    async fn asked(proxy: &Proxy) -> (TcpStream, u8) {
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        let answer = ask(&mut connection).await;
        (connection, answer)
    }

    #[tokio::test]
    async fn frozen_connections_stay_open_and_silent_and_new_ones_pass() {
        let proxy = Proxy::before(server(1).await).await;
        let (mut old, _answer) = asked(&proxy).await;
        assert_eq!(proxy.freeze(), 1);
        assert_eq!(proxy.connections(), 0);
        old.write_u8(0).await.unwrap();
        let (mut new, answer) = asked(&proxy).await;
        assert_eq!(answer, 1);
        // Neither another freeze nor a line that was cut and is open again gives anything back.
        assert_eq!(proxy.freeze(), 1);
        new.write_u8(0).await.unwrap();
        for line in [Line::Silent, Line::Cut, Line::Open] {
            proxy.set(line);
            assert!(timeout(QUIET, old.read_u8()).await.is_err(), "{line:?}");
            assert!(timeout(QUIET, new.read_u8()).await.is_err(), "{line:?}");
        }
        proxy.close_frozen();
        assert!(timeout(PASSES, old.read_u8()).await.expect("closed").is_err());
        let (mut third, answer) = asked(&proxy).await;
        assert_eq!(answer, 1);
        proxy.freeze();
        drop(proxy);
        assert!(timeout(PASSES, third.read_u8()).await.expect("closed").is_err());
    }

    #[tokio::test]
    async fn the_end_of_a_frozen_connection_does_not_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap()).await;
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_u8(7).await.unwrap();
        let (mut server, _peer) = listener.accept().await.unwrap();
        assert_eq!(timeout(PASSES, server.read_u8()).await.expect("a byte").unwrap(), 7);
        proxy.freeze();
        drop(client);
        assert!(timeout(QUIET, server.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn what_the_server_sends_is_translated() {
        let proxy = Proxy::translating(server(b'x').await, "xx", "yz").await;
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        connection.write_all(b"...").await.unwrap();
        let mut answer = [0; 2];
        timeout(PASSES, connection.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert_eq!(&answer, b"yz");
    }

    #[tokio::test]
    async fn new_connections_are_led_to_the_other_server_and_old_ones_stay() {
        let proxy = Proxy::before(server(1).await).await;
        let (mut old, _answer) = asked(&proxy).await;
        proxy.lead_to(server(2).await);
        assert_eq!(asked(&proxy).await.1, 2);
        assert_eq!(ask(&mut old).await, 1);
    }
}

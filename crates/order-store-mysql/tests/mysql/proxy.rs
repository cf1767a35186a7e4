//! A TCP proxy whose connections can be frozen: they stay open, and pass no more data.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// How often connections were frozen, and whether new ones are frozen too.
    frozen: watch::Sender<(u64, bool)>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let frozen = watch::Sender::new((0, false));
        let watching = frozen.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _peer)) = listener.accept().await {
                tokio::spawn(carry(client, server, watching.clone()));
            }
        });
        Self { address, frozen }
    }

    /// Freezes the open connections; with `to_come` also new ones, until the next call.
    pub(crate) fn freeze(&self, to_come: bool) {
        self.frozen.send_modify(|frozen| *frozen = (frozen.0 + 1, to_come));
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut frozen: watch::Receiver<(u64, bool)>) {
    let (times, at_once) = *frozen.borrow_and_update();
    let mut server = TcpStream::connect(server).await.unwrap();
    if !at_once {
        tokio::select! {
            biased;
            _frozen = frozen.wait_for(|frozen| frozen.0 > times) => {}
            _ended = copy_bidirectional(&mut client, &mut server) => return,
        }
    }
    // Both ends stay open, without data.
    let _closed = frozen.wait_for(|_frozen| false).await;
}

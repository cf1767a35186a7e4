//! A gateway in this process, and a buyer's HTTP to it.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use flashgate_domain::{SystemClock, id::ShardCount};
use flashgate_gateway::{
    app::{self, Dependencies, Sockets},
    config::Config,
};
use flashgate_ledger::Retention;
use flashgate_ledger_sqlite::SqliteLedger;
use flashgate_messaging::{Join, Subscription, Topic};
use flashgate_service::config::load;
use flashgate_supervision::Supervisor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::servers::{Broker, SALE, Sales};

/// Any free port for each listener. The text of a test goes on in the table of listeners.
const LISTEN: &str = "[redis]\nurls = [\"redis://127.0.0.1:1\"]\n\
    [listen]\nhttp = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\noperator = \"127.0.0.1:0\"\n";

/// Longer than a test.
const RETENTION: Retention = Retention { log: Duration::from_hours(1), sale: Duration::from_hours(1) };

pub(crate) struct Gateway {
    http: SocketAddr,
    leave: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    _folder: TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A way into a group that gets nothing.
fn joining() -> Join {
    Box::new(|| {
        let broker: Box<dyn Subscription> = Box::new(Broker);
        Box::pin(async { Ok(broker) })
    })
}

impl Gateway {
    /// A gateway with that configuration, beside its addresses, and one sale of two units.
    pub(crate) async fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, format!("{LISTEN}{configuration}")).unwrap();
        let config: Config = load(Some(&file), "FLASHGATE_NO_SUCH_PREFIX__").unwrap();
        let (path, shards) = (folder.path().join("ledger.sqlite"), ShardCount::ONE);
        let ledger = SqliteLedger::open(&path, Arc::new(SystemClock), shards, RETENTION).unwrap();
        let parts = Dependencies {
            ledger: Arc::new(ledger),
            shards,
            producer: Arc::new(Broker),
            orders_topic: Topic::new("orders").unwrap(),
            belonging: Arc::default(),
            outcomes: joining(),
            lifecycle: joining(),
            sale_events: Box::new(Broker),
            registry: Arc::new(Sales::default()),
            clock: Arc::new(SystemClock),
            seed: 1,
        };
        let (leave, (up, heard)) = (CancellationToken::new(), oneshot::channel());
        let (supervisor, sockets) = (Supervisor::new(leave.clone()), Sockets::bind(&config.listen).unwrap());
        let running = tokio::spawn(async move {
            app::run(&config.settings(1_024), parts, sockets, None, up, &supervisor).await
        });
        Self { http: heard.await.unwrap().http, leave, running, _folder: folder }
    }

    /// Asks for one unit.
    pub(crate) async fn buy(&self, buyer: &str, key: &str) -> Answer {
        self.ask(buyer, key, "{\"quantity\":1}").await
    }

    /// Announces a body and sends none.
    pub(crate) async fn buy_without_body(&self, buyer: &str, key: &str) -> Answer {
        self.ask(buyer, key, "").await
    }

    async fn ask(&self, buyer: &str, key: &str, body: &str) -> Answer {
        let mut connection = TcpStream::connect(self.http).await.unwrap();
        let request = format!(
            "POST /v1/sales/{SALE}/orders HTTP/1.1\r\nhost: gateway\r\nx-buyer-id: {buyer}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\
             connection: close\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: serde_json::from_str(body).unwrap() }
    }

    /// Shuts it down.
    pub(crate) async fn stop(self) {
        self.leave.cancel();
        self.running.await.unwrap().unwrap();
    }
}

//! The contract suite on a Redis Cluster: three masters on loopback, started by this file.
#![expect(clippy::unwrap_used, reason = "a test without its server must stop")]

#[path = "server/mod.rs"]
mod server;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use flashgate_domain::id::ShardCount;
use flashgate_ledger::contract::Subject;
use flashgate_ledger_redis::RedisConfig;
use server::{Server, command, config, ledger};

const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// Three masters that share the slots.
struct Cluster(Vec<Server>);

impl Cluster {
    fn start() -> Self {
        let more =
            ["--cluster-enabled", "yes", "--cluster-port", "{bus_port}", "--cluster-node-timeout", "2000"];
        let servers: Vec<_> = SLOTS.iter().map(|_slots| Server::start(&more)).collect();
        for (server, (first, last)) in servers.iter().zip(SLOTS) {
            let mut connection = server.connect();
            command::<()>(&mut connection, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            for other in &servers {
                let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", other.port, other.bus_port);
                command::<()>(&mut connection, &meet);
            }
        }
        let cluster = Self(servers);
        cluster.wait();
        cluster
    }

    fn wait(&self) {
        let agreed = |server: &Server| {
            let info: String = command(&mut server.connect(), "CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        for _attempt in 0..1_000 {
            if self.0.iter().all(agreed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the cluster did not start");
    }

    fn config(&self) -> RedisConfig {
        let first = self.0.first().unwrap();
        let mut config = config(&first.url());
        config.cluster = true;
        config.shards = ShardCount::new(8).unwrap();
        config
    }
}

/// One cluster for all tests of the file: the suite gives each ledger its own prefix.
static CLUSTER: OnceLock<Cluster> = OnceLock::new();

async fn fresh() -> Subject {
    let config = CLUSTER.get_or_init(Cluster::start).config();
    Subject { ledger: Arc::new(ledger(&config)), shards: config.shards }
}

flashgate_ledger::ledger_contract!(fresh);

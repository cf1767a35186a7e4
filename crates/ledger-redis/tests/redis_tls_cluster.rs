//! The contract suite on a Redis Cluster over TLS, as a user with a password: three masters on loopback, started by
//! this file. A shard is found by the redirections of the node in the configuration.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test without its server must stop")]

#[path = "server/mod.rs"]
mod server;

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use flashgate_domain::id::ShardCount;
use flashgate_ledger::contract::Subject;
use flashgate_ledger_redis::RedisConfig;
use server::{Server, command, config, ledger, unique};

const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// Three masters that share the slots, with the certificate of an authority of their own.
struct Cluster {
    servers: Vec<Server>,
    authority: PathBuf,
}

/// Makes an authority and a certificate for 127.0.0.1; returns the folder with `ca.pem`, `server.pem`, `server.key`.
fn certificates() -> PathBuf {
    let folder = std::env::temp_dir().join(unique());
    std::fs::create_dir_all(&folder).unwrap();
    let script = "
        new='req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
        openssl $new -subj /CN=authority -keyout ca.key -out ca.pem
        openssl $new -subj /CN=server -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE \
            -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.pem";
    let made =
        Command::new("sh").args(["-ec", script]).current_dir(&folder).output().expect("sh and openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

impl Cluster {
    fn start() -> Self {
        let folder = certificates();
        let file = |name: &str| folder.join(name).display().to_string();
        let (authority, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        let more = [
            ["--cluster-enabled", "yes"],
            ["--cluster-port", "{bus_port}"],
            ["--cluster-node-timeout", "2000"],
            ["--tls-port", "{tls_port}"],
            ["--tls-cluster", "yes"],
            ["--tls-ca-cert-file", &authority],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-auth-clients", "no"],
        ];
        let servers: Vec<_> = SLOTS.iter().map(|_slots| Server::start(&more.concat())).collect();
        for (server, (first, last)) in servers.iter().zip(SLOTS) {
            let mut connection = server.connect();
            command::<()>(&mut connection, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            command::<()>(&mut connection, "ACL SETUSER gateway on >hunter2 ~* &* +@all");
            for other in &servers {
                let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", other.tls_port, other.bus_port);
                command::<()>(&mut connection, &meet);
            }
        }
        let cluster = Self { servers, authority: folder.join("ca.pem") };
        cluster.wait();
        cluster
    }

    fn wait(&self) {
        let agreed = |server: &Server| {
            let info: String = command(&mut server.connect(), "CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        for _attempt in 0..1_000 {
            if self.servers.iter().all(agreed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the cluster did not start");
    }

    fn config(&self) -> RedisConfig {
        let first = self.servers.first().unwrap();
        let mut config = config(&format!("rediss://gateway@127.0.0.1:{}", first.tls_port));
        config.password = Some("hunter2".to_owned().into());
        config.tls.ca_file = Some(self.authority.clone());
        config.cluster = true;
        config.shards = ShardCount::new(8).unwrap();
        config
    }
}

/// One cluster for all tests of the file: the suite gives each ledger its own prefix.
static CLUSTER: OnceLock<Cluster> = OnceLock::new();

async fn fresh() -> Subject {
    let config = CLUSTER.get_or_init(Cluster::start).config();
    let ledger = ledger(&config);
    ledger.check_access().await.unwrap();
    Subject { ledger: Arc::new(ledger), shards: config.shards }
}

flashgate_ledger::ledger_contract!(fresh);

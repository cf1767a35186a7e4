//! The contract suite of `flashgate-messaging`, each test on its own embedded broker.
#![expect(clippy::expect_used, reason = "a test without its server must stop")]

use flashgate_embedded_broker::{EmbeddedBroker, EmbeddedBrokerConfig};
use flashgate_messaging::contract::Server;
use tempfile::TempDir;

struct Inside {
    broker: EmbeddedBroker,
    _folder: TempDir,
}

impl Server for Inside {
    fn name_server(&self) -> String {
        self.broker.name_server().to_string()
    }
}

async fn inside() -> Inside {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = EmbeddedBroker::start(folder.path().to_owned(), &EmbeddedBrokerConfig::default()).await;
    Inside { broker: broker.expect("the broker starts"), _folder: folder }
}

flashgate_messaging::bus_contract!(inside);

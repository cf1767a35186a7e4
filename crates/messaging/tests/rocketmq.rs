//! The contract suite against the RocketMQ at `FLASHGATE_NAMESRV` (`host:port`).
#![expect(clippy::expect_used, reason = "a test without its server must stop")]

use flashgate_messaging::contract::Server;

struct Given(String);

impl Server for Given {
    fn name_server(&self) -> String {
        self.0.clone()
    }
}

async fn given() -> Given {
    Given(
        std::env::var("FLASHGATE_NAMESRV")
            .expect("FLASHGATE_NAMESRV must name a running RocketMQ name server, as host:port"),
    )
}

flashgate_messaging::bus_contract!(given);

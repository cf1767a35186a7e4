//! The contract suite of the bus against the release of RocketMQ before the usual one.

use std::sync::{Arc, Weak};

use flashgate_messaging::contract::Server;
use flashgate_tests::own_stack::OwnStack;
use tokio::sync::Mutex;

const VERSION: &str = "5.3.3";

/// The servers that the tests at work share; the last one stops them.
static AT_WORK: Mutex<Weak<OwnStack>> = Mutex::const_new(Weak::new());

struct Shared(Arc<OwnStack>);

impl Server for Shared {
    fn name_server(&self) -> String {
        self.0.name_server()
    }
}

async fn shared() -> Shared {
    let mut at_work = AT_WORK.lock().await;
    if let Some(stack) = at_work.upgrade() {
        return Shared(stack);
    }
    let stack = Arc::new(OwnStack::of_rocketmq(VERSION).await);
    *at_work = Arc::downgrade(&stack);
    Shared(stack)
}

flashgate_messaging::bus_contract!(shared);

//! The order store of the simulation does what MySQL's does.

use std::sync::Arc;

use flashgate_order_store::contract::Subject;
use flashgate_simulation::{
    clock::SimClock,
    network::{Link, Network, Server},
    random::stream,
    store::{SimStore, StoreState},
    trace::Trace,
};
use tokio::time::Instant;

flashgate_order_store::order_store_contract!(fresh);

async fn fresh() -> Subject {
    let network = Network::new(Trace::new(false));
    let server = Server::new("store", network, StoreState::default(), stream(0, "network"));
    let store = || {
        Arc::new(SimStore::new(Link::direct(Arc::clone(&server)), Arc::new(SimClock::new(Instant::now()))))
    };
    Subject { stores: [store(), store()], clean_up: Box::new(()) }
}

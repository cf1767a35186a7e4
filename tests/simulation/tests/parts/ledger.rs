//! The ledger of the simulation does what Redis's does.

use std::sync::Arc;

use flashgate_domain::{SystemClock, id::ShardCount};
use flashgate_ledger::contract::Subject;
use flashgate_simulation::{
    ledger::{LedgerState, SimLedger},
    network::{Link, Network, Server},
    random::stream,
    trace::Trace,
};

flashgate_ledger::ledger_contract!(fresh);

async fn fresh() -> Subject {
    let network = Network::new(Trace::new(false));
    let state = LedgerState::new(4, (0, stream(0, "notes")));
    let server = Server::new("ledger", network, state, stream(0, "network"));
    let shards = ShardCount::new(3).unwrap_or(ShardCount::ONE);
    let ledger = SimLedger::new(Link::direct(server), Arc::new(SystemClock), shards);
    Subject { ledger: Arc::new(ledger), shards }
}

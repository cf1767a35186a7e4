//! The operator's proof: `flashgate_operations`, over the gRPC interfaces of whichever gateway and worker answer, while
//! everything goes on.

use std::sync::Arc;

use flashgate_domain::{SaleId, audit::Report};
use flashgate_gateway::edge::operator::ledger::LedgerServiceImpl;
use flashgate_operations::{
    audit::{LedgerSide, Plan, SideError, examine},
    client::{GatewayLedger, WorkerStore},
};
use flashgate_proto::v1::ledger_service_server::LedgerServiceServer;
use parking_lot::Mutex;
use tonic::service::Routes;

use crate::{
    desk::Channel,
    flaw::{self, Flaw},
    life::Life,
    servers::Servers,
    trace::Trace,
};

/// What gateways answer operators.
pub type GatewayDesk = LedgerServiceServer<LedgerServiceImpl>;
/// What workers answer operators.
pub type WorkerDesk = Routes;

/// What the audits of a history came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audits {
    /// Those that told something.
    pub told: u64,
    /// Those of them that saw batches in flight.
    pub in_flight: u64,
    /// Those of them that found something.
    pub found: u64,
    /// Those that could not be made: a side did not answer.
    pub unanswered: u64,
}

impl Audits {
    /// Adds those of another history.
    pub const fn add(&mut self, others: Self) {
        self.told += others.told;
        self.in_flight += others.in_flight;
        self.found += others.found;
        self.unanswered += others.unanswered;
    }
}

/// Somebody who audits.
#[derive(Clone)]
pub struct Auditor {
    ledger: Arc<dyn LedgerSide>,
    store: WorkerStore<Channel<WorkerDesk>>,
    servers: Arc<Servers>,
    audits: Arc<Mutex<Audits>>,
}

impl Auditor {
    /// Calls as `life`.
    pub fn new(servers: &Arc<Servers>, life: &Arc<Life>, flaw: Option<Flaw>) -> Self {
        Self {
            ledger: flaw::audited(GatewayLedger::on(servers.gateway_desk_of(life)), flaw),
            store: WorkerStore::on(servers.worker_desk_of(life)),
            servers: Arc::clone(servers),
            audits: Arc::default(),
        }
    }

    /// Audits the sale as production does: the ledger first, then the store, several looks, no freeze.
    ///
    /// # Errors
    /// The side that did not answer.
    pub async fn audit(&self, sale: SaleId) -> Result<Option<Report>, SideError> {
        self.trace().note(format_args!("an audit of sale {sale} begins"));
        let audited = examine(sale, &*self.ledger, &self.store, &Plan::default()).await;
        self.count(&audited);
        match &audited {
            Ok(Some(report)) => {
                let verdict = report.verdict().as_str();
                self.trace().note(format_args!("sale {sale} {verdict}: {:?}", report.findings));
            }
            Ok(None) => self.trace().note(format_args!("sale {sale} need not be in the ledger")),
            Err(fault) => self.trace().note(format_args!("sale {sale} cannot be audited: {fault}")),
        }
        audited
    }

    /// What came of them so far.
    pub fn audits(&self) -> Audits {
        *self.audits.lock()
    }

    fn count(&self, audited: &Result<Option<Report>, SideError>) {
        let mut audits = self.audits.lock();
        match audited {
            Ok(Some(report)) => {
                audits.told += 1;
                audits.in_flight += u64::from(report.in_flight_batches > 0);
                audits.found += u64::from(!report.findings.is_empty());
            }
            Ok(None) => {}
            Err(_fault) => audits.unanswered += 1,
        }
    }

    fn trace(&self) -> &Trace {
        &self.servers.network.trace
    }
}

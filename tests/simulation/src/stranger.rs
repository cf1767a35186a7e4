//! A gateway of another deployment that shares topics and groups with this one by mistake: it has another ledger, and is
//! asked for the fate of batches and given outcomes that are not its own. It must leave both to their gateways.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{
    BatchId, BuyerId, LedgerId, Order, OrderId, OrderPage, Payment, Sale, SaleId, SaleState, StoreId,
    StoreIdentity,
};
use flashgate_gateway::{
    config::Settings,
    engine::{Dependencies, Engine},
    outcomes::check_back::CheckBack,
    readiness::Readiness,
    sales::{
        belonging::Belonging,
        registry::{Listed, Registry, RegistryError},
    },
};
use flashgate_ledger::{Fate, Ledger, Selling};
use flashgate_messaging::{CheckBackHandler, CheckedMessage, Join, Resolution, Subscription};
use flashgate_supervision::Supervisor;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{SimSubscription, Witness},
    flaw::{self, Flaw},
    gateway::{self, Group},
    life::Life,
    process::Process,
    servers::Servers,
};

/// How often it reads its sales, of which it has none.
const REFRESH: Duration = Duration::from_secs(2);

/// How often it is looked whether the order store has its ledger: a gateway that was there before would not be the
/// stranger, but the deployment's first.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// How it came to be a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Its Redis is another one; its order worker is that of this deployment.
    OtherLedger,
    /// All of it is another deployment, but for topics and groups.
    OtherDeployment,
}

/// Starts it, unless it runs.
pub fn start(process: &Arc<Process<()>>, servers: &Arc<Servers>, stranger: Stranger, flaw: Option<Flaw>) {
    let world = Arc::clone(servers);
    process.start(servers, move |_process, life, leave| run(world, life, leave, stranger, flaw));
}

async fn run(
    servers: Arc<Servers>,
    life: Arc<Life>,
    leave: CancellationToken,
    stranger: Stranger,
    flaw: Option<Flaw>,
) {
    while !servers.store.state().has_ledger() {
        sleep(LOOK_PAUSE).await;
    }
    let ledger: Arc<dyn Ledger> = Arc::new(servers.strange_ledger_of(&life));
    let belonging = Arc::<Belonging>::default();
    let handler: Arc<dyn CheckBackHandler> = match flaw {
        Some(Flaw::StrangerAnswers) => Arc::new(Meddler(ledger.clone())),
        _ => Arc::new(CheckBack::new(ledger.clone(), Arc::clone(&belonging))),
    };
    servers.broker.state().register(Witness { life: Arc::clone(&life), handler });
    let outcomes = match flaw {
        Some(Flaw::StrangerSettles) => greedy(Arc::clone(&servers), Arc::clone(&life)),
        _ => gateway::joining(Arc::clone(&servers), Arc::clone(&life), Group::Settle),
    };
    let registry: Arc<dyn Registry> = match stranger {
        Stranger::OtherLedger => Arc::new(servers.registry_of(&life)),
        Stranger::OtherDeployment => Arc::new(Elsewhere),
    };
    let parts = Dependencies {
        ledger,
        shards: servers.shards,
        producer: Arc::new(servers.producer_of(&life)),
        orders_topic: servers.topics.orders.clone(),
        belonging,
        outcomes,
        lifecycle: gateway::joining(Arc::clone(&servers), Arc::clone(&life), Group::Lifecycle),
        sale_events: Box::new(SimSubscription::listen(servers.broker_of(&life), servers.sales_topic.clone())),
        registry,
        clock: Arc::new(servers.clock),
        seed: life.number,
    };
    let readiness = Arc::<Readiness>::default();
    let supervisor = Supervisor::new(leave.clone());
    let settings = Settings { refresh: REFRESH, ..Settings::default() };
    let engine = Engine::start(&settings, parts, &readiness, &supervisor).await;
    if let Some(engine) = engine {
        leave.cancelled().await;
        engine.finish().await;
    }
    life.end();
}

/// The order worker of the other deployment, which has no sales. It knows the ledger that it is told of.
struct Elsewhere;

#[async_trait]
impl Registry for Elsewhere {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        let store = StoreId::from_bytes([7; 16]).map_err(|_zeros| RegistryError::Garbled("identity"))?;
        Ok(StoreIdentity { store, ledger })
    }

    async fn sales(&self, _states: &[SaleState]) -> Result<Listed, RegistryError> {
        Ok(Listed::default())
    }

    async fn sale(&self, _sale: SaleId) -> Result<Option<Sale>, RegistryError> {
        Ok(None)
    }

    async fn confirm_preheat(&self, _sale: SaleId, _generation: u32) -> Result<Sale, RegistryError> {
        Err(RegistryError::OtherGeneration)
    }

    async fn find_order(&self, _order: OrderId) -> Result<Option<Order>, RegistryError> {
        Ok(None)
    }

    async fn orders_of(&self, _buyer: &BuyerId, _page: OrderPage) -> Result<Vec<Order>, RegistryError> {
        Ok(Vec::new())
    }

    async fn cancel_order(&self, _order: OrderId, _buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        Ok(None)
    }

    async fn open_payment(
        &self,
        _order: OrderId,
        _buyer: &BuyerId,
    ) -> Result<Option<Payment>, RegistryError> {
        Ok(None)
    }
}

/// Answers from its ledger, whoever's batch it is: a flaw.
struct Meddler(Arc<dyn Selling>);

#[async_trait]
impl CheckBackHandler for Meddler {
    async fn check_back(&self, message: CheckedMessage) -> Resolution {
        let Ok(batch) = message.key.parse::<BatchId>() else { return Resolution::Unknown };
        match self.0.check_back(batch).await {
            Ok(Fate::Deducted) => Resolution::Commit,
            Ok(Fate::Fenced) => Resolution::Rollback,
            Err(_fault) => Resolution::Unknown,
        }
    }
}

/// Acknowledges outcomes that are not its own: a flaw.
fn greedy(servers: Arc<Servers>, life: Arc<Life>) -> Join {
    Box::new(move || {
        let joined = gateway::join(&servers, &life, Group::Settle);
        let greedy = flaw::subscription(joined, Some(Flaw::AcknowledgeFirst));
        let greedy: Box<dyn Subscription> = Box::new(greedy);
        Box::pin(async move { Ok(greedy) })
    })
}

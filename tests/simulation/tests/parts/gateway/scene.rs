//! What the tests share: a simulated ledger, a sale that is sold out, and messages that have come.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{
    Batch, CancelReason, Intent, Sale, SaleId, SaleState, SystemClock, Timestamp, id::ShardCount,
};
use flashgate_gateway::{
    buy::sold_out::SoldOutWatch,
    sales::catalogue::{Catalogue, Entry},
};
use flashgate_ledger::{
    SaleStock,
    contract::{
        Subject,
        scene::{Scene, all_cancelled, crowd, intent, open_window},
    },
};
use flashgate_messaging::{BusError, Delivery, Join, Position, QueueId, Subscription};
use flashgate_simulation::{
    ledger::{LedgerState, SimLedger},
    life::Life,
    network::{Link, Network, Server},
    random::stream,
    trace::Trace,
};
use flashgate_supervision::Supervisor;
use parking_lot::Mutex;
use tokio::{sync::watch, time::sleep};

/// Long enough for everything that was started to end: the clock of these tests stands still while anybody works.
pub(crate) const MEANWHILE: Duration = Duration::from_millis(10);
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// A sale of one unit that is sold, and a gateway's memory of it.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) watch: Arc<SoldOutWatch>,
    pub(crate) sale: SaleId,
    pub(crate) sold: Batch,
}

pub(crate) fn ledger() -> Scene {
    scene_of(&server())
}

pub(crate) fn server() -> Arc<Server<LedgerState>> {
    let network = Network::new(Trace::new(false));
    Server::new("ledger", network, LedgerState::new(0, (0, stream(0, "notes"))), stream(0, "network"))
}

pub(crate) fn ledger_of(server: &Arc<Server<LedgerState>>) -> SimLedger {
    SimLedger::new(Link::direct(Arc::clone(server)), Arc::new(SystemClock), ShardCount::ONE)
}

/// Over a network, on which a server can stall.
pub(crate) fn distant_scene_of(server: &Arc<Server<LedgerState>>) -> Scene {
    let life = Arc::new(Life::new("gateway".to_owned(), 1));
    let link = Link::new(server, &life, Duration::from_millis(400));
    let ledger = SimLedger::new(link, Arc::new(SystemClock), ShardCount::ONE);
    Scene::new(Subject { ledger: Arc::new(ledger), shards: ShardCount::ONE })
}

pub(crate) fn scene_of(server: &Arc<Server<LedgerState>>) -> Scene {
    Scene::new(Subject { ledger: Arc::new(ledger_of(server)), shards: ShardCount::ONE })
}

impl Stage {
    pub(crate) async fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let scene = ledger();
        let sale = scene.on_sale(1, 1).await?;
        let catalogue = Arc::new(Catalogue::default());
        catalogue.put(Sale { state: SaleState::Preheated, ..scene.sale(sale, 1, 1, open_window()?)? });
        let watch = SoldOutWatch::new(scene.shared(), Arc::clone(&catalogue), Supervisor::default());
        let sold = scene.deduct(crowd(sale, 1)?).await?;
        Ok(Self { scene, catalogue, watch, sale, sold })
    }

    pub(crate) fn entry(&self) -> Arc<Entry> {
        self.catalogue.get(self.sale).unwrap()
    }

    pub(crate) async fn stock(&self) -> SaleStock {
        self.scene.ledger().stock(self.sale).await.unwrap().unwrap()
    }

    pub(crate) fn winner(&self) -> &Intent {
        &self.sold.intents()[0]
    }

    /// The one order is cancelled, and its unit comes back.
    pub(crate) async fn unit_comes_back(&self) {
        let outcome = all_cancelled(&self.sold, CancelReason::Timeout);
        self.scene.ledger().settle(&outcome).await.unwrap();
        assert_eq!(self.stock().await.available, 1);
    }

    pub(crate) fn is_sold_out_for_a_newcomer(&self) -> bool {
        let newcomer = intent(self.sale, "newcomer", "k", 1).unwrap();
        self.entry().is_sold_out_for(newcomer.key_digest(), NOW)
    }
}

/// Messages that have come; the last position that was acknowledged.
pub(crate) struct Messages {
    pub(crate) coming: VecDeque<Bytes>,
    pub(crate) taken: u64,
    pub(crate) acknowledged: watch::Sender<u64>,
}

#[async_trait]
impl Subscription for Messages {
    async fn poll(&mut self, _max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let Some(body) = self.coming.pop_front() else {
            sleep(wait).await;
            return Ok(Vec::new());
        };
        self.taken += 1;
        Ok(vec![Delivery {
            message_id: String::new(),
            key: String::new(),
            properties: Vec::new(),
            body,
            queue: QueueId { broker: "b".into(), number: 0 },
            offset: self.taken - 1,
            born_at: NOW,
            stored_at: NOW,
        }])
    }

    fn position(&self) -> Vec<Position> {
        vec![Position { queue: QueueId { broker: "b".into(), number: 0 }, holding: 0, offset: self.taken }]
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        self.acknowledged.send_replace(position[0].offset);
        Ok(())
    }

    async fn lag(&self) -> Result<u64, BusError> {
        Ok(0)
    }
}

/// To be joined once.
pub(crate) fn joining(outcomes: impl Subscription + 'static) -> Join {
    let waiting = Mutex::new(Some(outcomes));
    Box::new(move || {
        let joined = waiting.lock().take().ok_or(BusError::Closed);
        Box::pin(async move {
            let joined: Box<dyn Subscription> = Box::new(joined?);
            Ok(joined)
        })
    })
}

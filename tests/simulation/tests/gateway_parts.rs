//! Parts of the gateway, each alone on the simulated ledger: what whole histories rarely come to, since units come
//! back and ledgers lose their sales seldom.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{collections::VecDeque, num::NonZeroU64, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{
    Batch, BatchOutcome, BuyerId, CancelReason, IdempotencyKey, Intent, LedgerId, Order, OrderId, Quantity,
    Refusal, Sale, SaleId, SaleState, StoreId, StoreIdentity, SystemClock, Timestamp, Verdict,
    id::ShardCount,
};
use flashgate_gateway::{
    buy::{purchase::Buy, sold_out::SoldOutWatch},
    config::{BatcherConfig, UnscreenedConfig},
    outcomes::{check_back::CheckBack, outcomes_lag, settle::Settlement},
    sales::{
        belonging::Belonging,
        catalogue::{Catalogue, Entry},
        preheat::Preheat,
        registry::{Listed, Registry, RegistryError},
    },
};
use flashgate_ledger::{
    LedgerState as Stand, SaleStock,
    contract::{
        Fact, Subject,
        scene::{Scene, all_cancelled, all_confirmed, crowd, intent, open_window},
    },
};
use flashgate_messaging::{
    BusError, CheckBackHandler, CheckedMessage, Delivery, Join, Position, QueueId, Resolution, Subscription,
};
use flashgate_proto::body;
use flashgate_simulation::{
    flaw,
    history::{History, SALES},
    ledger::{LedgerState, SimLedger},
    life::Life,
    network::{Link, Network, Server},
    random::stream,
    trace::Trace,
    world::World,
};
use flashgate_supervision::Supervisor;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Long enough for everything that was started to end: the clock of these tests stands still while anybody works.
const MEANWHILE: Duration = Duration::from_millis(10);
const REREAD: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// A sale of one unit that is sold, and a gateway's memory of it.
struct Stage {
    scene: Scene,
    catalogue: Arc<Catalogue>,
    watch: Arc<SoldOutWatch>,
    sale: SaleId,
    sold: Batch,
}

fn ledger() -> Scene {
    scene_of(&server())
}

fn server() -> Arc<Server<LedgerState>> {
    let network = Network::new(Trace::new(false));
    Server::new("ledger", network, LedgerState::new(0, (0, stream(0, "notes"))), stream(0, "network"))
}

fn ledger_of(server: &Arc<Server<LedgerState>>) -> SimLedger {
    SimLedger::new(Link::direct(Arc::clone(server)), Arc::new(SystemClock), ShardCount::ONE)
}

/// Over a network, on which a server can stall.
fn distant_scene_of(server: &Arc<Server<LedgerState>>) -> Scene {
    let life = Arc::new(Life::new("gateway".to_owned(), 1));
    let link = Link::new(server, &life, Duration::from_millis(400));
    let ledger = SimLedger::new(link, Arc::new(SystemClock), ShardCount::ONE);
    Scene::new(Subject { ledger: Arc::new(ledger), shards: ShardCount::ONE })
}

fn scene_of(server: &Arc<Server<LedgerState>>) -> Scene {
    Scene::new(Subject { ledger: Arc::new(ledger_of(server)), shards: ShardCount::ONE })
}

impl Stage {
    async fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let scene = ledger();
        let sale = scene.on_sale(1, 1).await?;
        let catalogue = Arc::new(Catalogue::default());
        catalogue.put(Sale { state: SaleState::Preheated, ..scene.sale(sale, 1, 1, open_window()?)? });
        let watch = SoldOutWatch::new(scene.shared(), Arc::clone(&catalogue), Supervisor::default());
        let sold = scene.deduct(crowd(sale, 1)?).await?;
        Ok(Self { scene, catalogue, watch, sale, sold })
    }

    fn entry(&self) -> Arc<Entry> {
        self.catalogue.get(self.sale).unwrap()
    }

    async fn stock(&self) -> SaleStock {
        self.scene.ledger().stock(self.sale).await.unwrap().unwrap()
    }

    fn winner(&self) -> &Intent {
        &self.sold.intents()[0]
    }

    /// The one order is cancelled, and its unit comes back.
    async fn unit_comes_back(&self) {
        let outcome = all_cancelled(&self.sold, CancelReason::Timeout);
        self.scene.ledger().settle(&outcome).await.unwrap();
        assert_eq!(self.stock().await.available, 1);
    }

    fn is_sold_out_for_a_newcomer(&self) -> bool {
        let newcomer = intent(self.sale, "newcomer", "k", 1).unwrap();
        self.entry().is_sold_out_for(newcomer.key_digest(), NOW)
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_refuses_newcomers_and_never_the_one_who_has_the_unit() -> Fact {
    let stage = Stage::new().await?;
    assert!(!stage.is_sold_out_for_a_newcomer(), "nobody has looked yet");
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    assert!(stage.is_sold_out_for_a_newcomer());
    assert!(!stage.entry().is_sold_out_for(stage.winner().key_digest(), NOW));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_lifted_by_the_first_answer_after_a_unit_came_back() -> Fact {
    let stage = Stage::new().await?;
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    stage.unit_comes_back().await;
    stage.watch.observe(stage.stock().await);
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_lifted_although_the_note_of_the_unit_was_lost() -> Fact {
    let stage = Stage::new().await?;
    let _rereading = tokio::spawn(Arc::clone(&stage.watch).reread(REREAD));
    stage.watch.observe(stage.stock().await);
    sleep(MEANWHILE).await;
    stage.unit_comes_back().await;
    assert!(stage.is_sold_out_for_a_newcomer(), "nobody was told");
    sleep(REREAD + MEANWHILE).await;
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

/// The answer that said "sold out" is older than the unit that came back since.
#[tokio::test(start_paused = true)]
async fn a_mark_is_not_set_once_the_unit_is_back() -> Fact {
    let stage = Stage::new().await?;
    let late_answer = stage.stock().await;
    stage.unit_comes_back().await;
    stage.watch.observe(late_answer);
    sleep(MEANWHILE).await;
    assert!(!stage.is_sold_out_for_a_newcomer());
    Ok(())
}

/// The order worker, with some sales.
struct SomeSales {
    sales: Mutex<Vec<Sale>>,
    /// Those whose preheats it does not register.
    refused: Vec<SaleId>,
}

#[async_trait]
impl Registry for SomeSales {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        Ok(StoreIdentity { store: StoreId::from_bytes([1; 16]).unwrap(), ledger })
    }

    async fn sales(&self, states: &[SaleState]) -> Result<Listed, RegistryError> {
        let sales = self.sales.lock().iter().filter(|sale| states.contains(&sale.state)).cloned().collect();
        Ok(Listed { sales, unreadable: Vec::new() })
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, RegistryError> {
        Ok(self.sales.lock().iter().find(|one| one.id == sale).cloned())
    }

    async fn confirm_preheat(&self, sale: SaleId, _generation: u32) -> Result<Sale, RegistryError> {
        if self.refused.contains(&sale) {
            return Err(RegistryError::Unavailable("away".to_owned()));
        }
        let mut sales = self.sales.lock();
        let sale = sales.iter_mut().find(|one| one.id == sale).unwrap();
        sale.state = SaleState::Preheated;
        Ok(sale.clone())
    }

    async fn find_order(&self, _order: OrderId) -> Result<Option<Order>, RegistryError> {
        Ok(None)
    }
}

fn preheat_of(
    scene: &Scene,
    sales: Vec<Sale>,
    refused: Vec<SaleId>,
) -> (Preheat, Arc<SomeSales>, Arc<Catalogue>) {
    let registry = Arc::new(SomeSales { sales: Mutex::new(sales), refused });
    let catalogue = Arc::<Catalogue>::default();
    let asked: Arc<dyn Registry> = registry.clone();
    let preheat = Preheat::new(scene.shared(), ShardCount::ONE, asked, Arc::clone(&catalogue));
    (preheat, registry, catalogue)
}

fn preheat(scene: &Scene, sale: Sale, registers: bool) -> (Preheat, Arc<Catalogue>) {
    let refused = if registers { Vec::new() } else { vec![sale.id] };
    let (preheat, _registry, catalogue) = preheat_of(scene, vec![sale], refused);
    (preheat, catalogue)
}

#[tokio::test]
async fn a_sale_that_cannot_be_preheated_stops_none_of_those_after_it() -> Fact {
    let scene = ledger();
    let mut sales = Vec::new();
    for _sale in 0..3 {
        sales.push(scene.sale(scene.unused()?, 10, 1, open_window()?)?);
    }
    let bad = sales[0].id;
    let (preheat, _registry, catalogue) = preheat_of(&scene, sales.clone(), vec![bad]);
    preheat.start().await?;
    let failed: Vec<SaleId> = preheat.refresh().await?.into_iter().map(|(sale, _fault)| sale).collect();
    assert_eq!(failed, [bad]);
    assert_eq!(catalogue.get(bad).unwrap().sale.state, SaleState::Preheating, "it is being prepared");
    for sale in &sales[1..] {
        assert_eq!(scene.snapshot(sale.id).await?.state, Stand::Active);
        assert_eq!(catalogue.get(sale.id).unwrap().sale.state, SaleState::Preheated);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_sale_that_was_closed_has_ended_here_although_the_ledger_does_not_answer() -> Fact {
    let server = server();
    let scene = distant_scene_of(&server);
    let id = scene.on_sale(10, 1).await?;
    let sale = Sale { state: SaleState::Preheated, ..scene.sale(id, 10, 1, open_window()?)? };
    let (preheat, registry, catalogue) = preheat_of(&scene, vec![sale], Vec::new());
    preheat.start().await?;
    let state = || catalogue.get(id).unwrap().sale.state;
    assert_eq!(state(), SaleState::Preheated);

    server.stall(Duration::from_secs(60));
    registry.sales.lock()[0].state = SaleState::Closed;
    let silent = Outcomes { coming: VecDeque::new(), taken: 0, acknowledged: watch::Sender::new(0) };
    let (period, leave) = (Duration::from_millis(500), CancellationToken::new());
    let running = tokio::spawn(preheat.run(Box::new(silent), period, Arc::default(), leave.clone()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(state(), SaleState::Closed, "no event came, and the sale is in no list of live ones");
    assert!(!catalogue.get(id).unwrap().closed_in_ledger());
    sleep(Duration::from_secs(120)).await;
    assert!(catalogue.get(id).unwrap().closed_in_ledger(), "it is told once it answers");
    leave.cancel();
    running.await?;
    Ok(())
}

#[test]
fn what_was_read_before_does_not_bring_a_sale_back() -> Fact {
    let (scene, catalogue) = (ledger(), Catalogue::default());
    let first = scene.sale(scene.unused()?, 10, 1, open_window()?)?;
    let put = |state, generation| {
        let sale = catalogue.put(Sale { state, generation, ..first.clone() }).sale.clone();
        (sale.state, sale.generation)
    };
    assert_eq!(put(SaleState::Preheated, 2), (SaleState::Preheated, 2));
    assert_eq!(put(SaleState::Preheating, 2), (SaleState::Preheated, 2));
    assert_eq!(put(SaleState::Preheated, 1), (SaleState::Preheated, 2));
    assert_eq!(put(SaleState::Closed, 1), (SaleState::Closed, 2));
    assert_eq!(put(SaleState::Preheated, 3), (SaleState::Closed, 3));
    Ok(())
}

#[tokio::test]
async fn a_sale_that_the_ledger_has_lost_is_paused_and_never_made_anew() -> Fact {
    let scene = ledger();
    let id = scene.unused()?;
    let sale = Sale { state: SaleState::Preheated, ..scene.sale(id, 10, 1, open_window()?)? };
    let (preheat, catalogue) = preheat(&scene, sale, true);
    for _time in 0..2 {
        assert_eq!(preheat.refresh().await?.len(), 0);
        assert_eq!(scene.ledger().snapshot(id).await?, None);
        assert!(catalogue.get(id).unwrap().paused());
    }
    Ok(())
}

#[tokio::test]
async fn a_sale_sells_only_after_its_preheat_is_registered() -> Fact {
    let scene = ledger();
    let sale = scene.sale(scene.unused()?, 10, 1, open_window()?)?;
    let (refused, _catalogue) = preheat(&scene, sale.clone(), false);
    assert_eq!(refused.refresh().await?.len(), 1);
    assert_eq!(scene.snapshot(sale.id).await?.state, Stand::Prepared);
    let (registered, catalogue) = preheat(&scene, sale.clone(), true);
    assert_eq!(registered.refresh().await?.len(), 0);
    assert_eq!(scene.snapshot(sale.id).await?.state, Stand::Active);
    assert!(!catalogue.get(sale.id).unwrap().paused());
    Ok(())
}

/// The whole gateway: a replica may take over that has not heard that the sale was closed.
#[tokio::test(start_paused = true)]
async fn a_sale_that_was_closed_is_over_although_the_ledger_sells_it() -> Fact {
    let world = World::new(&History::of(1), &Network::new(Trace::new(false)), None)?;
    let sale = world.sales[1];
    sleep(Duration::from_secs(5)).await;
    let buy = |key| Buy {
        sale,
        buyer: BuyerId::new("ada").unwrap(),
        key: IdempotencyKey::new(key).unwrap(),
        quantity: Quantity::ONE,
        trace: None,
    };
    let (front, _life) = world.gateways[0].reach().ok_or("the gateway is up")?;
    let Verdict::Accepted(order) = front.purchase.buy(buy("before")).await else {
        return Err("it sells".into());
    };
    world.servers.store.state().sales.get_mut(&sale).unwrap().state = SaleState::Closed;
    sleep(Duration::from_secs(5)).await;
    let stand = || world.servers.ledger.state().books.sales[&sale].state;
    assert_eq!(stand(), Stand::Closed);
    world.servers.ledger.state().books.sales.get_mut(&sale).unwrap().state = Stand::Active;

    assert_eq!(front.purchase.buy(buy("after")).await, Verdict::Refused(Refusal::Ended));
    assert_eq!(front.purchase.buy(buy("before")).await, Verdict::Replayed(order));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stand(), Stand::Closed, "it is told again");
    Ok(())
}

/// The whole gateway, with so much left that it hardly screens: a backlog that is full stays full until something is
/// confirmed.
#[tokio::test(start_paused = true)]
async fn a_full_backlog_refuses_everybody_although_plenty_is_left() -> Fact {
    let mut history = History::of(1);
    history.setup.stock = [100_000; SALES];
    history.setup.limit = 100_000;
    history.setup.batcher = BatcherConfig {
        backlog_orders_max: NonZeroU64::new(10).unwrap(),
        unscreened: UnscreenedConfig { stock_age_max_ms: 60_000, ..UnscreenedConfig::default() },
        ..BatcherConfig::default()
    };
    let world = World::new(&history, &Network::new(Trace::new(false)), None)?;
    sleep(Duration::from_secs(5)).await;
    world.servers.store.stall(Duration::from_mins(10));
    let (front, _life) = world.gateways[0].reach().ok_or("the gateway is up")?;
    let buy = async |number: u32| {
        // The clock of this test stands still while anybody works, and screens come by the clock.
        sleep(Duration::from_millis(5)).await;
        let (buyer, key) = (BuyerId::new("ada").unwrap(), IdempotencyKey::new(number.to_string()).unwrap());
        let quantity = Quantity::ONE;
        front.purchase.buy(Buy { sale: world.sales[1], buyer, key, quantity, trace: None }).await
    };
    let mut number = 0;
    while let Verdict::Accepted(_order) = buy(number).await {
        number += 1;
        assert!(number < 1_000, "the backlog is never full");
    }
    assert!(number >= 10, "full after {number}");
    for later in 1..=100 {
        assert_eq!(buy(number + later).await, Verdict::Refused(Refusal::Backlog), "{later} after the first");
    }
    Ok(())
}

/// Outcomes that have come, each in a message of its own; the last position that was acknowledged.
struct Outcomes {
    coming: VecDeque<BatchOutcome>,
    taken: u64,
    acknowledged: watch::Sender<u64>,
}

#[async_trait]
impl Subscription for Outcomes {
    async fn poll(&mut self, _max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let Some(outcome) = self.coming.pop_front() else {
            sleep(wait).await;
            return Ok(Vec::new());
        };
        self.taken += 1;
        Ok(vec![Delivery {
            message_id: String::new(),
            key: String::new(),
            properties: Vec::new(),
            body: body::encode_outcomes(&[outcome], None),
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
fn joining(outcomes: impl Subscription + 'static) -> Join {
    let waiting = Mutex::new(Some(outcomes));
    Box::new(move || {
        let joined = waiting.lock().take().ok_or(BusError::Closed);
        Box::pin(async move {
            let joined: Box<dyn Subscription> = Box::new(joined?);
            Ok(joined)
        })
    })
}

#[tokio::test(start_paused = true)]
async fn outcomes_in_hand_count_as_waiting_until_they_are_settled() -> Fact {
    let server = server();
    let scene = distant_scene_of(&server);
    let sale = scene.on_sale(10, 1).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    let sold_out = SoldOutWatch::new(scene.shared(), Arc::new(Catalogue::default()), Supervisor::default());
    let (acknowledged, mut heard) = watch::channel(0);
    let coming = [all_confirmed(&batch)].into();
    let (outcomes, lag) =
        outcomes_lag::Outcomes::share(Box::new(Outcomes { coming, taken: 0, acknowledged }));
    server.stall(Duration::from_secs(60));
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Settlement::new(scene.shared(), belonging, sold_out);
    let settling = tokio::spawn(settlement.run(joining(outcomes), leave.clone()));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(lag.lag().await?, 1, "the ledger has not answered");
    timeout(Duration::from_secs(300), heard.wait_for(|acknowledged| *acknowledged == 1)).await??;
    assert_eq!(lag.lag().await?, 0);
    leave.cancel();
    settling.await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_the_ledger_refuses_stays_open_and_does_not_keep_the_others_for_ever() -> Fact {
    let server = server();
    let scene = scene_of(&server);
    let sale = scene.on_sale(10, 1).await?;
    let refused = scene.deduct(crowd(sale, 2)?).await?;
    let intents = (0..3).map(|i| intent(sale, &format!("later-{i}"), "k", 1)).collect::<Result<_, _>>()?;
    let behind = scene.deduct(intents).await?;
    let ledger = flaw::refusing(ledger_of(&server), refused.id());
    let sold_out = SoldOutWatch::new(ledger.clone(), Arc::new(Catalogue::default()), Supervisor::default());
    let (acknowledged, mut heard) = watch::channel(0);
    let coming = [&refused, &behind].map(all_confirmed).into();
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Settlement::new(ledger, belonging, sold_out);
    let outcomes = joining(Outcomes { coming, taken: 0, acknowledged });
    let settling = tokio::spawn(settlement.run(outcomes, leave.clone()));

    sleep(Duration::from_secs(30)).await;
    assert_eq!(*heard.borrow_and_update(), 0, "it may still come to terms");
    let both = timeout(Duration::from_mins(2), heard.wait_for(|offset| *offset == 2));
    both.await.expect("the one behind is settled").unwrap();
    let open = scene.ledger().snapshot(sale).await?.unwrap().open;
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [refused.id()]);
    leave.cancel();
    settling.await.unwrap();
    Ok(())
}

/// A gateway that shares the producer group with those of another ledger.
#[tokio::test(start_paused = true)]
async fn a_check_back_for_another_ledger_gets_no_answer_and_leaves_no_fence() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 1).await?;
    let batch = scene.batch(crowd(sale, 2)?)?;
    let (ours, other) = (LedgerId::MIN, LedgerId::from_bytes([2; 16])?);
    let asked = |of| CheckedMessage {
        key: batch.id().to_string(),
        properties: Vec::new(),
        body: body::encode_batch(&batch, Some(of), NOW),
        asked_before: 0,
        born_at: NOW,
    };
    let nobody = CheckBack::new(scene.shared(), Arc::default());
    assert_eq!(nobody.check_back(asked(ours)).await, Resolution::Unknown, "it does not know its ledger yet");
    let gateway = CheckBack::new(scene.shared(), Arc::new(Belonging::agreed_on(ours)));
    assert_eq!(gateway.check_back(asked(other)).await, Resolution::Unknown);
    assert_eq!(scene.ledger().entry(batch.id()).await?, None, "no fence");
    assert_eq!(gateway.check_back(asked(ours)).await, Resolution::Rollback);
    Ok(())
}

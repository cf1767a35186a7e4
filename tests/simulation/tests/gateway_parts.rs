//! Parts of the gateway, each alone on the simulated ledger: what whole histories rarely come to.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{
    Actor, Batch, BatchOutcome, BuyerId, CancelReason, Cause, Clock, IdempotencyKey, Intent, LedgerId, Order,
    OrderEvent, OrderId, OrderState, Quantity, Refusal, Sale, SaleId, SaleState, StoreId, StoreIdentity,
    SystemClock, Timestamp, Verdict, id::ShardCount,
};
use flashgate_gateway::{
    buy::{
        orders::{OrderView, Orders},
        purchase::Buy,
        sold_out::SoldOutWatch,
    },
    config::{BatcherConfig, UnscreenedConfig},
    outcomes::{check_back::CheckBack, lag::Counted, member::Member, returns::Returns, settle::Settlement},
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
use flashgate_proto::{body, event::encode_event};
use flashgate_service::error::ApiError;
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
    task::JoinHandle,
    time::{Instant, sleep, timeout},
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

    async fn cancel_order(&self, _order: OrderId, _buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
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
    let silent = Messages { coming: VecDeque::new(), taken: 0, acknowledged: watch::Sender::new(0) };
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

/// Messages that have come; the last position that was acknowledged.
struct Messages {
    coming: VecDeque<Bytes>,
    taken: u64,
    acknowledged: watch::Sender<u64>,
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

fn outcome_body(outcome: &BatchOutcome) -> Bytes {
    body::encode_outcomes(std::slice::from_ref(outcome), None)
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
    let coming = [outcome_body(&all_confirmed(&batch))].into();
    let (outcomes, lag) = Counted::share(Box::new(Messages { coming, taken: 0, acknowledged }));
    server.stall(Duration::from_secs(60));
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Member::new(Settlement::new(scene.shared(), sold_out), belonging);
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
    let coming = [&refused, &behind].map(|batch| outcome_body(&all_confirmed(batch))).into();
    let leave = CancellationToken::new();
    let belonging = Arc::new(Belonging::agreed_on(LedgerId::MIN));
    let settlement = Member::new(Settlement::new(ledger, sold_out), belonging);
    let outcomes = joining(Messages { coming, taken: 0, acknowledged });
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

/// The clock of a paused runtime, which begins at [`NOW`].
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        NOW.saturating_add(self.0.elapsed())
    }
}

/// A member of the group that returns units, with messages of the ledger [`LedgerId::MIN`].
struct Returning {
    acknowledged: watch::Receiver<u64>,
    leave: CancellationToken,
    running: JoinHandle<()>,
}

impl Returning {
    fn start(scene: &Scene, catalogue: Arc<Catalogue>, coming: impl IntoIterator<Item = Bytes>) -> Self {
        let (told, acknowledged) = watch::channel(0);
        let messages = Messages { coming: coming.into_iter().collect(), taken: 0, acknowledged: told };
        let sold_out = SoldOutWatch::new(scene.shared(), catalogue, Supervisor::default());
        let returns = Returns::new(scene.shared(), sold_out, Arc::new(Paused(Instant::now())));
        let member = Member::new(returns, Arc::new(Belonging::agreed_on(LedgerId::MIN)));
        let leave = CancellationToken::new();
        let running = tokio::spawn(member.run(joining(messages), leave.clone()));
        Self { acknowledged, leave, running }
    }

    /// So many messages are done.
    fn done(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    async fn until_done(&mut self, messages: u64) -> Fact {
        let wait = self.acknowledged.wait_for(|done| *done == messages);
        timeout(Duration::from_mins(3), wait).await??;
        Ok(())
    }

    async fn end(self) -> Fact {
        self.leave.cancel();
        Ok(self.running.await?)
    }
}

/// The event by which an order gave its units up.
fn cancelled_at(batch: &Batch, place: usize, at: Timestamp) -> OrderEvent {
    let (order, intent) = batch.orders().nth(place).unwrap();
    OrderEvent {
        order,
        batch: batch.id(),
        intent: intent.clone(),
        version: 2,
        from: OrderState::Confirmed,
        to: OrderState::Cancelled(CancelReason::ByBuyer),
        actor: Actor::Buyer,
        cause: Cause::default(),
        at,
    }
}

fn event_body(event: &OrderEvent) -> Bytes {
    encode_event(event, Some(LedgerId::MIN))
}

/// The event overtook the outcome.
#[tokio::test(start_paused = true)]
async fn a_return_is_tried_until_its_order_is_settled() -> Fact {
    let stage = Stage::new().await?;
    let event = event_body(&cancelled_at(&stage.sold, 0, NOW));
    let mut returning = Returning::start(&stage.scene, Arc::clone(&stage.catalogue), [event]);
    stage.watch.observe(stage.stock().await);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((returning.done(), stage.stock().await.available), (0, 0));
    assert!(stage.is_sold_out_for_a_newcomer());
    stage.scene.ledger().settle(&all_confirmed(&stage.sold)).await?;
    returning.until_done(1).await?;
    assert_eq!(
        (stage.stock().await.available, stage.scene.snapshot(stage.sale).await?.totals.released),
        (1, 1)
    );
    assert!(!stage.is_sold_out_for_a_newcomer(), "the gateway that returns units sells them at once");
    returning.end().await
}

/// However long the gateway tries: those behind it are not held up twice.
#[tokio::test(start_paused = true)]
async fn a_return_that_cannot_be_made_is_given_up_by_the_age_of_its_event() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let (lost, settled) =
        (scene.batch(crowd(sale, 1)?)?, scene.deduct(vec![intent(sale, "ada", "k", 2)?]).await?);
    scene.ledger().settle(&all_confirmed(&settled)).await?;
    let events = [cancelled_at(&lost, 0, NOW), cancelled_at(&settled, 0, NOW)];
    let mut returning = Returning::start(&scene, Arc::default(), events.iter().map(event_body));
    sleep(Duration::from_secs(55)).await;
    assert_eq!((returning.done(), scene.available(sale).await?), (0, 8));
    let began = Instant::now();
    returning.until_done(2).await?;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(scene.available(sale).await?, 10);
    returning.end().await?;

    let old = Timestamp::from_millis(NOW.as_millis() - 61_000);
    let old = event_body(&cancelled_at(&lost, 0, old));
    let mut returning = Returning::start(&scene, Arc::default(), [old]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(returning.done(), 0, "its outcome may be on the way");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(returning.done(), 1, "an old event is given up within seconds");
    returning.until_done(1).await?;
    returning.end().await
}

#[tokio::test(start_paused = true)]
async fn events_of_another_ledger_are_left_alone() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let event = cancelled_at(&batch, 0, NOW);
    let before = scene.snapshot(sale).await?;
    for foreign in [Some(LedgerId::from_bytes([2; 16])?), None] {
        let coming = [encode_event(&event, foreign), Bytes::from_static(b"\xff")];
        let returning = Returning::start(&scene, Arc::default(), coming);
        sleep(Duration::from_secs(2)).await;
        let ours = foreign.is_none();
        assert_eq!(returning.done() > 0, ours, "one without a ledger is of this deployment's past");
        returning.end().await?;
        assert_eq!(scene.snapshot(sale).await? == before, !ours);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_returns_nothing_is_skipped() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let timeout = CancelReason::Timeout;
    let states = [
        (OrderState::Confirmed, OrderState::Paid),
        (OrderState::Paid, OrderState::Shipped),
        (OrderState::Refunding(timeout), OrderState::Refunded(timeout)),
    ];
    let of = |(from, to)| event_body(&OrderEvent { from, to, ..cancelled_at(&batch, 0, NOW) });
    let missing = scene.batch(crowd(scene.unused()?, 1)?)?;
    let coming = states.into_iter().map(of).chain([event_body(&cancelled_at(&missing, 0, NOW))]);
    let before = scene.snapshot(sale).await?;
    let mut returning = Returning::start(&scene, Arc::default(), coming);
    returning.until_done(4).await?;
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(scene.ledger().snapshot(missing.intents()[0].sale()).await?, None);
    returning.end().await
}

/// The order worker, with one order or none.
#[derive(Default)]
struct OneOrder {
    stored: Mutex<Option<Order>>,
    is_away: AtomicBool,
    calls: AtomicU32,
}

impl OneOrder {
    fn found(&self) -> Result<Option<Order>, RegistryError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(RegistryError::Unavailable("away".to_owned())),
            false => Ok(self.stored.lock().clone()),
        }
    }
}

#[async_trait]
impl Registry for OneOrder {
    async fn register_ledger(&self, ledger: Option<LedgerId>) -> Result<StoreIdentity, RegistryError> {
        Ok(StoreIdentity { store: StoreId::from_bytes([1; 16]).unwrap(), ledger })
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
        self.found()
    }

    async fn cancel_order(&self, _order: OrderId, _buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        let Some(mut order) = self.found()? else { return Ok(None) };
        if order.state == OrderState::Confirmed {
            (order.state, order.version) = (BY_BUYER, order.version + 1);
            *self.stored.lock() = Some(order.clone());
        } else if order.state.reason().is_none() {
            return Err(RegistryError::NotCancellable);
        }
        Ok(Some(order))
    }
}

const BY_BUYER: OrderState = OrderState::Cancelled(CancelReason::ByBuyer);

/// An order of `ada`, and the gateway's look-ups.
struct OrderStage {
    scene: Scene,
    batch: Batch,
    worker: Arc<OneOrder>,
    orders: Orders,
}

impl OrderStage {
    async fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let scene = ledger();
        let sale = scene.on_sale(10, 5).await?;
        let batch = scene.deduct(vec![intent(sale, "ada", "k", 2)?]).await?;
        let worker = Arc::<OneOrder>::default();
        let registry: Arc<dyn Registry> = worker.clone();
        let orders = Orders::new(scene.shared(), registry);
        Ok(Self { scene, batch, worker, orders })
    }

    /// The order store has the order in that state.
    fn store(&self, state: OrderState, version: u32) {
        let (id, intent) = self.batch.orders().next().unwrap();
        let (intent, batch) = (intent.clone(), self.batch.id());
        let order = Order { id, intent, state, version, batch, created_at: NOW };
        *self.worker.stored.lock() = Some(order);
    }

    async fn settle(&self) {
        self.scene.ledger().settle(&all_confirmed(&self.batch)).await.unwrap();
    }

    async fn find(&self, buyer: &str) -> Result<(OrderState, u32), ApiError> {
        let found = self.orders.find(self.batch.id().base(), &BuyerId::new(buyer).unwrap()).await;
        found.map(|view| self.state_of(&view))
    }

    async fn cancel(&self, buyer: &str) -> Result<(OrderState, u32), ApiError> {
        let cancelled = self.orders.cancel(self.batch.id().base(), &BuyerId::new(buyer).unwrap()).await;
        cancelled.map(|view| self.state_of(&view))
    }

    fn state_of(&self, view: &OrderView) -> (OrderState, u32) {
        assert_eq!(
            (view.id, view.sale, view.quantity),
            (self.batch.id().base(), self.batch.intents()[0].sale(), 2)
        );
        (view.state, view.version)
    }
}

#[tokio::test]
async fn an_order_that_is_not_decided_is_pending_and_cannot_be_cancelled_yet() -> Fact {
    let stage = OrderStage::new().await?;
    assert_eq!(stage.find("ada").await, Ok((OrderState::Pending, 0)));
    assert_eq!(stage.cancel("ada").await, Err(ApiError::OrderPending));
    // Its outcome is on the way.
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.cancel("ada").await, Ok((BY_BUYER, 2)));
    stage.settle().await;
    assert_eq!(stage.find("ada").await, Ok((BY_BUYER, 2)));
    Ok(())
}

#[tokio::test]
async fn a_cancelled_order_is_never_confirmed_again_although_the_ledger_has_it_as_confirmed() -> Fact {
    let stage = OrderStage::new().await?;
    stage.store(OrderState::Confirmed, 1);
    stage.settle().await;
    assert_eq!(stage.find("ada").await, Ok((OrderState::Confirmed, 1)));
    for _time in 0..2 {
        assert_eq!(stage.cancel("ada").await, Ok((BY_BUYER, 2)));
        assert_eq!(stage.find("ada").await, Ok((BY_BUYER, 2)));
    }
    stage.worker.is_away.store(true, Ordering::Relaxed);
    assert_eq!(stage.find("ada").await, Err(ApiError::WorkerUnavailable), "the ledger does not know");
    assert_eq!(stage.cancel("ada").await, Err(ApiError::WorkerUnavailable));
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_paid_is_not_cancelled_and_its_state_is_named() -> Fact {
    let stage = OrderStage::new().await?;
    stage.store(OrderState::Paid, 2);
    stage.settle().await;
    let refused = Err(ApiError::OrderNotCancellable { state: OrderState::Paid });
    assert_eq!(stage.cancel("ada").await, refused);
    assert_eq!(stage.find("ada").await, Ok((OrderState::Paid, 2)));
    Ok(())
}

/// And a guessed id does not reach the worker.
#[tokio::test]
async fn another_buyer_learns_nothing_of_an_order() -> Fact {
    let stage = OrderStage::new().await?;
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.find("bob").await, Err(ApiError::OrderNotFound));
    assert_eq!(stage.cancel("bob").await, Err(ApiError::OrderNotFound));
    assert_eq!(stage.worker.calls.load(Ordering::Relaxed), 0);
    stage.settle().await;
    assert_eq!(stage.cancel("bob").await, Err(ApiError::OrderNotFound));
    assert_eq!(stage.find("ada").await, Ok((OrderState::Confirmed, 1)));
    Ok(())
}

#[tokio::test]
async fn an_order_that_was_cancelled_when_it_was_placed_stays_so() -> Fact {
    let stage = OrderStage::new().await?;
    let duplicate = CancelReason::DuplicateKey;
    stage.scene.ledger().settle(&all_cancelled(&stage.batch, duplicate)).await?;
    let cancelled = (OrderState::Cancelled(duplicate), 1);
    stage.worker.is_away.store(true, Ordering::Relaxed);
    assert_eq!(stage.find("ada").await, Ok(cancelled), "final, so the ledger may answer");
    stage.worker.is_away.store(false, Ordering::Relaxed);
    stage.store(cancelled.0, 1);
    assert_eq!(stage.cancel("ada").await, Ok(cancelled));
    *stage.worker.stored.lock() = None;
    assert_eq!(stage.cancel("ada").await, Err(ApiError::OrderNotFound));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_the_order_store_answers_for_what_it_has() -> Fact {
    let server = server();
    let scene = distant_scene_of(&server);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 2)?]).await?;
    let worker = Arc::<OneOrder>::default();
    let registry: Arc<dyn Registry> = worker.clone();
    let orders = Orders::new(scene.shared(), registry);
    let stage = OrderStage { scene, batch, worker, orders };
    server.stall(Duration::from_mins(10));
    let down = Err(ApiError::Refused(Refusal::LedgerUnavailable));
    assert_eq!(stage.find("ada").await, down);
    assert_eq!(stage.cancel("ada").await, down, "it may be pending");
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.find("bob").await, Err(ApiError::OrderNotFound));
    assert_eq!(stage.find("ada").await, Ok((OrderState::Confirmed, 1)));
    assert_eq!(stage.cancel("ada").await, Ok((BY_BUYER, 2)));
    Ok(())
}

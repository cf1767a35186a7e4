//! The life of a chunk, with doubles of the store and the bus.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use flashgate_domain::{Batch, Decision, LedgerId, SaleId, SystemClock};
use flashgate_messaging::{BusError, Group, Topic};
use flashgate_order_store::{
    DeploymentRepository, SaleRepository,
    contract::{
        Subject,
        scene::{NOW, decisions, draft, singles},
    },
};
use flashgate_order_worker::{
    config::ConsumeConfig,
    consume::{Abandoned, Consumer, Dependencies, Step, Topics},
    health::Health,
};
use flashgate_proto::body;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::double::{Event, MemoryBus, MemoryStore, lifecycle};

/// The double keeps the contract too, or these tests would prove nothing.
mod contract {
    use super::{Arc, MemoryStore, Subject};

    async fn fresh() -> Subject {
        let store = Arc::new(MemoryStore::default());
        Subject { stores: [store.clone(), store], clean_up: Box::new(()) }
    }

    flashgate_order_store::order_store_contract!(fresh);
}

pub(crate) struct Scene {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) bus: MemoryBus,
    pub(crate) health: Arc<Health>,
    pub(crate) consumer: Consumer<MemoryBus>,
    pub(crate) sale: SaleId,
    pub(crate) leave: CancellationToken,
}

impl Scene {
    pub(crate) async fn new(config: ConsumeConfig) -> Self {
        let store = Arc::new(MemoryStore::default());
        let sale = store.create_sale(&draft("A thing", 1_000_000).unwrap(), NOW).await.unwrap().id;
        Self::with(store, MemoryBus::default(), sale, config)
    }

    /// A worker on a store and a bus that are there.
    pub(crate) fn with(store: Arc<MemoryStore>, bus: MemoryBus, sale: SaleId, config: ConsumeConfig) -> Self {
        let health = Arc::default();
        let topics = Topics {
            outcomes: Topic::new("t-outcomes").unwrap(),
            lifecycle: Topic::new("t-lifecycle").unwrap(),
            timers: Topic::new("t-timers").unwrap(),
            dead_letters: Group::new("t-order-worker").unwrap().dead_letters(),
            orders: Topic::new("t-orders").unwrap(),
        };
        let parts = Dependencies {
            store: store.clone(),
            publisher: Arc::new(bus.clone()),
            topics,
            clock: Arc::new(SystemClock),
            health: Arc::clone(&health),
            timers: lifecycle(&store, &bus, Arc::new(SystemClock), &health).timers,
        };
        let consumer = Consumer::new(bus.clone(), parts, config, 7);
        Self { store, bus, health, consumer, sale, leave: CancellationToken::new() }
    }

    /// Sends a batch of so many orders.
    fn send(&self, number: u64, orders: usize) -> Batch {
        self.send_of(self.sale, number, orders)
    }

    /// Sends a batch of so many orders of that sale.
    pub(crate) fn send_of(&self, sale: SaleId, number: u64, orders: usize) -> Batch {
        let batch = singles(number, sale, orders).unwrap();
        self.bus.send(body::encode_batch(&batch, None, NOW));
        batch
    }

    pub(crate) async fn step(&mut self) -> Step {
        self.consumer.step(&self.leave).await.unwrap()
    }

    async fn saleable(&self) -> u64 {
        self.store.sale(self.sale).await.unwrap().unwrap().saleable
    }
}

pub(crate) fn outcomes(event: &Event) -> Vec<flashgate_domain::BatchOutcome> {
    match event {
        Event::Published { topic, body, .. } if topic == "t-outcomes" => {
            body::decode_outcomes(body.clone()).unwrap().batches
        }
        other @ (Event::Published { .. } | Event::Committed { .. }) => panic!("no outcomes: {other:?}"),
    }
}

fn dead_letter(event: &Event) -> (&Bytes, &str) {
    match event {
        Event::Published { topic, body, properties, .. } if topic == "%DLQ%t-order-worker" => {
            let reason = properties.iter().find(|(name, _)| name == "flashgate_reason").unwrap();
            (body, &reason.1)
        }
        other @ (Event::Published { .. } | Event::Committed { .. }) => panic!("no dead letter: {other:?}"),
    }
}

#[tokio::test]
async fn outcomes_are_published_in_one_message_before_the_offset_is_committed() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    let batches = [scene.send(1, 3), scene.send(2, 4)];
    assert_eq!(scene.step().await, Step { batches: 2, orders: 7, dead_letters: 0 });
    let events = scene.bus.events();
    let told = outcomes(&events[0]);
    assert_eq!(told.iter().map(|batch| batch.batch).collect::<Vec<_>>(), batches.map(|batch| batch.id()));
    assert_eq!(decisions(&told), [Decision::Confirmed; 7]);
    assert_eq!(events[1..], [Event::Committed { offset: 2 }]);
    assert_eq!(scene.step().await, Step::default());
    assert!(scene.bus.events().is_empty());
}

#[tokio::test]
async fn a_chunk_is_full_at_its_number_of_orders() {
    let config = ConsumeConfig { chunk_orders_max: 10.try_into().unwrap(), ..ConsumeConfig::default() };
    let mut scene = Scene::new(config).await;
    for number in 1..=5 {
        scene.send(number, 4);
    }
    assert_eq!([scene.step().await.orders, scene.step().await.orders, scene.step().await.orders], [12, 8, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_decided_while_the_one_before_it_is_announced_and_acknowledged_after_it() {
    let config = ConsumeConfig { chunk_orders_max: 4.try_into().unwrap(), ..ConsumeConfig::default() };
    let mut scene = Scene::new(config).await;
    for number in 1..=3 {
        scene.send(number, 4);
    }
    scene.bus.fail_next(BusError::Unanswered { reason: "away".to_owned() });
    assert_eq!(scene.step().await.orders, 4);
    assert_eq!(scene.saleable().await, 1_000_000 - 8, "two at a time");
    assert_eq!(scene.bus.events().last(), Some(&Event::Committed { offset: 1 }), "of the first one only");
    assert_eq!(scene.step().await.orders, 4);
    assert_eq!(scene.bus.events().last(), Some(&Event::Committed { offset: 2 }));
    assert_eq!(scene.step().await.orders, 4);
    assert_eq!(scene.bus.events().last(), Some(&Event::Committed { offset: 3 }));
}

#[tokio::test(start_paused = true)]
async fn no_more_orders_are_placed_in_a_second_than_allowed() {
    let config = ConsumeConfig {
        chunk_orders_max: 10.try_into().unwrap(),
        orders_per_second_max: 100,
        ..ConsumeConfig::default()
    };
    let mut scene = Scene::new(config).await;
    for number in 1..=50 {
        scene.send(number, 10);
    }
    let began_at = Instant::now();
    while began_at.elapsed() < Duration::from_secs(2) {
        scene.step().await;
    }
    let units = 1_000_000 - scene.saleable().await;
    assert!((190..=220).contains(&units), "{units} in 2 s, with two chunks of 10 at work");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_to_wait_looks_whether_to_leave() {
    let config = ConsumeConfig { orders_per_second_max: 1, ..ConsumeConfig::default() };
    let mut scene = Scene::new(config).await;
    scene.send(1, 600);
    assert_eq!(scene.step().await.orders, 600);
    scene.send(2, 1);
    let began_at = Instant::now();
    assert_eq!(scene.step().await, Step::default());
    assert!(began_at.elapsed() < Duration::from_secs(1), "not the ten minutes of 600 orders");
    assert_eq!(scene.saleable().await, 1_000_000 - 600);
}

#[tokio::test(start_paused = true)]
async fn only_a_chunk_after_a_busy_one_waits_for_more() {
    let config = ConsumeConfig {
        poll_wait_ms: 700.try_into().unwrap(),
        chunk_linger_ms: 60_000,
        ..Default::default()
    };
    let mut scene = Scene::new(config).await;
    let (first, at_once) = (Duration::from_millis(700), Duration::ZERO);
    scene.send(1, 1);
    scene.step().await;
    assert_eq!(scene.bus.waits(), [first, at_once], "nobody knows of a rush yet");
    scene.send(2, 1);
    scene.send(3, 1);
    scene.step().await;
    assert_eq!(scene.bus.waits(), [first, at_once, at_once], "the chunk before held one batch");
    scene.send(4, 1);
    scene.step().await;
    let waits = scene.bus.waits();
    assert_eq!(waits[0], first);
    assert!(
        waits[1] > at_once && waits[1] <= Duration::from_secs(60),
        "the chunk before held two: {waits:?}"
    );
}

#[tokio::test]
async fn an_undecodable_message_dies_alone() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 2);
    let poison = Bytes::from_static(b"\xff\xffnot a batch");
    scene.bus.send(poison.clone());
    scene.send(2, 2);
    assert_eq!(scene.step().await, Step { batches: 2, orders: 4, dead_letters: 1 });
    let events = scene.bus.events();
    assert_eq!(dead_letter(&events[0]), (&poison, "undecodable"));
    assert_eq!(decisions(&outcomes(&events[1])), [Decision::Confirmed; 4]);
    assert_eq!(events[2..], [Event::Committed { offset: 3 }]);
}

#[tokio::test]
async fn a_batch_that_the_store_refuses_is_found_and_dies_alone() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    let batches: Vec<Batch> = (1..=9).map(|number| scene.send(number, 2)).collect();
    *scene.store.refuses.lock() = Some(batches[5].id());
    assert_eq!(scene.step().await, Step { batches: 8, orders: 16, dead_letters: 1 });
    let events = scene.bus.events();
    assert_eq!(dead_letter(&events[0]), (&body::encode_batch(&batches[5], None, NOW), "store_refused"));
    assert_eq!(scene.saleable().await, 1_000_000 - 16);
}

#[tokio::test]
async fn a_batch_of_an_unknown_sale_dies_alone() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 2);
    let stranger = singles(2, SaleId::new(77).unwrap(), 1).unwrap();
    scene.bus.send(body::encode_batch(&stranger, None, NOW));
    assert_eq!(scene.step().await, Step { batches: 1, orders: 2, dead_letters: 1 });
    assert_eq!(dead_letter(&scene.bus.events()[0]).1, "unknown_sale");
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_held_until_the_store_is_back() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 2);
    scene.store.away.store(50, Ordering::Relaxed);
    assert_eq!(scene.step().await.orders, 2);
    assert!(scene.health.condition().store_up);
    assert_eq!(scene.bus.events().len(), 2, "outcomes, commit");
}

#[tokio::test(start_paused = true)]
async fn leaving_while_the_store_is_away_commits_nothing_and_loses_nothing() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 2);
    scene.store.away.store(u32::MAX, Ordering::Relaxed);
    let leave = scene.leave.clone();
    let (ended, ()) = tokio::join!(scene.consumer.step(&scene.leave), async {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        leave.cancel();
    });
    assert!(matches!(ended, Err(Abandoned::ShuttingDown)));
    assert!(!scene.health.condition().store_up);
    assert!(scene.bus.events().is_empty());

    scene.store.away.store(0, Ordering::Relaxed);
    scene.leave = CancellationToken::new();
    scene.bus.restart();
    assert_eq!(scene.step().await.orders, 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_does_not_take_is_sent_again() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 2);
    let away = || BusError::Unanswered { reason: "away".to_owned() };
    scene.bus.fail_next(away());
    scene.bus.fail_next(away());
    assert_eq!(scene.step().await.orders, 2);
    assert!(matches!(scene.bus.events()[..], [Event::Published { .. }, Event::Committed { offset: 1 }]));
}

#[tokio::test]
async fn a_chunk_that_comes_again_has_the_same_outcomes_and_takes_nothing() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.send(1, 5);
    scene.bus.fail_next(BusError::Closed);
    assert!(matches!(scene.consumer.step(&scene.leave).await, Err(Abandoned::BusClosed)));
    assert_eq!(scene.saleable().await, 1_000_000 - 5, "decided, and nobody told");
    scene.bus.restart();
    scene.step().await;
    assert_eq!(decisions(&outcomes(&scene.bus.events()[0])), [Decision::Confirmed; 5]);
    assert_eq!(scene.saleable().await, 1_000_000 - 5);
}

#[tokio::test]
async fn outcomes_that_are_too_large_are_split_between_batches() {
    let config = ConsumeConfig { outcomes_bytes_max: 1_000.try_into().unwrap(), ..ConsumeConfig::default() };
    let mut scene = Scene::new(config).await;
    let batches: Vec<Batch> = (1..=7).map(|number| scene.send(number, 9)).collect();
    scene.step().await;
    let mut events = scene.bus.events();
    assert_eq!(events.pop(), Some(Event::Committed { offset: 7 }));
    assert!(events.len() > 1);
    let told: Vec<_> = events.iter().flat_map(outcomes).map(|outcome| outcome.batch).collect();
    assert_eq!(told, batches.iter().map(Batch::id).collect::<Vec<_>>());
}

fn ledger(number: u8) -> LedgerId {
    LedgerId::from_bytes([number; 16]).unwrap()
}

/// A worker on another database than the gateways' worker, or a deployment that shares topics with another one.
#[tokio::test]
async fn a_chunk_with_a_batch_of_another_ledger_is_not_decided_and_the_group_is_left() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.store.register_ledger(ledger(1)).await.unwrap();
    let before = scene.saleable().await;
    for (number, of) in [(1, ledger(1)), (2, ledger(2))] {
        let batch = singles(number, scene.sale, 3).unwrap();
        scene.bus.send(body::encode_batch(&batch, Some(of), NOW));
    }
    let left = scene.consumer.step(&scene.leave).await;
    assert!(matches!(left, Err(Abandoned::ForeignBatch)), "{left:?}");
    assert!(scene.bus.events().is_empty(), "nothing is told, nothing is acknowledged");
    assert_eq!(scene.saleable().await, before);
    assert!(!scene.health.condition().is_ready());
}

#[tokio::test]
async fn a_store_without_a_ledger_decides_nothing_of_one() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    let batch = singles(1, scene.sale, 3).unwrap();
    scene.bus.send(body::encode_batch(&batch, Some(ledger(1)), NOW));
    let left = scene.consumer.step(&scene.leave).await;
    assert!(matches!(left, Err(Abandoned::ForeignBatch)), "{left:?}");
}

#[tokio::test]
async fn outcomes_name_the_ledger_that_they_are_settled_in() {
    let mut scene = Scene::new(ConsumeConfig::default()).await;
    scene.store.register_ledger(ledger(1)).await.unwrap();
    let batch = singles(1, scene.sale, 3).unwrap();
    scene.bus.send(body::encode_batch(&batch, Some(ledger(1)), NOW));
    scene.step().await;
    let events = scene.bus.events();
    let Event::Published { body, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(body::decode_outcomes(body.clone()).unwrap().ledger, Some(ledger(1)));
}

//! Cancellations, and the events that they publish.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{
    Actor, Batch, BuyerId, CancelReason, Cause, Clock, DeductPolicy, OperatorName, OrderEvent, OrderId,
    OrderState, OrderStep, SaleFields, Timestamp, audit::StoreStep,
};
use flashgate_messaging::BusError;
use flashgate_order_store::{
    LifecycleRepository, OrderRepository, RepairRepository, SaleRepository,
    contract::scene::{NOW, batch, draft, intent},
};
use flashgate_order_worker::lifecycle::{By, Lifecycle, Orders};
use flashgate_proto::event::decode_event;
use flashgate_service::error::ApiError;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::double::{Event, MemoryBus, MemoryStore, lifecycle};

/// Longer than the publisher takes for what it has in memory, and less than until the sweep publishes it.
const SOON: Duration = Duration::from_secs(1);
/// Longer than until the sweep publishes what is left.
const SWEPT: Duration = Duration::from_secs(6);

/// Longer than until two sweeps have asked for all events.
const SEEN_TWICE: Duration = Duration::from_secs(25);

/// The clock of a paused runtime.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        NOW.saturating_add(self.0.elapsed())
    }
}

struct Scene {
    store: Arc<MemoryStore>,
    bus: MemoryBus,
    orders: Arc<Orders>,
    batch: Batch,
    leave: CancellationToken,
    publishing: JoinHandle<()>,
}

impl Scene {
    /// A worker with a batch: two orders of `ada` and one of `bob`, and one that the last unit does not suffice for.
    async fn new() -> Self {
        Self::of(DeductPolicy::AtOrder).await
    }

    async fn of(deduct_policy: DeductPolicy) -> Self {
        let (store, bus, leave) =
            (Arc::new(MemoryStore::default()), MemoryBus::default(), CancellationToken::new());
        let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
        let fields = SaleFields { deduct_policy, ..draft("A", 5).unwrap().fields().clone() };
        let sale = store.create_sale(&fields.check().unwrap(), NOW).await.unwrap().id;
        let wanted = [("ada", "k", 2), ("ada", "l", 1), ("bob", "k", 1), ("cyd", "k", 2)];
        let intents = wanted.map(|(buyer, key, units)| intent(sale, buyer, key, units).unwrap());
        let batch = batch(1, intents.to_vec()).unwrap();
        store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
        let Lifecycle { orders, tasks, .. } = lifecycle(&store, &bus, clock, &Arc::default());
        let publishing = tokio::spawn(tasks.events.run(leave.clone()));
        Self { store, bus, orders, batch, leave, publishing }
    }

    fn order(&self, place: usize) -> OrderId {
        self.batch.id().order(place).unwrap()
    }

    async fn cancel(&self, place: usize, by: &By) -> Result<(OrderState, u32), ApiError> {
        let cause = Cause::new("too late").unwrap();
        let order = self.orders.make(OrderStep::Cancel, self.order(place), by, &cause).await?;
        assert_eq!(order.id, self.order(place));
        Ok((order.state, order.version))
    }

    /// The events that were published since the last look.
    fn published(&self) -> Vec<OrderEvent> {
        let published = self.bus.events().into_iter().map(|event| match event {
            Event::Published { topic, key, body, .. } if topic == "t-lifecycle" => {
                let (event, _ledger) = decode_event(body).unwrap();
                assert_eq!(key, event.order.to_string());
                event
            }
            other @ (Event::Published { .. } | Event::Committed { .. }) => panic!("no event: {other:?}"),
        });
        published.collect()
    }

    async fn unpublished(&self) -> usize {
        self.store.unpublished_events(Timestamp::from_millis(u64::MAX), 100).await.unwrap().len()
    }
}

fn buyer(name: &str) -> By {
    By::Buyer(BuyerId::new(name).unwrap())
}

fn operator() -> By {
    By::Operator(OperatorName::new("zoe").unwrap())
}

const BY_BUYER: OrderState = OrderState::Cancelled(CancelReason::ByBuyer);

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_cancelled_and_its_event_is_published_and_marked() {
    let scene = Scene::new().await;
    assert_eq!(scene.cancel(0, &buyer("ada")).await, Ok((BY_BUYER, 2)));
    sleep(SOON).await;
    let events = scene.published();
    assert_eq!(events, scene.store.order_events(scene.order(0)).await.unwrap());
    assert_eq!(events.len(), 1);
    let OrderEvent { from, to, actor, cause, version, intent, .. } = &events[0];
    assert_eq!((*from, *to, actor, *version), (OrderState::Confirmed, BY_BUYER, &Actor::Buyer, 2));
    assert_eq!((cause.as_str(), intent), ("too late", &scene.batch.intents()[0]));
    assert_eq!(scene.unpublished().await, 0);
    let sale = scene.store.sale(intent.sale()).await.unwrap().unwrap();
    assert_eq!((sale.saleable, sale.returned), (3, 2));
    sleep(SWEPT).await;
    assert_eq!(scene.published(), [], "the sweep publishes what is not marked, and nothing else");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_cancelled_once_whoever_asks_again() {
    let scene = Scene::new().await;
    let by_operator = (OrderState::Cancelled(CancelReason::ByOperator), 2);
    for by in [operator(), buyer("ada"), operator()] {
        assert_eq!(scene.cancel(1, &by).await, Ok(by_operator));
    }
    sleep(SOON).await;
    let events = scene.published();
    assert_eq!(events.iter().map(|event| event.actor.to_string()).collect::<Vec<_>>(), ["operator:zoe"]);
    let short = (OrderState::Cancelled(CancelReason::OutOfStock), 1);
    assert_eq!(
        scene.cancel(3, &buyer("cyd")).await,
        Ok(short),
        "an order that was cancelled when it was placed"
    );
    assert_eq!(scene.orders.events(scene.order(3)).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn nobody_cancels_an_order_of_another_buyer_or_one_that_is_not_placed() {
    let scene = Scene::new().await;
    assert_eq!(scene.cancel(0, &buyer("bob")).await, Err(ApiError::OrderNotFound));
    assert_eq!(scene.cancel(3, &buyer("bob")).await, Err(ApiError::OrderNotFound));
    for by in [buyer("ada"), operator()] {
        assert_eq!(scene.cancel(7, &by).await, Err(ApiError::OrderNotFound));
    }
    assert_eq!(scene.orders.events(scene.order(7)).await, Err(ApiError::OrderNotFound));
    assert_eq!(scene.orders.find(scene.order(0)).await.unwrap().state, OrderState::Confirmed);
    assert_eq!(scene.unpublished().await, 0);
    sleep(SWEPT).await;
    assert_eq!(scene.published(), []);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_broker_did_not_take_is_published_by_the_sweep() {
    let scene = Scene::new().await;
    scene.bus.fail_next(BusError::Unavailable { reason: "down".to_owned() });
    assert_eq!(
        scene.cancel(0, &buyer("ada")).await,
        Ok((BY_BUYER, 2)),
        "the buyer does not wait for the broker"
    );
    sleep(SOON).await;
    assert_eq!((scene.published(), scene.unpublished().await), (Vec::new(), 1));
    sleep(SWEPT).await;
    assert_eq!((scene.published().len(), scene.unpublished().await), (1, 0));
}

/// It was killed before it published anything.
#[tokio::test(start_paused = true)]
async fn what_a_killed_worker_left_is_published_by_another_one() {
    let scene = Scene::new().await;
    scene.publishing.abort();
    assert_eq!(scene.cancel(2, &buyer("bob")).await, Ok((BY_BUYER, 2)));
    sleep(SWEPT).await;
    assert_eq!((scene.published(), scene.unpublished().await), (Vec::new(), 1));
    let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
    sleep(SWEPT).await;
    let Lifecycle { tasks, .. } = lifecycle(&scene.store, &scene.bus, clock, &Arc::default());
    let _other = tokio::spawn(tasks.events.run(scene.leave.clone()));
    sleep(SOON).await;
    assert_eq!((scene.published().len(), scene.unpublished().await), (1, 0));
}

/// Its events are later than the present of any other worker.
#[tokio::test(start_paused = true)]
async fn what_a_worker_left_whose_clock_was_ahead_is_published_as_well() {
    struct Ahead(Paused);
    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            self.0.now().saturating_add(Duration::from_secs(3 * 24 * 3_600))
        }
    }
    let scene = Scene::new().await;
    let ahead: Arc<dyn Clock> = Arc::new(Ahead(Paused(Instant::now())));
    let Lifecycle { orders, tasks, .. } = lifecycle(&scene.store, &scene.bus, ahead, &Arc::default());
    drop(tasks);
    orders.make(OrderStep::Cancel, scene.order(2), &buyer("bob"), &Cause::default()).await.unwrap();
    sleep(SWEPT).await;
    assert_eq!((scene.published(), scene.unpublished().await), (Vec::new(), 1), "it may be in a queue");
    sleep(SEEN_TWICE).await;
    assert_eq!((scene.published().len(), scene.unpublished().await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_leaves_publishes_what_it_has() {
    let scene = Scene::new().await;
    assert_eq!(scene.cancel(0, &buyer("ada")).await, Ok((BY_BUYER, 2)));
    assert_eq!(scene.cancel(2, &operator()).await.map(|(_state, version)| version), Ok(2));
    scene.leave.cancel();
    scene.publishing.await.unwrap();
    let published: Vec<_> =
        scene.bus.events().into_iter().filter(|event| matches!(event, Event::Published { .. })).collect();
    assert_eq!(published.len(), 2);
    assert_eq!(scene.store.unpublished_events(Timestamp::from_millis(u64::MAX), 9).await.unwrap().len(), 0);
}

/// The operator who ships is told that the order is cancelled now; the buyer's money is owed.
#[tokio::test(start_paused = true)]
async fn a_paid_order_whose_sale_has_too_few_units_is_cancelled_instead_of_shipped() {
    let scene = Scene::of(DeductPolicy::AtPayment).await;
    let zoe = By::Operator(OperatorName::new("zoe").unwrap());
    let make = async |step, place| scene.orders.make(step, scene.order(place), &zoe, &Cause::default()).await;
    for place in 0..2 {
        assert_eq!(make(OrderStep::Pay, place).await.unwrap().state, OrderState::Paid);
    }
    let sale = scene.batch.intents()[0].sale();
    let taken_out = StoreStep { adjustments: 0, in_store: 3 };
    scene.store.compensate(sale, &taken_out, NOW).await.unwrap();
    assert_eq!(make(OrderStep::Ship, 0).await.unwrap().state, OrderState::Shipped);
    let failed = OrderState::Refunding(CancelReason::OutboundFailed);
    for _ in 0..2 {
        let refused = make(OrderStep::Ship, 1).await;
        let expected = ApiError::OrderStateConflict { state: failed, step: OrderStep::Ship };
        assert_eq!(refused.unwrap_err(), expected);
    }
    let sale = scene.store.sale(sale).await.unwrap().unwrap();
    assert_eq!((sale.saleable, sale.reserved, sale.returned), (0, 1, 1), "bob's is reserved still");
    sleep(SOON).await;
    let published = scene.published();
    let last = published.last().unwrap();
    assert_eq!((last.to, &last.actor, last.is_written_off()), (failed, &Actor::Stock, true));
    assert_eq!(published.len(), 4, "{published:?}");
}

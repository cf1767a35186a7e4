//! Orders that are not paid in time: their timers, the sweep, and look-ups.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{
    Actor, Batch, BatchOutcome, BuyerId, CancelReason, Cause, Clock, OperatorName, OrderId, OrderState,
    OrderStep, SaleId, Timestamp,
};
use flashgate_messaging::{BusError, Join, Subscription};
use flashgate_order_store::{
    LifecycleRepository, OrderRepository, PaymentDeadline, Placed, SaleRepository,
    contract::scene::{NOW, batch, draft, intent, singles},
};
use flashgate_order_worker::lifecycle::{By, Lifecycle, Orders, Tasks, TimerSender};
use flashgate_proto::timer::{Timer, decode_timer, encode_timer};
use flashgate_service::error::ApiError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::double::{Event, MemoryBus, MemoryStore, lifecycle};

const TIMED_OUT: OrderState = OrderState::Cancelled(CancelReason::Timeout);
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than a task takes for what is at hand.
const SOON: Duration = Duration::from_secs(2);
const HOP_MAX: Duration = Duration::from_secs(12 * 60 * 60);

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
    clock: Arc<dyn Clock>,
    orders: Arc<Orders>,
    timers: TimerSender,
    tasks: Option<Tasks>,
    leave: CancellationToken,
}

impl Scene {
    fn new() -> Self {
        let (store, bus) = (Arc::new(MemoryStore::default()), MemoryBus::default());
        let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
        let Lifecycle { orders, timers, tasks, .. } =
            lifecycle(&store, &bus, Arc::clone(&clock), &Arc::default());
        Self { store, bus, clock, orders, timers, tasks: Some(tasks), leave: CancellationToken::new() }
    }

    async fn sale(&self, pay_within: Duration) -> SaleId {
        let mut fields = draft("A thing", 100_000).unwrap().fields().clone();
        fields.pay_within = pay_within;
        self.store.create_sale(&fields.check().unwrap(), NOW).await.unwrap().id
    }

    /// Places a batch as the consumer does.
    async fn place(&self, batch: &Batch) {
        let (now, batches) = (self.clock.now(), std::slice::from_ref(batch));
        let placed = self.store.apply(batches, now).await.unwrap();
        let outcomes: Vec<BatchOutcome> = placed
            .into_iter()
            .map(|placed| match placed {
                Placed::Decided(outcome) => outcome,
                Placed::Rejected(why) => panic!("{why}"),
            })
            .collect();
        self.timers.send(now, &outcomes);
    }

    fn send_timers(&mut self) {
        let timers = self.tasks.take().unwrap().timers;
        tokio::spawn(timers.run(self.leave.clone()));
    }

    fn take_timers(&mut self) {
        let timeouts = self.tasks.take().unwrap().timeouts;
        let bus = self.bus.clone();
        let join: Join = Box::new(move || {
            let bus: Box<dyn Subscription> = Box::new(bus.clone());
            Box::pin(async move { Ok(bus) })
        });
        tokio::spawn(timeouts.run(join, self.leave.clone()));
    }

    fn sweep(&mut self) {
        let sweep = self.tasks.take().unwrap().sweep;
        tokio::spawn(sweep.run(self.leave.clone()));
    }

    /// The timers that were published since the last look, with their delays.
    fn timers(&self) -> Vec<(Timer, Duration)> {
        let timer = |event| match event {
            Event::Published { topic, key, body, deliver_after, .. } if topic == "t-timers" => {
                let timer = decode_timer(body).unwrap();
                assert_eq!(key, timer.batches[0].to_string());
                Some((timer, deliver_after.unwrap()))
            }
            Event::Published { .. } | Event::Committed { .. } => None,
        };
        self.bus.events().into_iter().filter_map(timer).collect()
    }

    async fn state(&self, order: OrderId) -> OrderState {
        self.store.order(order).await.unwrap().unwrap().state
    }

    async fn make(&self, step: OrderStep, order: OrderId) -> Result<(OrderState, u32), ApiError> {
        let made = self.orders.make(step, order, &operator(), &Cause::default()).await;
        made.map(|order| (order.state, order.version))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

fn operator() -> By {
    By::Operator(OperatorName::new("zoe").unwrap())
}

fn base(batch: &Batch) -> OrderId {
    batch.id().base()
}

#[tokio::test(start_paused = true)]
async fn a_chunk_gets_a_timer_for_each_time_at_which_its_orders_are_due() {
    let mut scene = Scene::new();
    let [short, long, free] =
        [scene.sale(MINUTE).await, scene.sale(2 * MINUTE).await, scene.sale(Duration::ZERO).await];
    scene.send_timers();
    let mixed = [intent(short, "ada", "k", 1), intent(free, "ada", "k", 1), intent(long, "bob", "k", 1)];
    let mixed = batch(1, mixed.map(Result::unwrap).to_vec()).unwrap();
    scene.place(&mixed).await;
    sleep(SOON).await;
    let timer = |time, batch: &Batch| Timer { due_at: NOW.saturating_add(time), batches: vec![base(batch)] };
    let expected = [MINUTE, 2 * MINUTE].map(|time| (timer(time, &mixed), time));
    assert_eq!(scene.timers(), expected);

    scene.place(&singles(2, free, 3).unwrap()).await;
    sleep(SOON).await;
    assert_eq!(scene.timers(), [], "nothing is due");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_what_brokers_take_is_reached_in_hops() {
    let mut scene = Scene::new();
    let sale = scene.sale(3 * HOP_MAX).await;
    let batch = singles(1, sale, 1).unwrap();
    scene.place(&batch).await;
    scene.send_timers();
    sleep(SOON).await;
    let due_at = NOW.saturating_add(3 * HOP_MAX);
    assert_eq!(scene.timers(), [(Timer { due_at, batches: vec![base(&batch)] }, HOP_MAX)]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_has_run_out_cancels_what_is_due_and_an_early_one_is_armed_again() {
    let mut scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    let [first, second] = [singles(1, sale, 3).unwrap(), singles(2, sale, 1).unwrap()];
    scene.place(&first).await;
    scene.place(&second).await;
    let paid = first.id().order(1).unwrap();
    assert_eq!(scene.make(OrderStep::Pay, paid).await, Ok((OrderState::Paid, 2)));
    let due_at = NOW.saturating_add(MINUTE);
    let timer = Timer { due_at, batches: vec![base(&first), base(&second)] };
    scene.bus.send(encode_timer(&timer));
    scene.bus.send("no timer".into());
    scene.take_timers();

    sleep(MINUTE / 4).await;
    let armed = scene.timers();
    assert_eq!(armed.len(), 1, "{armed:?}");
    assert_eq!(armed[0].0, timer);
    assert!(armed[0].1 > MINUTE / 2 && armed[0].1 <= MINUTE, "{armed:?}");
    assert_eq!(scene.state(base(&first)).await, OrderState::Confirmed);

    sleep(MINUTE).await;
    scene.bus.send(encode_timer(&timer));
    sleep(SOON).await;
    for order in [base(&first), first.id().order(2).unwrap(), base(&second)] {
        assert_eq!(scene.state(order).await, TIMED_OUT);
        let events = scene.store.order_events(order).await.unwrap();
        assert_eq!(events.iter().map(|event| event.actor.clone()).collect::<Vec<_>>(), [Actor::Deadline]);
    }
    assert_eq!(scene.state(paid).await, OrderState::Paid);
    let sale = scene.store.sale(sale).await.unwrap().unwrap();
    assert_eq!((sale.returned, sale.saleable), (3, 100_000 - 1));
    assert_eq!(scene.bus.events(), [Event::Committed { offset: 3 }]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_committed_only_after_its_orders_are_cancelled() {
    let mut scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    let batch = singles(1, sale, 1).unwrap();
    scene.place(&batch).await;
    sleep(MINUTE).await;
    scene.store.fail_expiries(3);
    scene.bus.send(encode_timer(&Timer { due_at: NOW.saturating_add(MINUTE), batches: vec![base(&batch)] }));
    scene.take_timers();
    sleep(Duration::from_millis(700)).await;
    assert_eq!((scene.state(base(&batch)).await, scene.bus.events()), (OrderState::Confirmed, Vec::new()));
    sleep(SOON).await;
    assert_eq!(scene.state(base(&batch)).await, TIMED_OUT);
    assert_eq!(scene.bus.events(), [Event::Committed { offset: 1 }]);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_cancels_what_no_timer_has_page_by_page() {
    let mut scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    for number in 0..600 {
        scene.place(&singles(number, sale, 1).unwrap()).await;
    }
    scene.place(&singles(601, sale, 1_024).unwrap()).await;
    scene.sweep();
    sleep(SOON).await;
    assert_eq!(scene.store.take_expired(), [0_usize; 0], "nothing is due");
    sleep(2 * MINUTE).await;
    let sizes = scene.store.take_expired();
    assert_eq!(sizes, [256, 256, 89]);
    let sale = scene.store.sale(sale).await.unwrap().unwrap();
    assert_eq!((sale.returned, sale.saleable), (1_624, 100_000));
    sleep(MINUTE).await;
    assert_eq!(scene.store.take_expired(), [0_usize; 0], "each deadline is gone");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_is_repeated_at_the_next_interval() {
    let mut scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    let batch = singles(1, sale, 1).unwrap();
    scene.place(&batch).await;
    sleep(MINUTE).await;
    scene.store.fail_expiries(1);
    scene.sweep();
    sleep(SOON).await;
    assert_eq!(scene.state(base(&batch)).await, OrderState::Confirmed);
    sleep(MINUTE).await;
    assert_eq!(scene.state(base(&batch)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_an_order_unpaid_after_its_deadline() {
    let scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    let batch = singles(1, sale, 4).unwrap();
    scene.place(&batch).await;
    let [looked_up, cancelled, bought, paid] = [0, 1, 2, 3].map(|place| batch.id().order(place).unwrap());
    assert_eq!(scene.make(OrderStep::Pay, paid).await, Ok((OrderState::Paid, 2)));
    sleep(MINUTE - Duration::from_millis(1)).await;
    assert_eq!(scene.orders.find(looked_up).await.unwrap().state, OrderState::Confirmed);
    sleep(Duration::from_millis(1)).await;
    let found = scene.orders.find(looked_up).await.unwrap();
    assert_eq!((found.state, found.version), (TIMED_OUT, 2));
    // It was too late for the buyer's own cancellation, and for a payment.
    let buyer = By::Buyer(BuyerId::new("buyer-1-1").unwrap());
    let cancelled = scene.orders.make(OrderStep::Cancel, cancelled, &buyer, &Cause::default()).await;
    assert_eq!(cancelled.unwrap().state, TIMED_OUT);
    let conflict = ApiError::OrderStateConflict { state: TIMED_OUT, step: OrderStep::Pay };
    assert_eq!(scene.make(OrderStep::Pay, bought).await, Err(conflict));
    assert_eq!(scene.orders.find(paid).await.unwrap().state, OrderState::Paid);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_leaves_sends_the_timers_that_it_has_while_the_broker_takes_them() {
    let mut scene = Scene::new();
    let sale = scene.sale(MINUTE).await;
    for number in 0..3 {
        scene.place(&singles(number, sale, 1).unwrap()).await;
    }
    scene.bus.fail_next(BusError::Unavailable { reason: "down".to_owned() });
    scene.leave.cancel();
    scene.send_timers();
    sleep(SOON).await;
    assert_eq!(scene.timers(), [], "the first one failed; the sweep of another worker cancels the orders");
    let deadlines = scene.store.all_deadlines();
    assert_eq!(deadlines.len(), 3);
    assert!(deadlines.iter().all(|PaymentDeadline { at, .. }| *at == NOW.saturating_add(MINUTE)));
}

//! Look-ups and cancellations of orders.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use flashgate_domain::{
    AttemptId, AttemptState, Batch, BuyerId, CancelReason, LedgerId, Money, Order, OrderId, OrderPage,
    OrderState, OrderStep, Payment, Refusal, Sale, SaleId, SaleState, StoreId, StoreIdentity, Unpayable,
};
use flashgate_gateway::{
    buy::orders::{OrderView, Orders},
    sales::registry::{Listed, Registry, RegistryError},
};
use flashgate_ledger::contract::{
    Fact,
    scene::{Scene, all_cancelled, all_confirmed, intent},
};
use flashgate_service::error::ApiError;
use parking_lot::Mutex;

use super::scene::{NOW, distant_scene_of, ledger, server};

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

    async fn orders_of(&self, _buyer: &BuyerId, _page: OrderPage) -> Result<Vec<Order>, RegistryError> {
        Ok(self.found()?.into_iter().collect())
    }

    async fn cancel_order(&self, _order: OrderId, _buyer: &BuyerId) -> Result<Option<Order>, RegistryError> {
        let Some(mut order) = self.found()? else { return Ok(None) };
        if order.state == OrderState::Confirmed {
            (order.state, order.version) = (BY_BUYER, order.version + 1);
            *self.stored.lock() = Some(order.clone());
        } else if order.state.reason().is_none() {
            return Err(RegistryError::StateConflict);
        }
        Ok(Some(order))
    }

    async fn open_payment(&self, order: OrderId, _buyer: &BuyerId) -> Result<Option<Payment>, RegistryError> {
        let Some(stored) = self.found()? else { return Ok(None) };
        match stored.state {
            OrderState::Confirmed => Ok(Some(payment_of(order))),
            OrderState::Paid => Err(RegistryError::StateConflict),
            OrderState::Pending
            | OrderState::Shipped
            | OrderState::Finished
            | OrderState::Cancelled(_)
            | OrderState::Refunding(_)
            | OrderState::Refunded(_) => Err(RegistryError::Unpayable(Unpayable::Overdue)),
        }
    }
}

/// The first attempt to pay an order.
fn payment_of(order: OrderId) -> Payment {
    Payment {
        attempt: AttemptId { order, number: NonZeroU32::MIN },
        due: Money::new(1_999, "EUR".parse().unwrap()).unwrap(),
        state: AttemptState::Open,
        pay_url: format!("https://pay.example/{order}-1"),
        pay_by: Some(NOW),
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
        let order = Order { id, intent, state, version, batch, created_at: NOW, pay_by: None };
        *self.worker.stored.lock() = Some(order);
    }

    async fn settle(&self) {
        self.scene.ledger().settle(&all_confirmed(&self.batch)).await.unwrap();
    }

    async fn find(&self, buyer: &str) -> Result<(OrderState, u32), ApiError> {
        let found = self.orders.find(self.batch.id().base(), &BuyerId::new(buyer).unwrap()).await;
        found.map(|view| self.state_of(&view))
    }

    async fn list(&self) -> Result<Vec<(OrderState, u32)>, ApiError> {
        let page = OrderPage { before: None, size: OrderPage::SIZE_DEFAULT };
        let listed = self.orders.list(&BuyerId::new("ada").unwrap(), page).await?;
        Ok(listed.iter().map(|view| self.state_of(view)).collect())
    }

    async fn cancel(&self, buyer: &str) -> Result<(OrderState, u32), ApiError> {
        let cancelled = self.orders.cancel(self.batch.id().base(), &BuyerId::new(buyer).unwrap()).await;
        cancelled.map(|view| self.state_of(&view))
    }

    async fn pay(&self, buyer: &str) -> Result<Payment, ApiError> {
        self.orders.pay(self.batch.id().base(), &BuyerId::new(buyer).unwrap()).await
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
    // Its outcome is on the way. A step now would be followed by look-ups that tell of an older state.
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.cancel("ada").await, Err(ApiError::OrderPending));
    assert_eq!(stage.find("ada").await, Ok((OrderState::Pending, 0)));
    stage.settle().await;
    assert_eq!(stage.cancel("ada").await, Ok((BY_BUYER, 2)));
    assert_eq!(stage.find("ada").await, Ok((BY_BUYER, 2)));
    Ok(())
}

/// A list tells of no order what a look-up after it would take back.
#[tokio::test]
async fn a_listed_order_stands_as_a_look_up_tells() -> Fact {
    let stage = OrderStage::new().await?;
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.list().await, Ok(vec![(OrderState::Pending, 0)]), "its outcome is on the way");
    stage.settle().await;
    assert_eq!(stage.list().await, Ok(vec![(OrderState::Confirmed, 1)]));
    stage.store(OrderState::Paid, 2);
    assert_eq!(stage.list().await, Ok(vec![(OrderState::Paid, 2)]));
    stage.worker.is_away.store(true, Ordering::Relaxed);
    assert_eq!(stage.list().await, Err(ApiError::WorkerUnavailable));
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
    let refused = Err(ApiError::OrderStateConflict { state: OrderState::Paid, step: OrderStep::Cancel });
    assert_eq!(stage.cancel("ada").await, refused);
    assert_eq!(stage.find("ada").await, Ok((OrderState::Paid, 2)));
    Ok(())
}

#[tokio::test]
async fn a_confirmed_order_is_paid_and_what_forbids_it_is_named() -> Fact {
    let stage = OrderStage::new().await?;
    let payment = Ok(payment_of(stage.batch.id().base()));
    assert_eq!(stage.pay("ada").await, Err(ApiError::OrderPending));
    stage.store(OrderState::Confirmed, 1);
    assert_eq!(stage.pay("ada").await, Err(ApiError::OrderPending), "its outcome is on the way");
    stage.settle().await;
    assert_eq!(stage.pay("ada").await, payment);
    let calls = stage.worker.calls.load(Ordering::Relaxed);
    assert_eq!(stage.pay("bob").await, Err(ApiError::OrderNotFound));
    assert_eq!(stage.worker.calls.load(Ordering::Relaxed), calls, "a guessed id does not reach the worker");
    stage.store(OrderState::Paid, 2);
    let paid = Err(ApiError::OrderStateConflict { state: OrderState::Paid, step: OrderStep::Pay });
    assert_eq!(stage.pay("ada").await, paid);
    stage.store(OrderState::Shipped, 3);
    assert_eq!(stage.pay("ada").await, Err(ApiError::Unpayable(Unpayable::Overdue)));
    stage.worker.is_away.store(true, Ordering::Relaxed);
    assert_eq!(stage.pay("ada").await, Err(ApiError::WorkerUnavailable));
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

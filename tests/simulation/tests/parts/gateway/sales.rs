//! Sales: the preheat, and what a gateway remembers of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{
    BuyerId, LedgerId, Order, OrderId, OrderPage, Payment, Sale, SaleId, SaleState, StoreId, StoreIdentity,
    id::ShardCount,
};
use flashgate_gateway::sales::{
    catalogue::Catalogue,
    preheat::Preheat,
    registry::{Listed, Registry, RegistryError},
};
use flashgate_ledger::{
    LedgerState as Stand,
    contract::{
        Fact,
        scene::{Scene, open_window},
    },
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::scene::{Messages, distant_scene_of, ledger, server};

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

//! Whole gateways, in a world of their own.

use std::{num::NonZeroU64, time::Duration};

use flashgate_domain::{BuyerId, IdempotencyKey, Quantity, Refusal, SaleState, Verdict};
use flashgate_gateway::{
    buy::purchase::Buy,
    config::{BatcherConfig, UnscreenedConfig},
};
use flashgate_ledger::{LedgerState as Stand, contract::Fact};
use flashgate_simulation::{
    history::{History, Payment, SALES},
    network::Network,
    trace::Trace,
    world::World,
};
use tokio::time::sleep;

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
    history.setup.payment = Payment::default();
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

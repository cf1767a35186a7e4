//! Sales that share a shard, and sales that do not, in one run.

use std::collections::BTreeMap;

use flashgate_domain::SaleId;
use flashgate_tests::{Answer, Deployment, Purchase, SaleForm, ask_all};

const STOCK: u64 = 50;
const BUYERS_A_SALE: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn sales_of_one_shard_and_of_different_shards_each_sell_exactly_their_units() {
    let shop = Deployment::of("shards").gateways(2).workers(2).shards(4).start().await;
    let mut sales_of_shard: BTreeMap<u16, Vec<SaleId>> = BTreeMap::new();
    let has_both =
        |sales: &BTreeMap<u16, Vec<SaleId>>| sales.len() >= 3 && sales.values().any(|sales| sales.len() >= 2);
    while !has_both(&sales_of_shard) {
        let sale = shop.open_sale(SaleForm::of_stock(STOCK).limit(1)).await;
        sales_of_shard.entry(shop.stock.shard(sale).get()).or_default().push(sale);
    }
    let sales: Vec<SaleId> = sales_of_shard.values().flatten().copied().collect();
    let wishes = (0..BUYERS_A_SALE).flat_map(|number| {
        // One buyer, one key, every sale: they are different purchases.
        sales.iter().map(move |sale| Purchase::new(*sale, format!("buyer-{number}"), "key", 1))
    });
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let heard = ask_all(wishes.collect::<Vec<_>>(), 64, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await;

    for sale in &sales {
        let books = shop.conserved(*sale, &heard).await;
        assert_eq!(books.confirmed_units(), STOCK, "sale {sale} of {sales_of_shard:?}");
        assert_eq!(books.sale.saleable, 0);
    }
    let mut refused = heard.iter().flat_map(|heard| &heard.answers).filter(|answer| answer.order().is_none());
    assert_eq!(refused.find(|answer| **answer != Answer::of_code("sold_out", false)), None);
    for (shard, sales) in &sales_of_shard {
        let of_shard = |order: flashgate_domain::OrderId| order.shard().get() == *shard;
        let orders = heard
            .iter()
            .filter(|heard| sales.contains(&heard.purchase.sale))
            .filter_map(|heard| heard.order());
        assert!(orders.into_iter().all(of_shard), "an order's id tells its shard");
    }
    shop.stop().await;
}

//! A buyer lists own orders at any gateway, and an operator those of any buyer.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use flashgate_domain::{BuyerId, OrderId, OrderPage};
use flashgate_proto::v1::ListOrdersRequest;
use flashgate_tests::{Deployment, Door, Heard, Purchase, SaleForm, SeenOrder, ask_all};

/// Every page of the buyer's orders.
async fn all_of(door: &Door, buyer: &str, page_size: usize) -> Vec<(OrderId, SeenOrder)> {
    let mut listed: Vec<(OrderId, SeenOrder)> = Vec::new();
    loop {
        let before = listed.last().map(|(id, _seen)| format!("&before_id={id}")).unwrap_or_default();
        let page = door.orders(buyer, &format!("page_size={page_size}{before}")).await.unwrap();
        let is_last = page.len() < page_size;
        listed.extend(page);
        if is_last {
            return listed;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_sees_own_orders_of_every_sale_newest_first() {
    let shop = Deployment::of("my-orders").gateways(2).start().await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let sales =
        [shop.open_sale(SaleForm::of_stock(100)).await, shop.open_sale(SaleForm::of_stock(100)).await];
    // Each gateway and each sale in turns.
    let purchase = |number: usize| {
        let buyer = if number.is_multiple_of(3) { "bob" } else { "ada" };
        Purchase::new(sales[number % 2], buyer, format!("key-{number}"), 1)
    };
    let heard = ask_all((0..30).map(purchase), 4, async |purchase: &Purchase| {
        doors[purchase.key.len() % 2].buy(purchase).await
    })
    .await;
    let of_sale =
        |sale| heard.iter().filter(|heard| heard.purchase.sale == sale).cloned().collect::<Vec<_>>();
    for sale in sales {
        shop.conserved(sale, &of_sale(sale)).await;
    }
    let own = |buyer: &str| -> Vec<OrderId> {
        let orders = heard.iter().filter(|heard| heard.purchase.buyer == buyer).filter_map(Heard::order);
        let mut orders: Vec<OrderId> = orders.collect();
        orders.sort_unstable_by(|one, other| other.cmp(one));
        orders
    };
    let ada = own("ada");
    assert_eq!(ada.len(), 20);
    let cancelled = doors[0].cancel(ada[7], "ada").await.unwrap();
    for door in &doors {
        let listed = all_of(door, "ada", 8).await;
        assert_eq!(listed.iter().map(|(id, _seen)| *id).collect::<Vec<_>>(), ada);
        assert_eq!(listed[7].1, cancelled);
        for (id, seen) in &listed {
            assert_eq!(*seen, door.order(*id, "ada").await.unwrap(), "{id} alone");
        }
        let page = ListOrdersRequest { before_id: ada[3].to_string(), page_size: 5 };
        assert_eq!(door.orders_grpc("ada", page).await.unwrap(), listed[4..9]);
        let listed = door.orders("bob", "").await.unwrap();
        assert_eq!(listed.into_iter().map(|(id, _seen)| id).collect::<Vec<_>>(), own("bob"));
        assert_eq!(door.orders("nobody", "").await, Ok(Vec::new()));
        assert_eq!(door.orders("ada", "before_id=x").await, Err("malformed".to_owned()));
        let too_long = ListOrdersRequest { before_id: String::new(), page_size: 101 };
        assert_eq!(door.orders_grpc("ada", too_long).await, Err("malformed".to_owned()));
    }
    let page = OrderPage { before: Some(ada[3]), size: 5 };
    let stored = shop.operator().orders.list(&BuyerId::new("ada").unwrap(), page).await.unwrap();
    assert_eq!(stored.iter().map(|order| order.id).collect::<Vec<_>>(), ada[4..9]);
    assert!(stored.iter().all(|order| order.intent.buyer().as_str() == "ada"), "{stored:?}");
    shop.stop().await;
}

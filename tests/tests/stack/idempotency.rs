//! One key is one wish: afterwards, in flight, on another gateway, and when everything is sold.

use std::time::Duration;

use flashgate_tests::{Answer, Deployment, Door, Heard, Purchase, SaleForm, eventually};
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;

fn reused() -> Answer {
    Answer::of_code("idempotency_key_reused", false)
}

async fn start() -> (Deployment, [Door; 2]) {
    let shop = Deployment::of("key").gateways(2).start().await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    (shop, doors)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_leads_to_the_same_order_on_every_gateway_and_over_every_protocol() {
    let (shop, doors) = start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let wish = Purchase::new(sale, "ada", "key", 2);
    let first = doors[0].buy(&wish).await;
    let Answer::Accepted(order) = first else { panic!("{first:?}") };
    let mut answers = vec![first];
    for door in &doors {
        let stream = door.stream().await;
        for again in [door.buy(&wish).await, door.buy_grpc(&wish).await, stream.buy(&wish).await] {
            assert_eq!(again, Answer::Replayed(order));
            answers.push(again);
        }
        let more = Purchase { quantity: 3, ..wish.clone() };
        for other in [door.buy(&more).await, door.buy_grpc(&more).await, stream.buy(&more).await] {
            assert_eq!(other, reused());
        }
    }
    // The key is the buyer's own name for it: another buyer's is another wish.
    let other = Purchase::new(sale, "bob", "key", 2);
    let answer = doors[1].buy(&other).await;
    assert!(matches!(answer, Answer::Accepted(others) if others != order), "{answer:?}");

    let heard = [Heard { purchase: wish, answers }, Heard { purchase: other, answers: vec![answer] }];
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 4);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_sent_many_times_at_one_instant_becomes_one_order() {
    const KEYS: usize = 50;
    let (shop, doors) = start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    let doors = &doors;
    let many_times = |purchase: Purchase| async move {
        let calls = (0..16).map(|call: usize| doors[call % 2].buy(&purchase));
        Heard { answers: join_all(calls).await, purchase: purchase.clone() }
    };
    let wishes = Purchase::of_many(sale, "buyer", KEYS);
    let heard = join_all(wishes.into_iter().map(many_times)).await;
    for heard in &heard {
        let accepted = heard.answers.iter().filter(|answer| matches!(answer, Answer::Accepted(_))).count();
        let replayed = heard.answers.iter().filter(|answer| matches!(answer, Answer::Replayed(_))).count();
        assert_eq!((accepted, replayed), (1, 15), "{heard:?}");
    }
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.orders.len(), KEYS);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_quantities_under_one_key_at_one_instant_one_is_an_order() {
    const KEYS: usize = 50;
    let (shop, doors) = start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    let doors = &doors;
    let both = |(number, one): (usize, Purchase)| async move {
        let two = Purchase { quantity: 2, ..one.clone() };
        let (same, other) = (&doors[number % 2], &doors[(number / 2) % 2]);
        let (first, second) = tokio::join!(same.buy(&one), other.buy(&two));
        match (&first, &second) {
            (Answer::Accepted(_), refused) if *refused == reused() => {
                Heard { purchase: one, answers: vec![first] }
            }
            (refused, Answer::Accepted(_)) if *refused == reused() => {
                Heard { purchase: two, answers: vec![second] }
            }
            _ => panic!("{first:?} {second:?}"),
        }
    };
    let heard = join_all(Purchase::of_many(sale, "buyer", KEYS).into_iter().enumerate().map(both)).await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.orders.len(), KEYS);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_took_the_last_unit_gets_the_order_again_when_everything_is_sold() {
    let (shop, doors) = start().await;
    let sale = shop.open_sale(SaleForm::of_stock(5)).await;
    let mut heard = Vec::new();
    for wish in Purchase::of_many(sale, "winner", 5) {
        let answers = vec![doors[0].buy(&wish).await];
        heard.push(Heard { purchase: wish, answers });
    }
    let late = Purchase::new(sale, "late", "late", 1);
    for door in &doors {
        eventually("the gateway remembers that the sale is sold out", Duration::from_secs(10), async || {
            assert_eq!(door.buy(&late).await, Answer::of_code("sold_out", false));
            let request = Request::get(format!("/v1/sales/{sale}")).body(Full::default()).unwrap();
            let response = door.http(request).await?;
            assert_eq!(response.status(), StatusCode::OK);
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            (body["sold_out"] == true).then_some(()).ok_or_else(|| body.to_string())
        })
        .await;
    }
    for heard in &mut heard {
        let order = heard.order().unwrap();
        for door in &doors {
            for again in [door.buy(&heard.purchase).await, door.buy_grpc(&heard.purchase).await] {
                assert_eq!(again, Answer::Replayed(order));
                heard.answers.push(again);
            }
            let more = Purchase { quantity: 2, ..heard.purchase.clone() };
            assert_eq!(door.buy(&more).await, reused());
        }
    }
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

/// Intents of one call stand in each other's way: whoever is behind may hear "sold out" only once those before it
/// have their units.
#[tokio::test(flavor = "multi_thread")]
async fn sold_out_is_only_said_when_it_is_true_however_close_the_race() {
    const SALES: usize = 40;
    const KEYS: u32 = 30;
    let (shop, doors) = start().await;
    for number in 0..SALES {
        let sale = shop.open_sale(SaleForm::of_stock(7).limit(3)).await;
        let wish =
            |key: u32| Purchase::new(sale, format!("buyer-{}", key % 20), format!("key-{key}"), 1 + key % 3);
        let doors = &doors;
        let at_both_gateways = |purchase: Purchase| async move {
            let (one, other) = tokio::join!(doors[0].buy(&purchase), doors[1].buy_grpc(&purchase));
            Heard { purchase, answers: vec![one, other] }
        };
        let heard = join_all((0..KEYS).map(wish).map(at_both_gateways)).await;
        for heard in &heard {
            let orders = heard.answers.iter().filter(|answer| answer.order().is_some()).count();
            assert!(orders == 0 || orders == 2, "sale {number}: one key, an order and a refusal: {heard:?}");
        }
        let books = shop.conserved(sale, &heard).await;
        let sold_out = Answer::of_code("sold_out", false);
        let refused = heard.iter().filter(|heard| heard.answers.contains(&sold_out));
        let smallest = refused.map(|heard| i64::from(heard.purchase.quantity)).min();
        let left = books.ledger.totals.available;
        assert!(
            smallest.is_none_or(|units| left < units),
            "sale {number}: {smallest:?} refused, {left} left"
        );
    }
    shop.stop().await;
}

//! The ledger: away, frozen, and back.

use std::time::Duration;

use flashgate_tests::{Deployment, Heard, Purchase, Rush, SaleForm, eventually};
use tokio::time::sleep;

use super::{try_again, until_missing, until_ready, words};

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_away_nothing_is_ordered_and_it_sells_again_the_moment_redis_is_back() {
    let mut shop = Deployment::of("redis-away").own_redis().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let (door, operator) = (shop.gateways[0].door(), shop.gateways[0].operator());
    let first = Purchase::new(sale, "early", "early-1", 2);
    let accepted = door.buy(&first).await;
    let order = accepted.order().unwrap();
    let mut heard = vec![Heard { purchase: first, answers: vec![accepted] }];
    shop.settled(sale).await;

    shop.redis.as_mut().unwrap().process.kill().await;
    for purchase in Purchase::of_many(sale, "meanwhile", 10) {
        let answers = vec![door.buy(&purchase).await, door.buy_grpc(&purchase).await];
        assert_eq!(answers, [try_again("ledger_unavailable"), try_again("ledger_unavailable")]);
        heard.push(Heard { purchase, answers });
    }
    assert_eq!(door.order(order, "early").await.unwrap().state, "confirmed", "the order store knows it");
    assert_eq!(door.order(order, "someone-else").await, Err("order_not_found".to_owned()));
    until_missing(operator, "ledger").await;

    shop.redis.as_mut().unwrap().restart().await;
    // A failed attempt to connect is held for 50 ms.
    eventually("it sells at once", Duration::from_secs(1), async || {
        let answer = door.buy(&heard[1].purchase).await;
        if answer.order().is_some() { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    for heard in heard.iter_mut().skip(1) {
        let answer = door.buy(&heard.purchase).await;
        assert!(answer.order().is_some(), "{answer:?}");
        heard.answers.push(answer);
    }
    until_ready(operator).await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 12);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deduction_that_redis_answers_too_late_is_unknown_and_then_settled_truthfully() {
    let mut shop = Deployment::of("redis-slow")
        .gateways(2)
        .own_redis()
        .gateway_setting("redis.response_timeout_ms", 150)
        .gateway_setting("batcher.intent_deadline_ms", 400)
        .gateway_setting("batcher.doubt_timeout_ms", 200)
        .start()
        .await;
    let sale = shop.open_sale(SaleForm::of_stock(10_000)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 24);
    let doubts = [("result", "unknown")];
    // A freeze finds some batch between its half-message and its deduction more often than not.
    for _freeze in 0..20 {
        let sold = rush.accepted();
        eventually("it sells", Duration::from_secs(20), async || {
            (rush.accepted() > sold + 50).then_some(()).ok_or_else(|| format!("{} sold", rush.accepted()))
        })
        .await;
        shop.redis.as_ref().unwrap().process.freeze();
        // Longer than everything that a gateway waits for; time itself is what is tried here.
        sleep(Duration::from_millis(1_200)).await;
        shop.redis.as_mut().unwrap().process.thaw();
        if shop.gateway_metric("flashgate_gateway_in_doubt_deductions_total", &doubts).await >= 2.0 {
            break;
        }
    }
    let heard = rush.end().await;
    println!("answers: {:?}", words(&heard));
    assert!(words(&heard).contains_key("outcome_unknown"), "no buyer was ever in doubt");
    let undecided = heard.iter().find(|heard| heard.order().is_none());
    assert!(undecided.is_none(), "there was enough for all: {undecided:?}");
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), u64::try_from(heard.len()).unwrap(), "no unit leaked");
    shop.stop().await;
}

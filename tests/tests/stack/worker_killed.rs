//! Order workers that die at every step of a chunk.

use flashgate_tests::{Deployment, Rush, SaleForm, Seed};
use rand::Rng;

/// The steps of a chunk, in their order: `order-worker/src/consume.rs`.
const STEPS: [&str; 6] = [
    "after_poll",
    "after_begin",
    "before_db_commit",
    "after_db_commit",
    "after_outcomes",
    "before_offset_commit",
];
const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_loses_no_order_and_makes_none_twice() {
    let mut chance = Seed::of_this_run().generator();
    let mut shop = Deployment::of("worker").gateways(1).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000_000)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    shop.workers[0].process.kill().await;
    for kill in 0..KILLS {
        let (step, hit) = (STEPS[kill % STEPS.len()], chance.random_range(1..=4_u32));
        shop.workers[0].start_armed(&format!("{step}:{hit}"));
        shop.workers[0].process.crashed().await;
    }
    shop.workers[0].start();
    shop.workers[0].ready().await;
    let heard = rush.end().await;

    let books = shop.conserved(sale, &heard).await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "buyers notice nothing");
    assert!(books.orders.iter().all(|order| order.is_confirmed()));
    assert_eq!(books.orders.len(), heard.len());
    shop.stop().await;
}

/// With no other worker to take over, the one that comes back finds its own half-done work.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_worker_finds_what_it_left_half_done() {
    let mut shop = Deployment::of("worker-alone").gateways(1).workers(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000_000)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    shop.workers[0].process.kill().await;
    for step in STEPS {
        shop.workers[0].start_armed(step);
        shop.workers[0].process.crashed().await;
    }
    shop.workers[0].start();
    let heard = rush.end().await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    shop.stop().await;
}

//! No background task dies unseen: each takes its process down in order, and no buyer meets silence.

use std::time::Duration;

use flashgate_supervision::{EXIT_CODE, failpoint};
use flashgate_tests::{Answer, Deployment, PaymentProvider, Purchase, Rush, SaleForm, process::Process};
use tokio::time::sleep;

/// What every gateway has, from its start on.
const OF_GATEWAYS: [&str; 21] = [
    "operator_listener",
    "http_listener",
    "grpc_listener",
    "metrics_upkeep",
    "grpc_health",
    "readiness",
    "identity",
    "ledger_clock",
    "sweep",
    "ledger_events",
    "sold_out_sales",
    "preheat",
    "settle",
    "return_units",
    "lane",
    "check_backs",
    "bus_connection",
    "bus_heartbeat",
    "bus_assignment",
    "bus_offsets",
    "bus_puller",
];
/// What every order worker has that audits, takes payments and ships what is paid.
const OF_WORKERS: [&str; 21] = [
    "operator_listener",
    "metrics_upkeep",
    "grpc_health",
    "health",
    "consume",
    "audit",
    "shutdown_notice",
    "order_events",
    "payment_timers",
    "payment_timeouts",
    "payment_sweep",
    "outbound",
    "payment_callbacks",
    "payment_checks",
    "payment_refunds",
    "callback_retention",
    "bus_connection",
    "bus_heartbeat",
    "bus_assignment",
    "bus_offsets",
    "bus_puller",
];
/// Nobody waits longer for an answer, whatever dies.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The variable that has `task` panic soon after its start.
fn armed(task: &str) -> [(String, String); 1] {
    [(failpoint::PANIC_VARIABLE.to_owned(), task.to_owned())]
}

/// Waits until the process has left because `task` failed, and said so.
async fn left_because_of(process: &mut Process, task: &str) {
    let status = process.died().await;
    assert_eq!(status.code(), Some(EXIT_CODE.into()), "{task}: {status}\n{}", process.log_tail());
    let log = process.log();
    for said in [format!("background task {task} panicked: failpoint"), "shutting down".to_owned()] {
        assert!(log.contains(&said), "{said:?}\n{}", process.log_tail());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_which_a_task_dies_leaves_and_every_buyer_is_answered() {
    let mut shop = Deployment::of("tasks").gateways(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000_000)).await;
    let door = shop.gateways[0].door().hurried(ANSWER_TIME);
    let rush = Rush::start(sale, &[door], 8);
    shop.gateways[0].process.leave().await;
    for task in OF_GATEWAYS {
        shop.gateways[0].start_with(&armed(task));
        left_because_of(&mut shop.gateways[0].process, task).await;
    }
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    let heard = rush.end().await;
    let is_silence = |why: &str| why.contains("deadline has elapsed") || why.contains("Timeout expired");
    let silence = |answer: &&Answer| matches!(answer, Answer::Lost(why) if is_silence(why));
    let silent: Vec<_> = heard.iter().flat_map(|heard| &heard.answers).filter(silence).collect();
    assert!(silent.is_empty(), "{silent:?}");
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_read_the_keys_of_a_sold_out_sale_leaves() {
    let mut shop = Deployment::of("tasks-sold-out").gateways(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1)).await;
    shop.gateways[0].process.leave().await;
    shop.gateways[0].start_with(&armed("sold_out_keys@0"));
    shop.gateways[0].ready().await;
    let door = shop.gateways[0].door().hurried(ANSWER_TIME);
    // The first answers may tell of connections to the gateway of before.
    while door.buy(&Purchase::new(sale, "buyer", "once", 1)).await.order().is_none()
        && shop.gateways[0].process.is_running()
    {
        sleep(Duration::from_millis(20)).await;
    }
    left_because_of(&mut shop.gateways[0].process, "sold_out_keys").await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_which_a_task_dies_leaves_and_no_order_is_lost() {
    let mut shop = Deployment::of("tasks-worker").workers(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000_000)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    let audited = format!("http://{}", shop.gateways[0].operator());
    shop.workers[0].set("audit.gateway_url", audited);
    shop.workers[0].set("lifecycle.ship_when_paid", true);
    // The provider is not there, and nobody misses it.
    PaymentProvider::new(shop.folder(), 1).configure(&mut shop);
    shop.workers[0].process.leave().await;
    for task in OF_WORKERS {
        shop.workers[0].start_with(&armed(task));
        left_because_of(&mut shop.workers[0].process, task).await;
    }
    shop.workers[0].start();
    shop.workers[0].ready().await;
    let heard = rush.end().await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    shop.stop().await;
}

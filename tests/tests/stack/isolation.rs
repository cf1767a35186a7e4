//! One bad thing leaves the rest alone: a sale that Redis holds wrongly, a connection that died without a word, a ledger
//! that takes no outcomes.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use flashgate::{
    cli::{Cli, Command},
    operate::audit,
};
use flashgate_domain::SaleId;
use flashgate_output::exit::CliError;
use flashgate_tests::{
    Answer, Deployment, Door, Heard, Purchase, SaleForm, ask_all, eventually, gateway::Gateway,
};
use http::{Request, StatusCode};
use serde_json::Value;

/// A generous limit for what takes a second, on a machine that compiles beside it.
const TIME_TO_SEE: Duration = Duration::from_secs(30);

/// Makes a string of a hash of the sale: every script that reads it fails.
async fn spoil(shop: &Deployment, hash: &str, sale: SaleId) {
    let mut command = redis::cmd("SET");
    command.arg(shop.stock.key(shop.stock.shard(sale), &format!("{hash}:{sale}"))).arg("spoilt");
    let _ok: String = shop.stock.query(command).await;
}

/// Whether the gateway says that it is ready, and what it says besides.
async fn readiness(gateway: &Gateway) -> (bool, Value) {
    let door = Door::new(gateway.operator(), gateway.operator());
    let request = Request::get("/healthz/ready").body(Bytes::new().into()).unwrap();
    let response = door.http(request).await.unwrap();
    (response.status() == StatusCode::OK, serde_json::from_slice(response.body()).unwrap())
}

/// Waits until the gateway names the part as degraded; it is ready all the same, each time that it is asked.
async fn until_degraded(gateway: &Gateway, part: &str) {
    eventually(&format!("{part} is degraded"), TIME_TO_SEE, async || {
        let (ready, body) = readiness(gateway).await;
        assert!(ready, "{body}");
        let named = body["degraded"].as_array().unwrap().iter().any(|named| named == part);
        named.then_some(()).ok_or(body.to_string())
    })
    .await;
}

async fn until_ended(gateway: &Gateway, sale: SaleId) {
    let door = gateway.door();
    let mut number = 0;
    eventually(&format!("{sale} has ended"), TIME_TO_SEE, async || {
        number += 1;
        let answer = door.buy(&Purchase::new(sale, "late", format!("late-{number}"), 1)).await;
        if answer.word() == "ended" { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_redis_holds_wrongly_stops_no_other_sale_and_no_gateway() {
    let mut shop = Deployment::of("bad-sale").gateways(2).start().await;
    // The lowest id: what is done in order comes to it first.
    let bad = shop.open_sale(SaleForm::of_stock(100)).await;
    let good = shop.open_sale(SaleForm::of_stock(100)).await;
    let ending = shop.open_sale(SaleForm::of_stock(100)).await;
    spoil(&shop, "sale", bad).await;

    shop.gateways[1].process.leave().await;
    shop.gateways[1].start();
    shop.gateways[1].ready().await;
    for gateway in &shop.gateways {
        until_degraded(gateway, "sales").await;
        assert_eq!(gateway.metrics().await.sum("flashgate_gateway_sales_failing", &[]), 1.0);
    }
    shop.operator().close(ending).await;
    for gateway in &shop.gateways {
        until_ended(gateway, ending).await;
    }
    let later = shop.open_sale(SaleForm::of_stock(100)).await;

    // Many at once, so that they are in the same groups.
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let mut purchases = Vec::new();
    for sale in [bad, good, later] {
        purchases.extend(Purchase::of_many(sale, "crowd", 40));
    }
    let answers = futures::future::join_all(
        purchases.iter().enumerate().map(|(number, purchase)| doors[number % 2].buy(purchase)),
    )
    .await;
    for (purchase, answer) in purchases.iter().zip(&answers) {
        if let Answer::Refused(refused) = answer
            && purchase.sale == bad
        {
            assert!(refused.retry_safe, "{answer:?}");
        } else {
            assert!(purchase.sale != bad && answer.order().is_some(), "{purchase:?}: {answer:?}");
        }
    }
    let audited = audit_all(&shop).await.unwrap_err();
    assert!(
        matches!(&audited, CliError::Unavailable(why) if why.contains(&format!("sale {bad} "))),
        "{audited:?}"
    );

    let mut command = redis::cmd("DEL");
    command.arg(shop.stock.key(shop.stock.shard(bad), &format!("sale:{bad}")));
    let _deleted: u64 = shop.stock.query(command).await;
    eventually("the sale is lost, which a gateway knows what to do about", TIME_TO_SEE, async || {
        let answer = doors[0].buy(&Purchase::new(bad, "last", "last", 1)).await;
        if answer.word() == "sale_paused" { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    // What remains is told as it is: a sale that is missing.
    let differs = audit_all(&shop).await.unwrap_err();
    assert!(matches!(differs, CliError::Differs(_)), "{differs:?}");
    for sale in [good, later] {
        let heard: Vec<Heard> = purchases
            .iter()
            .zip(&answers)
            .filter(|(purchase, _answer)| purchase.sale == sale)
            .map(|(purchase, answer)| Heard { purchase: purchase.clone(), answers: vec![answer.clone()] })
            .collect();
        shop.conserved(sale, &heard).await;
    }
    shop.stop().await;
}

/// The command, as an operator types it.
async fn audit_all(shop: &Deployment) -> Result<(), CliError> {
    let gateway = format!("http://{}", shop.gateways[0].operator());
    let worker = format!("http://{}", shop.workers[0].address());
    let words = ["flashgate", "audit", "--gateway", &gateway, "--worker", &worker];
    let Command::Audit(args) = Cli::try_parse_from(words).unwrap().command else { panic!("an audit") };
    audit::run(&args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_worker_that_died_without_a_word_is_given_up_and_made_again() {
    let shop = Deployment::of("worker-frozen").worker_proxy().start().await;
    let first = shop.open_sale(SaleForm::of_stock(10)).await;
    let proxy = shop.worker_proxy.as_ref().unwrap();
    proxy.freeze_open().await;
    until_degraded(&shop.gateways[0], "worker").await;
    let worker = [("part", "worker")];
    assert_eq!(shop.gateway_metric("flashgate_gateway_dependency_up", &worker).await, 0.0);
    let answer = shop.gateways[0].door().buy(&Purchase::new(first, "ada", "meanwhile", 1)).await;
    assert!(answer.order().is_some(), "{answer:?}");
    // New connections pass: only who keeps the old one is stuck.
    shop.open_sale(SaleForm::of_stock(10)).await;
    eventually("no longer degraded", TIME_TO_SEE, async || {
        let (_ready, body) = readiness(&shop.gateways[0]).await;
        if body["degraded"] == serde_json::json!([]) { Ok(()) } else { Err(body.to_string()) }
    })
    .await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_the_ledger_does_not_take_are_told_while_they_wait() {
    let mut shop = Deployment::of("lag").own_redis().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    shop.workers[0].process.freeze();
    let door = shop.gateways[0].door();
    let purchases = Purchase::of_many(sale, "buyer", 10);
    let heard = ask_all(purchases, 10, async |purchase| door.buy(purchase).await).await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    shop.redis.as_mut().unwrap().process.kill().await;
    shop.workers[0].process.thaw();
    eventually("outcomes wait", TIME_TO_SEE, async || {
        let lag = shop.gateway_metric("flashgate_gateway_lag_messages", &[("kind", "outcomes")]).await;
        (lag >= 1.0).then_some(()).ok_or(format!("{lag} of them"))
    })
    .await;
    shop.redis.as_mut().unwrap().restart().await;
    shop.settled(sale).await;
    eventually("none wait any more", TIME_TO_SEE, async || {
        let lag = shop.gateway_metric("flashgate_gateway_lag_messages", &[("kind", "outcomes")]).await;
        (lag == 0.0).then_some(()).ok_or(format!("{lag} of them"))
    })
    .await;
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

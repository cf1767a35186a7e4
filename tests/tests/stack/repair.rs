//! What an audit finds is mended while buyers buy: by the operator's own commands, and written down.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{Batch, BatchIds, Clock, Node, OrderStep, SaleId, SystemClock};
use flashgate_ledger::{Deduction, LogStatus, Observing, Selling};
use flashgate_output::exit::CliError;
use flashgate_proto::{body, v1};
use flashgate_tests::{Answer, Deployment, Purchase, Rush, SaleForm, ask_all, eventually, flashgate};

const TIME_TO_SEE: Duration = Duration::from_secs(90);

/// What was written down, the latest first.
async fn repairs(shop: &Deployment) -> Vec<v1::RepairEvent> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", shop.workers[0].address()));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut service = v1::repair_service_client::RepairServiceClient::new(channel);
    service.list_repairs(v1::ListRepairsRequest::default()).await.unwrap().into_inner().repairs
}

async fn until_accepted(rush: &Rush, count: usize) {
    eventually("buyers buy", TIME_TO_SEE, async || {
        let accepted = rush.accepted();
        (accepted >= count).then_some(()).ok_or(format!("{accepted} accepted"))
    })
    .await;
}

/// A batch of the sale that no gateway has made.
fn batch(shop: &Deployment, sale: SaleId, name: &str, buyers: usize) -> Batch {
    // A node that no gateway of this deployment has.
    let mut ids = BatchIds::new(shop.stock.shard(sale), Node::of_start(120), 7);
    let intents = Purchase::of_many(sale, name, buyers).iter().map(Purchase::intent).collect();
    Batch::new(ids.next(SystemClock.now()), intents).unwrap()
}

async fn status(shop: &Deployment, batch: &Batch) -> Option<LogStatus> {
    shop.stock.ledger().entry(batch.id()).await.unwrap().map(|entry| entry.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_message_was_lost_is_sent_again_from_the_log_while_buyers_buy() {
    let shop = Deployment::of("redrive-lost").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000).limit(10)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    until_accepted(&rush, 50).await;
    let lost = batch(&shop, sale, "lost", 5);
    let body = body::encode_batch(&lost, None, SystemClock.now());
    let deducted = shop.stock.ledger().deduct(&lost, &body).await.unwrap();
    assert!(matches!(deducted, Deduction::Applied { .. }), "{deducted:?}");
    eventually("the audit says that it is to be re-driven", TIME_TO_SEE, async || {
        let audited = flashgate(&shop, &["audit", "--older-than", "3s"]).await;
        matches!(audited, Err(CliError::ToRedrive(_))).then_some(()).ok_or(format!("{audited:?}"))
    })
    .await;

    let name = sale.to_string();
    let re_drive =
        ["repair", "re-drive", "--sale", &name, "--older-than", "3s", "--actor", "ops", "--reason", "lost"];
    flashgate(&shop, &re_drive).await.unwrap();
    assert_eq!(status(&shop, &lost).await, Some(LogStatus::Deducted), "a dry run does nothing");
    assert_eq!(repairs(&shop).await, []);
    // Twice, as whoever is in doubt does.
    for _time in 0..2 {
        flashgate(&shop, &[&re_drive[..], &["--apply"]].concat()).await.unwrap();
    }
    eventually("it is decided and settled", TIME_TO_SEE, async || {
        let status = status(&shop, &lost).await;
        (status == Some(LogStatus::Acknowledged)).then_some(()).ok_or(format!("{status:?}"))
    })
    .await;
    let event = repairs(&shop).await.pop().unwrap();
    assert_eq!(
        (event.kind.as_str(), event.actor.as_str(), event.reason.as_str()),
        ("re_drive", "ops", "lost")
    );
    let (before, after) = (&event.before, &event.after);
    assert!(before.contains(&lost.id().to_string()) && before.contains("5 orders"), "{before}");
    assert!(after.contains("not decided: sent"), "{after}");

    let heard = rush.end().await;
    let orders = shop.store.orders(sale).await;
    let of_lost = orders.iter().filter(|order| order.id.base() == lost.id().base());
    assert_eq!(of_lost.filter(|order| order.is_confirmed()).count(), 5);
    assert!(
        heard
            .iter()
            .all(|heard| matches!(heard.answers.last(), Some(Answer::Accepted(_) | Answer::Replayed(_))))
    );
    eventually("the audit agrees", TIME_TO_SEE, async || {
        flashgate(&shop, &["audit"]).await.map_err(|failed| failed.to_string())
    })
    .await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_settlement_was_lost_is_settled_from_the_order_store() {
    let mut shop = Deployment::of("redrive-settle").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000).limit(10)).await;
    shop.gateways[0].process.leave().await;
    let stuck = batch(&shop, sale, "stuck", 4);
    let body = body::encode_batch(&stuck, None, SystemClock.now());
    shop.stock.ledger().deduct(&stuck, &body).await.unwrap();
    shop.broker.publish(&shop.broker.topic("orders"), &stuck.id().to_string(), body).await;
    // Another reader of the gateways' group takes the outcome away, and never settles it.
    shop.broker.take_away("outcomes", "gateway-settle", 1).await;
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    assert_eq!(status(&shop, &stuck).await, Some(LogStatus::Deducted));

    let re_drive = ["repair", "re-drive", "--older-than", "1s", "--apply"];
    flashgate(&shop, &re_drive).await.unwrap();
    eventually("it is settled", TIME_TO_SEE, async || {
        let status = status(&shop, &stuck).await;
        (status == Some(LogStatus::Acknowledged)).then_some(()).ok_or(format!("{status:?}"))
    })
    .await;
    let after = repairs(&shop).await.pop().unwrap().after;
    assert!(after.contains("4 orders, 4 units, decided: announced"), "{after}");
    flashgate(&shop, &["audit"]).await.unwrap();
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_ledger_was_emptied_is_rebuilt_by_one_command_and_sold_to_the_last_unit() {
    const STOCK: u64 = 10_000;
    let shop = Deployment::of("rebuild").gateways(2).own_redis().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK).limit(2)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 16);
    until_accepted(&rush, 5_000).await;
    shop.stock.flush_all().await;
    eventually("the sale pauses", TIME_TO_SEE, async || {
        let answer = doors[0].buy(&Purchase::new(sale, "probe", "probe", 1)).await;
        (answer.word() == "sale_paused").then_some(()).ok_or(format!("{answer:?}"))
    })
    .await;
    let mut heard = rush.end().await;
    // Sales that are opened after it, and sell while it is rebuilt.
    let other = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let other_rush = Rush::start(other, &doors, 1);

    let name = sale.to_string();
    let rebuild = ["repair", "rebuild", &name, "--quiet-period", "6s"];
    flashgate(&shop, &rebuild).await.unwrap();
    assert_eq!(shop.stock.snapshot(sale).await, None, "a dry run does nothing");
    let before = other_rush.accepted();
    flashgate(&shop, &[&rebuild[..], &["--apply", "--actor", "ops"]].concat()).await.unwrap();
    assert!(other_rush.accepted() > before, "other sales go on");
    let refused = flashgate(&shop, &[&rebuild[..], &["--apply"]].concat()).await;
    assert!(matches!(refused, Err(CliError::Refused(_))), "it is not paused any more: {refused:?}");
    let event = repairs(&shop).await.pop().unwrap();
    assert_eq!((event.kind.as_str(), event.sale_id), ("rebuild", sale.get()));
    assert!(
        event.before.contains("missing in the ledger") && event.after.contains("generation 2"),
        "{event:?}"
    );

    for door in &doors {
        eventually("both gateways sell it again", TIME_TO_SEE, async || {
            let answer = door.buy(&Purchase::new(sale, "probe", "probe", 1)).await;
            let sells = matches!(answer, Answer::Accepted(_) | Answer::Replayed(_));
            sells.then_some(()).ok_or(format!("{answer:?}"))
        })
        .await;
    }
    let first = heard.iter().find(|heard| heard.order().is_some()).unwrap();
    let again = doors[1].buy(&first.purchase).await;
    assert_eq!(again, Answer::Replayed(first.order().unwrap()), "keys keep answering");
    let sold = usize::try_from(STOCK).unwrap();
    let rest = ask_all(Purchase::of_many(sale, "rest", sold), 64, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await;
    assert!(rest.iter().any(|heard| heard.answers.last().is_some_and(|answer| answer.word() == "sold_out")));
    heard.extend(rest);
    eventually("it is sold to the last unit, and not beyond", TIME_TO_SEE, async || {
        let row = shop.store.sale(sale).await;
        let orders = shop.store.orders(sale).await;
        let confirmed: u64 =
            orders.iter().filter(|order| order.is_confirmed()).map(|order| u64::from(order.quantity)).sum();
        let cancelled = orders.iter().filter(|order| !order.is_confirmed()).count();
        let all = (row.saleable, confirmed, cancelled) == (0, STOCK, 0);
        all.then_some(()).ok_or(format!("{row:?}, {confirmed} confirmed, {cancelled} cancelled"))
    })
    .await;
    let orders = shop.store.orders(sale).await;
    flashgate_tests::books::lawful(&orders, 2);
    flashgate_tests::books::kept_promises(sale, &heard, &orders);
    other_rush.end().await;
    eventually("the audit agrees", TIME_TO_SEE, async || {
        flashgate(&shop, &["audit"]).await.map_err(|failed| failed.to_string())
    })
    .await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_leaked_are_on_sale_again_after_a_rebuild_that_pauses_the_sale() {
    let shop = Deployment::of("rebuild-leak").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000).limit(2)).await;
    let door = shop.gateways[0].door();
    let heard = ask_all(Purchase::of_many(sale, "buyer", 200), 32, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    shop.conserved(sale, &heard).await;
    for (column, by) in [("available", -7), ("deducted", 7)] {
        let mut command = redis::cmd("HINCRBY");
        command.arg(shop.stock.key(shop.stock.shard(sale), &format!("sale:{sale}"))).arg(column).arg(by);
        let _now: i64 = shop.stock.query(command).await;
    }
    let audited = flashgate(&shop, &["audit"]).await;
    assert!(matches!(audited, Err(CliError::Differs(_))), "{audited:?}");

    let name = sale.to_string();
    let rebuild = ["repair", "rebuild", &name, "--quiet-period", "4s", "--apply"];
    let refused = flashgate(&shop, &rebuild).await;
    assert!(matches!(refused, Err(CliError::Refused(_))), "it sells: {refused:?}");
    flashgate(&shop, &[&rebuild[..], &["--pause"]].concat()).await.unwrap();
    flashgate(&shop, &["audit"]).await.unwrap();
    let snapshot = shop.stock.snapshot(sale).await.unwrap();
    assert_eq!((snapshot.totals.available, snapshot.generation, snapshot.buyers), (800, 2, 200));
    eventually("it sells again", TIME_TO_SEE, async || {
        let answer = door.buy(&Purchase::new(sale, "later", "later", 1)).await;
        matches!(answer, Answer::Accepted(_) | Answer::Replayed(_)).then_some(()).ok_or(format!("{answer:?}"))
    })
    .await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_cancelled_orders_whose_events_were_lost_are_returned() {
    let mut shop = Deployment::of("returns-due").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let door = shop.gateways[0].door();
    let heard = ask_all(Purchase::of_many(sale, "buyer", 10), 4, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    shop.settled(sale).await;
    shop.gateways[0].process.leave().await;
    let mut orders = shop.operator().orders;
    for heard in &heard[..4] {
        orders.make(OrderStep::Cancel, heard.order().unwrap(), "ops", "the test cancels").await.unwrap();
    }
    // Another reader of the gateways' group takes the events away, and never returns a unit.
    shop.broker.take_away("lifecycle", "gateway-lifecycle", 4).await;
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    let name = sale.to_string();
    let audited = flashgate(&shop, &["audit", "--sale", &name]).await;
    assert!(matches!(audited, Err(CliError::ToRedrive(_))), "{audited:?}");
    assert_eq!(shop.stock.snapshot(sale).await.unwrap().totals.released, 0);

    flashgate(&shop, &["repair", "drift", &name, "--apply"]).await.unwrap();
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.ledger.totals.released, books.ledger.totals.available), (4, 4));
    let after = repairs(&shop).await.pop().unwrap().after;
    assert!(after.contains("publish the returns of cancelled orders again"), "{after}");
    flashgate(&shop, &["audit"]).await.unwrap();
    shop.stop().await;
}

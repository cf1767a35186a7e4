//! SIGTERM while buyers buy: nothing that was accepted is lost, everybody who is waiting is answered, and the
//! process is gone within its drain limit.

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use flashgate_domain::SaleId;
use flashgate_tests::{
    Answer, Deployment, Door, DoorStream, Heard, Purchase, Rush, SaleForm, ask_all, eventually,
    process::Process,
    proxy::{Line, Proxy},
    stack::Stack,
    worker::Worker,
};
use futures::future::join_all;
use http::{Request, StatusCode};
use tokio::{net::TcpStream, time::Instant};

/// The default of `listen.limits.drain_timeout_ms`, and a little for what comes after it.
const DRAIN_LIMIT: Duration = Duration::from_secs(12);
/// How long leaving may take when nobody holds a connection open.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn until_sold(rush: &Rush, count: usize) {
    let wanted = rush.accepted() + count;
    eventually("it sells", Duration::from_secs(30), async || {
        (rush.accepted() >= wanted).then_some(()).ok_or_else(|| format!("{} sold", rush.accepted()))
    })
    .await;
}

/// SIGTERM; the process must exit with 0 within `limit`.
async fn leaves_within(limit: Duration, process: &mut Process) {
    let told_at = Instant::now();
    process.leave().await;
    assert!(told_at.elapsed() < limit, "{} took {:?}", process.name(), told_at.elapsed());
}

/// Nobody lost the line while his purchase went through: the answer to the next try would be a replay.
fn nobody_was_cut_off_and_served(heard: &[Heard]) {
    for heard in heard {
        let pairs = heard.answers.windows(2);
        let cut_off = pairs.filter(|pair| matches!(pair, [Answer::Lost(_), Answer::Replayed(_)])).count();
        assert_eq!(cut_off, 0, "accepted, and the answer was lost: {heard:?}");
    }
}

fn only_safe_refusals(heard: &[Heard]) {
    for answer in heard.iter().flat_map(|heard| &heard.answers) {
        let fine = matches!(answer, Answer::Accepted(_) | Answer::Replayed(_) | Answer::Lost(_))
            || matches!(answer, Answer::Refused(refused) if refused.retry_safe);
        assert!(fine, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_leaves_under_load_loses_no_order_and_cuts_nobody_off() {
    let mut shop = Deployment::of("drain").gateways(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 48);
    for _round in 0..3 {
        until_sold(&rush, 200).await;
        let leaving = &mut shop.gateways[0];
        leaves_within(AT_ONCE, &mut leaving.process).await;
        for address in [leaving.http(), leaving.grpc(), leaving.operator()] {
            assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
        until_sold(&rush, 100).await;
        shop.gateways[0].start();
        shop.gateways[0].ready().await;
    }
    let heard = rush.end().await;
    only_safe_refusals(&heard);
    nobody_was_cut_off_and_served(&heard);
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len(), "everybody got an order in the end, once");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_flight_is_answered_over_http_grpc_and_streams() {
    let mut shop = Deployment::of("drain-flight").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let door = shop.gateways[0].door();
    let stream = door.stream().await;
    // The connections are there before anybody is told to leave.
    let warm = [0, 1, 2].map(|number| warm(sale, number));
    let warmed = [door.buy(&warm[0]).await, door.buy_grpc(&warm[1]).await, stream.buy(&warm[2]).await];
    assert!(warmed.iter().all(|answer| answer.order().is_some()), "{warmed:?}");
    let buyers =
        (0..48).map(|number| tokio::spawn(buy_until_refused(sale, number, door.clone(), stream.clone())));
    let buyers: Vec<_> = buyers.collect();
    drop(stream);
    eventually("some are accepted", Duration::from_secs(20), async || {
        let accepted = shop.stock.snapshot(sale).await.unwrap().totals.deducted;
        (accepted > 200).then_some(()).ok_or_else(|| accepted.to_string())
    })
    .await;
    leaves_within(AT_ONCE, &mut shop.gateways[0].process).await;
    let heard: Vec<Heard> = join_all(buyers).await.into_iter().flat_map(Result::unwrap).collect();
    only_safe_refusals(&heard);

    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    let books = shop.settled(sale).await;
    for heard in &heard {
        // Before its request was read, a connection may be lost; after that, never.
        let was_lost = matches!(heard.answers[..], [Answer::Lost(_)]);
        let has_order = books.orders.iter().any(|order| order.buyer == heard.purchase.buyer);
        assert!(!(was_lost && has_order), "accepted, and the answer was lost: {heard:?}");
    }
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

/// Buys one unit after the other, always in the same way, until one is not accepted.
async fn buy_until_refused(sale: SaleId, number: usize, door: Door, stream: DoorStream) -> Vec<Heard> {
    let mut heard = Vec::new();
    for purchase in Purchase::of_many(sale, &format!("flight-{number}"), 10_000) {
        let answer = match number % 3 {
            0 => door.buy(&purchase).await,
            1 => door.buy_grpc(&purchase).await,
            _ => stream.buy(&purchase).await,
        };
        let accepted = answer.order().is_some();
        heard.push(Heard { purchase, answers: vec![answer] });
        if !accepted {
            break;
        }
    }
    heard
}

fn warm(sale: SaleId, number: usize) -> Purchase {
    Purchase::new(sale, format!("warm-{number}"), "warm", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_open_streams_do_not_keep_a_gateway() {
    let mut shop =
        Deployment::of("drain-idle").gateway_setting("listen.limits.connections_max", 3).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let gateway = &mut shop.gateways[0];
    let (door, http) = (gateway.door(), gateway.http());
    assert!(door.buy(&warm(sale, 0)).await.order().is_some());
    let stream = door.stream().await;
    assert!(stream.buy(&warm(sale, 1)).await.order().is_some());
    // More than it takes, so that it waits for one to leave when it is told to.
    let _idle = join_all([http; 6].map(TcpStream::connect)).await;
    leaves_within(AT_ONCE, &mut gateway.process).await;
    assert!(matches!(stream.buy(&warm(sale, 2)).await, Answer::Lost(_)));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_under_load_leaves_its_queues_to_the_other() {
    let mut shop = Deployment::of("drain-worker").workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 24);
    for round in 0..2 {
        until_sold(&rush, 200).await;
        leaves_within(AT_ONCE, &mut shop.workers[round].process).await;
        let address = shop.workers[round].address();
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        until_sold(&rush, 200).await;
        shop.workers[round].start();
        shop.workers[round].ready().await;
    }
    let heard = rush.end().await;
    assert!(heard.iter().all(|heard| heard.answers.len() == 1), "no buyer noticed anything");
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_while_mysql_is_away_and_its_chunk_is_placed_after_it_is_back() {
    let mut shop = Deployment::of("drain-stuck").mysql_proxy().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    shop.mysql_proxy.as_ref().unwrap().set(Line::Cut);
    let door = shop.gateways[0].door();
    let heard = ask_all(Purchase::of_many(sale, "buyer", 20), 4, async |buy| door.buy(buy).await).await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    eventually("the worker tries", Duration::from_secs(20), async || {
        let tries = shop.worker_metric("flashgate_worker_apply_retries_total", &[]).await;
        (tries > 0.0).then_some(()).ok_or_else(|| "no try".to_owned())
    })
    .await;
    leaves_within(DRAIN_LIMIT, &mut shop.workers[0].process).await;
    shop.mysql_proxy.as_ref().unwrap().set(Line::Open);
    shop.workers[0].start();
    shop.workers[0].ready().await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    shop.stop().await;
}

/// Waits until the worker is there to be told anything.
async fn until_alive(worker: &Worker) {
    let operator = worker.address();
    eventually("the worker's port is open", Duration::from_secs(30), async || {
        let ask = Request::get("/healthz/live").body(Bytes::new().into()).map_err(|why| why.to_string())?;
        let live = Door::new(operator, operator).http(ask).await.map_err(|why| format!("{why:?}"))?;
        (live.status() == StatusCode::OK).then_some(()).ok_or_else(|| live.status().to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_for_mysql_or_the_broker_at_its_start_leaves_at_once() {
    let name_server = Stack::from_env().name_server.parse().unwrap();
    let name_server = Proxy::before(name_server).await;
    let plan = Deployment::of("drain-start").mysql_proxy().name_server(&name_server.address().to_string());
    let mut shop = plan.prepare().await;
    let mysql = shop.mysql_proxy.take().unwrap();
    let worker = &mut shop.workers[0];
    for (silent, open) in [(&mysql, &name_server), (&name_server, &mysql)] {
        silent.set(Line::Silent);
        open.set(Line::Open);
        worker.start();
        until_alive(worker).await;
        leaves_within(AT_ONCE, &mut worker.process).await;
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_for_a_row_or_for_an_answer_leaves_in_time_and_loses_nothing() {
    let mut shop = Deployment::of("drain-row").mysql_proxy().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let door = shop.gateways[0].door();
    let mut holder = shop.store.pool().begin().await.unwrap();
    let row = sqlx::query("SELECT id FROM sales WHERE id = ? FOR UPDATE").bind(sale.get());
    row.fetch_one(&mut *holder).await.unwrap();
    let buy = async |buyer: &str| {
        let purchase = Purchase::new(sale, buyer, "once", 1);
        let answers = vec![door.buy(&purchase).await];
        Heard { purchase, answers }
    };
    let mut heard = vec![buy("row").await];
    eventually("it waits for the row", Duration::from_secs(30), async || {
        let blocked = shop.worker_metric("flashgate_worker_blocked_sales", &[]).await;
        (blocked == 1.0).then_some(()).ok_or(format!("{blocked}"))
    })
    .await;
    leaves_within(DRAIN_LIMIT, &mut shop.workers[0].process).await;

    shop.workers[0].start();
    shop.workers[0].ready().await;
    shop.mysql_proxy.as_ref().unwrap().set(Line::Silent);
    heard.push(buy("answer").await);
    leaves_within(DRAIN_LIMIT, &mut shop.workers[0].process).await;

    shop.mysql_proxy.as_ref().unwrap().set(Line::Open);
    holder.rollback().await.unwrap();
    shop.workers[0].start();
    shop.workers[0].ready().await;
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

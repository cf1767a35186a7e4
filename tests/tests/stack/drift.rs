//! Drift of each kind is put right by one command while buyers buy, and the buyers do not notice.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{Batch, BatchIds, Clock, Node, SaleId, SystemClock};
use flashgate_ledger::{Deduction, Fate, LogStatus, Observing, Selling};
use flashgate_output::exit::CliError;
use flashgate_proto::{body, v1};
use flashgate_tests::{Answer, Deployment, Heard, Purchase, Rush, SaleForm, ask_all, eventually, flashgate};

const TIME_TO_SEE: Duration = Duration::from_secs(90);

async fn drift(shop: &Deployment, sale: SaleId, more: &[&str]) -> Result<(), CliError> {
    let name = sale.to_string();
    flashgate(shop, &[&["repair", "drift", &name], more].concat()).await
}

/// What was written down, the latest first.
async fn repairs(shop: &Deployment) -> Vec<v1::RepairEvent> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", shop.workers[0].address()));
    let mut service =
        v1::repair_service_client::RepairServiceClient::new(channel.unwrap().connect().await.unwrap());
    service.list_repairs(v1::ListRepairsRequest::default()).await.unwrap().into_inner().repairs
}

async fn sale_with_buyers(shop: &Deployment) -> (SaleId, Rush) {
    let sale = shop.open_sale(SaleForm::of_stock(100_000).limit(10)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    until_accepted(&rush, 50).await;
    (sale, rush)
}

async fn until_accepted(rush: &Rush, count: usize) {
    eventually("buyers buy", TIME_TO_SEE, async || {
        let accepted = rush.accepted();
        (accepted >= count).then_some(()).ok_or(format!("{accepted} accepted"))
    })
    .await;
}

async fn change_by_hand(shop: &Deployment, sale: SaleId, changes: &[(&str, i64)]) {
    let mut pipe = redis::cmd("EVAL");
    pipe.arg("for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end").arg(1);
    pipe.arg(shop.stock.key(shop.stock.shard(sale), &format!("sale:{sale}")));
    for (column, by) in changes {
        pipe.arg(*column).arg(*by);
    }
    let () = shop.stock.query(pipe).await;
}

/// A batch of the sale that no gateway has made.
fn batch(shop: &Deployment, sale: SaleId, name: &str, node: u64, buyers: usize) -> Batch {
    // A node that no gateway of this deployment has.
    let mut ids = BatchIds::new(shop.stock.shard(sale), Node::of_start(node), node);
    let intents = Purchase::of_many(sale, name, buyers).iter().map(Purchase::intent).collect();
    Batch::new(ids.next(SystemClock.now()), intents).unwrap()
}

fn assert_unharmed(heard: &[Heard]) {
    for heard in heard {
        let words: Vec<&str> = heard.answers.iter().map(Answer::word).collect();
        let fine =
            words.iter().all(|word| matches!(*word, "accepted" | "replayed" | "over_limit" | "sold_out"));
        assert!(fine, "{heard:?}");
    }
}

/// Nothing is open any more: what is left is the same on both sides, every promise was kept, and nothing was sold
/// twice.
async fn assert_conserved(shop: &Deployment, sale: SaleId, heard: &[Heard]) {
    let books = shop.settled(sale).await;
    let totals = books.ledger.totals;
    let by_totals = i64::try_from(totals.initial + totals.restocked + totals.returned).unwrap()
        - i64::try_from(totals.deducted).unwrap();
    assert_eq!(totals.available, by_totals, "{totals:?}");
    assert_eq!(totals.available, i64::try_from(books.sale.saleable).unwrap(), "{totals:?}");
    assert_eq!(books.lost_in_database(), 0);
    flashgate_tests::books::lawful(&books.orders, books.sale.limit_per_buyer);
    flashgate_tests::books::kept_promises(sale, heard, &books.orders);
}

/// Drift is found, a dry run leaves it, and the call that finds it puts it right, while buyers buy.
async fn put_right(shop: &Deployment, sale: SaleId, rush: &Rush, told: &str) {
    eventually("the audit finds it", TIME_TO_SEE, async || {
        let audited = flashgate(shop, &["audit", "--sale", &sale.to_string()]).await;
        matches!(audited, Err(CliError::Differs(_))).then_some(()).ok_or(format!("{audited:?}"))
    })
    .await;
    let written = repairs(shop).await.len();
    let steps = async || shop.stock.snapshot(sale).await.unwrap().adjustments;
    let before = (steps().await, shop.store.sale(sale).await.initial);
    // Batches on their way between two readings may hide as many units as they have.
    eventually("a dry run finds it", TIME_TO_SEE, async || {
        let dry = drift(shop, sale, &[]).await;
        matches!(dry, Err(CliError::Differs(_))).then_some(()).ok_or(format!("{told}: {dry:?}"))
    })
    .await;
    assert_eq!((steps().await, shop.store.sale(sale).await.initial), before, "a dry run does nothing");
    assert_eq!(repairs(shop).await.len(), written);

    let accepted = rush.accepted();
    eventually("one call puts it right", TIME_TO_SEE, async || {
        drift(shop, sale, &["--apply", "--actor", "ops", "--reason", told]).await.unwrap();
        (repairs(shop).await.len() > written).then_some(()).ok_or(told.to_owned())
    })
    .await;
    until_accepted(rush, accepted + 1).await;
    let event = repairs(shop).await.swap_remove(0);
    assert_eq!((event.kind.as_str(), event.sale_id, event.reason.as_str()), ("drift", sale.get(), told));
    assert!(event.after.contains("done") && event.after.ends_with("agrees"), "{told}: {event:?}");

    // Again, as whoever is in doubt does.
    let (written, after) = (repairs(shop).await.len(), steps().await);
    drift(shop, sale, &["--apply"]).await.unwrap();
    assert_eq!((repairs(shop).await.len(), steps().await), (written, after), "{told}: it happens once");
}

#[tokio::test(flavor = "multi_thread")]
async fn units_changed_in_redis_by_hand_are_put_right_while_buyers_buy() {
    let shop = Deployment::of("drift-redis").start().await;
    let (sale, rush) = sale_with_buyers(&shop).await;
    for (changes, told) in [
        ([("available", -1), ("deducted", 0)], "a unit taken by hand"),
        ([("available", 4), ("deducted", 0)], "units put there by hand"),
        ([("available", -7), ("deducted", 7)], "leaked"),
        ([("available", 5), ("deducted", -5)], "surplus"),
        ([("available", -2), ("deducted", 3)], "both"),
    ] {
        change_by_hand(&shop, sale, &changes).await;
        put_right(&shop, sale, &rush, told).await;
    }
    let heard = rush.end().await;
    assert_unharmed(&heard);
    assert_conserved(&shop, sale, &heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_changed_in_mysql_are_put_right_while_buyers_buy() {
    let shop = Deployment::of("drift-mysql").start().await;
    let (sale, rush) = sale_with_buyers(&shop).await;
    shop.store.lose_units(sale, 3).await;
    put_right(&shop, sale, &rush, "saleable lowered").await;
    let sql = "UPDATE sales SET saleable = saleable + 6 WHERE id = ?";
    sqlx::query(sql).bind(sale.get()).execute(shop.store.pool()).await.unwrap();
    put_right(&shop, sale, &rush, "saleable raised").await;

    // Settled long ago: whatever is in flight is younger.
    let victim = shop.store.orders(sale).await.swap_remove(0).id;
    for set in ["quantity = 3", "state = 'cancelled', cancel_reason = 'out_of_stock'"] {
        let sql = format!("UPDATE orders SET {set} WHERE id = ?");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(victim.get()).execute(shop.store.pool()).await.unwrap();
        put_right(&shop, sale, &rush, set).await;
        let order = shop.store.orders(sale).await.swap_remove(0);
        assert_eq!((order.quantity, order.state.as_str(), order.reason.as_str()), (1, "confirmed", ""));
    }
    // Of all at once, the order goes first: what it hides is not taken for units.
    change_by_hand(&shop, sale, &[("available", -4)]).await;
    shop.store.lose_units(sale, 2).await;
    let sql = "UPDATE orders SET quantity = 2 WHERE id = ?";
    sqlx::query(sql).bind(victim.get()).execute(shop.store.pool()).await.unwrap();
    put_right(&shop, sale, &rush, "everything at once").await;
    let heard = rush.end().await;
    assert_unharmed(&heard);
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaked_units_are_sold_again_to_the_last_one_and_a_surplus_is_not() {
    let shop = Deployment::of("drift-last").gateways(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(20).limit(1)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let ask = async |name: &str, count: usize| {
        let purchases = Purchase::of_many(sale, name, count);
        ask_all(purchases, 8, async |purchase: &Purchase| doors[purchase.buyer.len() % 2].buy(purchase).await)
            .await
    };
    let mut heard = ask("early", 10).await;
    shop.conserved(sale, &heard).await;
    change_by_hand(&shop, sale, &[("available", -4), ("deducted", 4)]).await;
    heard.extend(ask("rush", 30).await);
    let refused = |heard: &[Heard]| heard.iter().filter(|heard| heard.order().is_none()).count();
    assert_eq!(refused(&heard), 24, "16 of 20 were sold");
    eventually("the command puts them back", TIME_TO_SEE, async || {
        drift(&shop, sale, &["--apply"]).await.map_err(|failed| failed.to_string())
    })
    .await;
    // Both gateways had taken the sale for sold out.
    for (door, name) in doors.iter().zip(["late-a", "late-b"]) {
        eventually("it is on sale again", TIME_TO_SEE, async || {
            let answer = door.buy(&Purchase::new(sale, name, "k", 1)).await;
            answer.order().map(drop).ok_or(format!("{answer:?}"))
        })
        .await;
    }
    change_by_hand(&shop, sale, &[("available", 9)]).await;
    drift(&shop, sale, &["--apply"]).await.unwrap();
    let last = ask("last", 10).await;
    assert_eq!(refused(&last), 8, "two were left");
    let books = shop.settled(sale).await;
    assert_eq!((books.ledger.totals.available, books.sale.saleable, books.confirmed_units()), (0, 0, 20));
    assert_eq!(books.ledger.totals.written_off, 0, "nobody was promised what there was not");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_were_lost_on_either_side_are_put_right_or_their_remedy_is_told() {
    let shop = Deployment::of("drift-batch").start().await;
    let (sale, rush) = sale_with_buyers(&shop).await;
    let name = sale.to_string();
    // The broker has dropped its message: open for too long.
    let dropped = batch(&shop, sale, "dropped", 121, 5);
    let body = body::encode_batch(&dropped, None, SystemClock.now());
    let deducted = shop.stock.ledger().deduct(&dropped, &body).await.unwrap();
    assert!(matches!(deducted, Deduction::Applied { .. }), "{deducted:?}");
    eventually("its remedy is told", TIME_TO_SEE, async || {
        let found = drift(&shop, sale, &["--older-than", "3s", "--apply"]).await;
        matches!(found, Err(CliError::ToRedrive(_))).then_some(()).ok_or(format!("{found:?}"))
    })
    .await;
    let re_drive = ["repair", "re-drive", "--sale", &name, "--older-than", "3s", "--apply"];
    flashgate(&shop, &re_drive).await.unwrap();
    eventually("it is decided and settled", TIME_TO_SEE, async || {
        let entry = shop.stock.ledger().entry(dropped.id()).await.unwrap();
        let status = entry.map(|entry| entry.status);
        (status == Some(LogStatus::Acknowledged)).then_some(()).ok_or(format!("{status:?}"))
    })
    .await;
    eventually("both sides agree", TIME_TO_SEE, async || {
        drift(&shop, sale, &["--older-than", "3s"]).await.map_err(|failed| failed.to_string())
    })
    .await;

    // Fenced, and yet applied: no compensation hides it.
    let phantom = batch(&shop, sale, "phantom", 122, 7);
    assert_eq!(shop.stock.ledger().check_back(phantom.id()).await.unwrap(), Fate::Fenced);
    let body = body::encode_batch(&phantom, None, SystemClock.now());
    shop.broker.publish(&shop.broker.topic("orders"), &phantom.id().to_string(), body).await;
    eventually("it is found", TIME_TO_SEE, async || {
        let audited = flashgate(&shop, &["audit", "--sale", &name]).await;
        matches!(audited, Err(CliError::Differs(_))).then_some(()).ok_or(format!("{audited:?}"))
    })
    .await;
    let steps = shop.stock.snapshot(sale).await.unwrap().adjustments;
    let refused = drift(&shop, sale, &["--apply"]).await;
    assert!(matches!(refused, Err(CliError::Differs(_))), "it needs a rebuild: {refused:?}");
    assert_eq!(shop.stock.snapshot(sale).await.unwrap().adjustments, steps);
    assert_unharmed(&rush.end().await);
    shop.stop().await;
}

/// Its transaction ended, and its outcome never came to the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_only_the_order_store_has_is_settled_from_there() {
    let shop = Deployment::of("drift-phantom").start().await;
    let (sale, rush) = sale_with_buyers(&shop).await;
    let phantom = batch(&shop, sale, "phantom", 123, 7);
    place_in_store(&shop, &phantom).await;
    let audit = async || flashgate(&shop, &["audit", "--sale", &sale.to_string()]).await;
    let status = async || shop.stock.ledger().entry(phantom.id()).await.unwrap().map(|entry| entry.status);
    eventually("the audit finds it", TIME_TO_SEE, async || {
        let audited = audit().await;
        matches!(audited, Err(CliError::Differs(_))).then_some(()).ok_or(format!("{audited:?}"))
    })
    .await;
    let dry = drift(&shop, sale, &[]).await;
    assert!(matches!(dry, Err(CliError::Differs(_))), "{dry:?}");
    assert_eq!((status().await, repairs(&shop).await.len()), (None, 0), "a dry run does nothing");

    let steps = shop.stock.snapshot(sale).await.unwrap().adjustments;
    drift(&shop, sale, &["--apply"]).await.unwrap();
    assert_eq!(status().await, Some(LogStatus::Acknowledged));
    let event = repairs(&shop).await.swap_remove(0);
    assert!(event.before.contains(&phantom.id().to_string()), "{event:?}");
    assert!(event.after.contains("announced") && event.after.ends_with("agrees"), "{event:?}");
    drift(&shop, sale, &["--apply"]).await.unwrap();
    assert_eq!(repairs(&shop).await.len(), 1, "it happens once");
    let heard = rush.end().await;
    assert_unharmed(&heard);
    let adjustments = shop.stock.snapshot(sale).await.unwrap().adjustments;
    assert_eq!(adjustments, steps, "its units are deducted with it, not compensated");
    assert_conserved(&shop, sale, &heard).await;
    shop.stop().await;
}

/// As an order worker places it, that dies before it announces it and whose message is gone.
async fn place_in_store(shop: &Deployment, batch: &Batch) {
    let mut transaction = shop.store.pool().begin().await.unwrap();
    let now = SystemClock.now().as_millis();
    let insert =
        "INSERT INTO batches (first_order_id, batch_id, order_count, created_at_ms) VALUES (?, ?, ?, ?)";
    let (id, count) = (batch.id().to_bytes(), u32::try_from(batch.intents().len()).unwrap());
    let row = sqlx::query(insert).bind(batch.id().base().get()).bind(id.as_slice()).bind(count).bind(now);
    row.execute(&mut *transaction).await.unwrap();
    for (order, intent) in batch.orders() {
        let insert = "INSERT INTO orders (id, sale_id, buyer_id, idempotency_key, holds_key, quantity, state, \
                      created_at_ms, updated_at_ms) VALUES (?, ?, ?, ?, 1, ?, 'confirmed', ?, ?)";
        let row = sqlx::query(insert).bind(order.get()).bind(intent.sale().get());
        let row = row.bind(intent.buyer().as_str()).bind(intent.key().as_str());
        row.bind(intent.quantity().get()).bind(now).bind(now).execute(&mut *transaction).await.unwrap();
        let take = "UPDATE sales SET saleable = saleable - ? WHERE id = ?";
        let row = sqlx::query(take).bind(intent.quantity().get()).bind(intent.sale().get());
        row.execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// What the ledger would sell.
async fn available(shop: &Deployment, sale: SaleId) -> i64 {
    shop.stock.snapshot(sale).await.unwrap().totals.available
}

/// A sale of 500 units of which 40 are sold and confirmed, to as many buyers.
async fn forty_of_500_sold(shop: &Deployment) -> SaleId {
    let sale = shop.open_sale(SaleForm::of_stock(500).limit(10)).await;
    let door = shop.gateways[0].door();
    let heard = ask_all(Purchase::of_many(sale, "buyer", 40), 8, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    assert_conserved(shop, sale, &heard).await;
    sale
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_whose_ids_are_older_than_their_sale_are_counted_and_rebuilt_and_their_units_stay_sold() {
    let shop = Deployment::of("drift-old-ids").start().await;
    let sale = forty_of_500_sold(&shop).await;
    // As if the gateway's clock had been 26 h behind that of the worker which made the sale.
    let later = "UPDATE sales SET created_at_ms = created_at_ms + 26 * 3600 * 1000 WHERE id = ?";
    sqlx::query(later).bind(sale.get()).execute(shop.store.pool()).await.unwrap();

    let name = sale.to_string();
    flashgate(&shop, &["audit", "--sale", &name]).await.unwrap();
    drift(&shop, sale, &["--apply", "--actor", "ops", "--reason", "looking"]).await.unwrap();
    assert_eq!(available(&shop, sale).await, 460);
    assert_eq!(repairs(&shop).await, [], "there was nothing to do");

    let rebuild = ["repair", "rebuild", &name, "--pause", "--apply", "--actor", "ops", "--reason", "old ids"];
    flashgate(&shop, &rebuild).await.unwrap();
    let rebuilt = shop.stock.snapshot(sale).await.unwrap();
    assert_eq!((rebuilt.totals.available, rebuilt.keys), (460, 40));
    flashgate(&shop, &["audit", "--sale", &name]).await.unwrap();
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_orders_that_the_store_has_lost_are_not_put_back() {
    let shop = Deployment::of("drift-lost-orders").start().await;
    let sale = forty_of_500_sold(&shop).await;
    // As a failover that forgets what it acknowledged does.
    for forget in ["DELETE FROM orders", "DELETE FROM batches", "UPDATE sales SET saleable = initial_stock"] {
        sqlx::query(forget).execute(shop.store.pool()).await.unwrap();
    }
    let name = sale.to_string();
    let audited = flashgate(&shop, &["audit", "--sale", &name]).await;
    assert!(matches!(audited, Err(CliError::Differs(_))), "{audited:?}");
    let drifted = drift(&shop, sale, &["--apply", "--actor", "ops", "--reason", "leaked?"]).await;
    assert!(matches!(drifted, Err(CliError::Differs(_))), "{drifted:?}");
    assert_eq!(available(&shop, sale).await, 460, "they were sold");
    shop.stop().await;
}

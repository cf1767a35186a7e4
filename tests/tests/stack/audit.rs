//! The audit on the real stack: it agrees while buyers buy, and names every drift that is made on purpose.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{
    Batch, BatchId, BatchIds, Clock, Node, SaleId, SystemClock,
    audit::{Finding, Report, Verdict, WrittenCounts},
};
use flashgate_ledger::{Deduction, Fate, Selling};
use flashgate_operations::{
    audit::{Plan, examine},
    client::{GatewayLedger, WorkerStore},
};
use flashgate_output::exit::CliError;
use flashgate_proto::body;
use flashgate_tests::{Deployment, Purchase, Rush, SaleForm, ask_all, eventually, flashgate};
use tokio::time::sleep;

const CALL_TIME: Duration = Duration::from_secs(20);
const TIME_TO_SEE: Duration = Duration::from_secs(60);
/// Older than any batch that goes its way, on a machine that compiles beside it.
const AGE: Duration = Duration::from_secs(20);

struct Auditor {
    ledger: GatewayLedger,
    store: WorkerStore,
}

impl Auditor {
    fn of(shop: &Deployment) -> Self {
        let gateway = format!("http://{}", shop.gateways[0].operator());
        let worker = format!("http://{}", shop.workers[0].address());
        let ledger = GatewayLedger::new(&gateway, CALL_TIME).unwrap();
        Self { ledger, store: WorkerStore::new(&worker, CALL_TIME).unwrap() }
    }

    async fn audit_with(&self, sale: SaleId, age: Duration) -> Report {
        let plan = Plan { age, ..Plan::default() };
        examine(sale, &self.ledger, &self.store, &plan).await.unwrap().expect("the sale was preheated")
    }

    async fn audit(&self, sale: SaleId) -> Report {
        self.audit_with(sale, AGE).await
    }

    /// The findings of a sale, once they are `expected`: what is not yet settled is in flight meanwhile.
    async fn finds(&self, sale: SaleId, age: Duration, expected: &[Finding]) {
        eventually("the audit finds it", TIME_TO_SEE, async || {
            let found = self.audit_with(sale, age).await.findings;
            (found == expected).then_some(()).ok_or_else(|| format!("{found:?}, not {expected:?}"))
        })
        .await;
    }
}

/// Sales with buyers that keep coming, so that nothing is found by looking at a sale that stands still.
async fn sale_with_buyers(shop: &Deployment) -> (SaleId, Rush) {
    let sale = shop.open_sale(SaleForm::of_stock(100_000).limit(10)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    eventually("the sale is under way", TIME_TO_SEE, async || {
        let accepted = rush.accepted();
        (accepted >= 50).then_some(()).ok_or(format!("{accepted} accepted"))
    })
    .await;
    (sale, rush)
}

/// A batch of the sale that no gateway has made.
fn batch(shop: &Deployment, sale: SaleId, number: u64, buyers: usize) -> Batch {
    // A node that no gateway of this deployment has.
    let mut ids = BatchIds::new(shop.stock.shard(sale), Node::of_start(100 + number), number);
    let purchases = Purchase::of_many(sale, &format!("stray-{number}"), buyers);
    let intents = purchases.iter().map(Purchase::intent).collect();
    Batch::new(ids.next(SystemClock.now()), intents).unwrap()
}

async fn change_by_hand(shop: &Deployment, sale: SaleId, column: &str, by: i64) {
    let mut command = redis::cmd("HINCRBY");
    command.arg(shop.stock.key(shop.stock.shard(sale), &format!("sale:{sale}"))).arg(column).arg(by);
    let _now: i64 = shop.stock.query(command).await;
}

/// Starts it with a worker that audits by itself, again and again.
async fn start_auditing(shop: &mut Deployment) {
    let gateway = format!("http://{}", shop.gateways[0].operator());
    shop.workers[0].set("audit.gateway_url", gateway);
    shop.workers[0].set("audit.interval_ms", 300);
    shop.workers[0].start();
    shop.gateways[0].start();
    shop.workers[0].ready().await;
    shop.gateways[0].ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_layers_agree_at_every_look_while_buyers_buy() {
    let shop = Deployment::of("audit").gateways(2).workers(2).start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;
    let mut orders = Vec::new();
    for _look in 0..20 {
        let report = auditor.audit(sale).await;
        assert_eq!(report.findings, []);
        assert_eq!(report.verdict(), Verdict::Agrees);
        orders.push(report.orders);
    }
    assert!(orders.is_sorted() && orders.first() < orders.last(), "buyers went on: {orders:?}");
    let heard = rush.end().await;
    shop.conserved(sale, &heard).await;
    let report = auditor.audit(sale).await;
    assert_eq!((report.findings, report.in_flight_batches), (Vec::new(), 0));
    assert_eq!(report.available, i64::try_from(report.saleable).ok(), "nothing is in flight any more");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_taken_from_redis_by_hand_is_leaked_and_one_put_there_is_surplus() {
    let shop = Deployment::of("audit-redis").start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;

    change_by_hand(&shop, sale, "available", -1).await;
    let leaked = Finding::Leaked { units: 1, suspects: Vec::new() };
    let by_hand = Finding::LedgerContradiction { units: -1 };
    assert_eq!(auditor.audit(sale).await.findings, [by_hand, leaked.clone()]);
    // As if a script had taken it: the totals agree with each other, and with no batch.
    change_by_hand(&shop, sale, "deducted", 1).await;
    assert_eq!(auditor.audit(sale).await.findings, [leaked]);
    change_by_hand(&shop, sale, "available", 4).await;
    change_by_hand(&shop, sale, "deducted", -4).await;
    assert_eq!(auditor.audit(sale).await.findings, [Finding::Surplus { units: 3 }]);
    change_by_hand(&shop, sale, "available", -3).await;
    change_by_hand(&shop, sale, "deducted", 3).await;
    assert_eq!(auditor.audit(sale).await.findings, []);
    rush.end().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_of_mysql_are_told_apart_and_the_order_is_named() {
    let shop = Deployment::of("audit-mysql").start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;

    shop.store.lose_units(sale, 2).await;
    let row = Finding::StoreContradiction { units: -2 };
    auditor.finds(sale, AGE, std::slice::from_ref(&row)).await;
    let sql = "UPDATE sales SET saleable = saleable + 2 WHERE id = ?";
    sqlx::query(sql).bind(sale.get()).execute(shop.store.pool()).await.unwrap();
    assert_eq!(auditor.audit(sale).await.findings, []);

    // Settled long ago: whatever is in flight is younger.
    let victim = shop.store.orders(sale).await.swap_remove(0).id;
    let first = victim.base();
    let batch = shop.store.batches().await.into_iter().find(|batch| batch.base() == first).unwrap();
    for (set, units) in
        [("quantity = 3", -2), ("quantity = 1, state = 'cancelled', cancel_reason = 'out_of_stock'", 1)]
    {
        let sql = format!("UPDATE orders SET {set} WHERE id = ?");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(victim.get()).execute(shop.store.pool()).await.unwrap();
        let contradiction = Finding::StoreContradiction { units: -units };
        let changed = Finding::ChangedBatch { batch, units, orders: vec![victim] };
        auditor.finds(sale, AGE, &[contradiction, changed]).await;
    }
    rush.end().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_broker_never_had_is_in_flight_and_then_to_be_redriven() {
    let shop = Deployment::of("audit-dropped").start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;
    let dropped = batch(&shop, sale, 1, 5);
    let deducted = shop.stock.ledger().deduct(&dropped, &[]).await.unwrap();
    assert!(matches!(deducted, Deduction::Applied { .. }), "{deducted:?}");

    let report = auditor.audit(sale).await;
    assert_eq!(report.findings, [], "it is young");
    assert!(report.in_flight.orders >= 5);
    rush.end().await;
    let is_it = |finding: &Finding| {
        matches!(finding, Finding::ToRedrive { batch, amount, decided: false, .. }
            if *batch == dropped.id() && (amount.orders, amount.units) == (5, 5))
    };
    eventually("it is too old", TIME_TO_SEE, async || {
        let report = auditor.audit_with(sale, Duration::from_secs(3)).await;
        let told = matches!(report.findings.as_slice(), [finding] if is_it(finding));
        (told && report.verdict() == Verdict::ToRedrive).then_some(()).ok_or(format!("{report:?}"))
    })
    .await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_entry_deleted_before_its_check_back_is_the_suspect_for_the_units_it_held() {
    let mut shop = Deployment::of("audit-entry").start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;
    rush.end().await;
    shop.settled(sale).await;
    shop.gateways[0].process.leave().await;
    shop.gateways[0].start_armed("gateway_after_deduct");
    shop.gateways[0].ready().await;
    // It dies before its commit, and nobody else could answer the broker: the entry is gone when it is asked.
    let door = shop.gateways[0].door();
    let victim = Purchase::new(sale, "victim", "victim", 2);
    let asking = async {
        loop {
            // The first request may go over a connection to the one that has left.
            door.buy(&victim).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = shop.gateways[0].process.crashed() => {}
        () = asking => {}
    }
    let batch = shop.stock.snapshot(sale).await.unwrap().open.first().unwrap().id;
    assert!(shop.stock.delete_log_entry(batch).await);
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    eventually("the broker has asked, and was told to roll back", TIME_TO_SEE, async || {
        let asked = shop.gateways[0].check_backs();
        let fenced = asked.iter().any(|asked| asked.batch == batch && !asked.committed);
        fenced.then_some(()).ok_or(format!("{asked:?}"))
    })
    .await;
    let leaked = Finding::Leaked { units: 2, suspects: vec![batch] };
    auditor.finds(sale, AGE, std::slice::from_ref(&leaked)).await;
    assert_eq!(auditor.audit(sale).await.findings, [leaked]);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_fenced_and_applied_is_a_phantom() {
    let shop = Deployment::of("audit-phantom").start().await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;
    let phantom = batch(&shop, sale, 2, 7);
    let unknown = batch(&shop, sale, 3, 3);
    assert_eq!(shop.stock.ledger().check_back(phantom.id()).await.unwrap(), Fate::Fenced);
    for batch in [&phantom, &unknown] {
        let body = body::encode_batch(batch, None, SystemClock.now());
        shop.broker.publish(&shop.broker.topic("orders"), &batch.id().to_string(), body).await;
    }
    let told = |found: &[Finding]| -> Vec<(BatchId, u64, bool)> {
        let phantom = |finding: &Finding| {
            let Finding::Phantom { batch, confirmed_units, fenced, .. } = finding else { return None };
            Some((*batch, *confirmed_units, *fenced))
        };
        found.iter().filter_map(phantom).collect()
    };
    eventually("the fenced one is told, and the other one has healed", TIME_TO_SEE, async || {
        let found = auditor.audit(sale).await.findings;
        let expected = [(phantom.id(), 7, true)];
        let only = found.len() == 1 && told(&found) == expected;
        only.then_some(()).ok_or(format!("{found:?}"))
    })
    .await;
    rush.end().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_emptied_is_missing_and_the_background_audit_says_so() {
    let mut shop = Deployment::of("audit-flush").own_redis().prepare().await;
    start_auditing(&mut shop).await;
    let auditor = Auditor::of(&shop);
    let (sale, rush) = sale_with_buyers(&shop).await;
    let audits = async |verdict: &'static str| {
        shop.worker_metric("flashgate_worker_audits_total", &[("verdict", verdict)]).await
    };
    eventually("the worker audits by itself", TIME_TO_SEE, async || {
        let agreed = audits("agrees").await;
        (agreed >= 2.0).then_some(()).ok_or(format!("{agreed} audits agreed"))
    })
    .await;
    assert_eq!(audits("differs").await, 0.0);
    shop.stock.flush_all().await;
    assert_eq!(auditor.audit(sale).await.findings, [Finding::MissingInLedger]);
    eventually("the worker finds it", TIME_TO_SEE, async || {
        let differs = audits("differs").await;
        (differs >= 1.0).then_some(()).ok_or(format!("{differs} audits differ"))
    })
    .await;
    let name = sale.to_string();
    let labels = [("sale", name.as_str()), ("finding", "missing_in_ledger")];
    assert_eq!(shop.worker_metric("flashgate_worker_audit_units", &labels).await, 1.0);
    rush.end().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holdings_that_were_deleted_are_found_before_anybody_buys_and_are_rebuilt() {
    let mut shop = Deployment::of("audit-held").prepare().await;
    start_auditing(&mut shop).await;
    let sale = shop.open_sale(SaleForm::of_stock(100).limit(1)).await;
    let (name, door) = (sale.to_string(), shop.gateways[0].door());
    let purchases = Purchase::of_many(sale, "buyer", 20);
    let heard = ask_all(purchases, 4, async |purchase: &Purchase| door.buy(purchase).await).await;
    shop.conserved(sale, &heard).await;
    let audit = ["audit", "--sale", &name, "--output", "json"];
    flashgate(&shop, &audit).await.unwrap();

    let mut delete = redis::cmd("DEL");
    delete.arg(shop.stock.key(shop.stock.shard(sale), &format!("held:{sale}")));
    let deleted: u64 = shop.stock.query(delete).await;
    assert_eq!(deleted, 1);
    let written = WrittenCounts { buyers: 20, keys: 20 };
    let lost = Finding::PartLost { written, found: WrittenCounts { buyers: 0, ..written } };
    let few = Finding::HeldTooFew { buyers: 20, units: 20 };
    assert_eq!(Auditor::of(&shop).audit(sale).await.findings, [lost, few]);
    let audited = flashgate(&shop, &audit).await;
    assert!(matches!(audited, Err(CliError::Differs(_))), "exit code 13: {audited:?}");
    for (finding, units) in [("part_lost", 1.0), ("held_too_few", 20.0)] {
        eventually("the worker finds it", TIME_TO_SEE, async || {
            let labels = [("sale", name.as_str()), ("finding", finding)];
            let told = shop.worker_metric("flashgate_worker_audit_units", &labels).await;
            (told == units).then_some(()).ok_or(format!("{finding}: {told}"))
        })
        .await;
    }

    // Nobody buys beyond the limit: the next purchase pauses the sale, and the audit still tells why.
    let again = Purchase::new(sale, &heard[0].purchase.buyer, "another-key", 1);
    assert_eq!(door.buy(&again).await.word(), "sale_paused");
    let audited = flashgate(&shop, &audit).await;
    assert!(matches!(audited, Err(CliError::Differs(_))), "{audited:?}");
    flashgate(&shop, &["repair", "rebuild", &name, "--quiet-period", "2s", "--apply", "--actor", "ops"])
        .await
        .unwrap();
    flashgate(&shop, &audit).await.unwrap();
    eventually("it sells again, and keeps its limit", TIME_TO_SEE, async || {
        let answer = door.buy(&again).await;
        (answer.word() == "over_limit").then_some(()).ok_or(format!("{answer:?}"))
    })
    .await;
    shop.stop().await;
}

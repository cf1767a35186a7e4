//! Drift that somebody makes in the simulated ledger or order store is named, and named rightly, by the real audit:
//! otherwise it would mean nothing that it names none in any history.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{sync::Arc, time::Duration};

use flashgate_domain::{
    BatchId, BuyerId, IdempotencyKey, OrderId, Quantity, SaleId, Verdict as Answer,
    audit::{Amount, Finding, LedgerStep, Report, Verdict, WrittenCounts},
};
use flashgate_gateway::{buy::purchase::Buy, config::BatcherConfig};
use flashgate_ledger::LedgerState as Stand;
use flashgate_proto::v1::{self, ledger_service_client::LedgerServiceClient};
use flashgate_simulation::{
    audit::Audits,
    check,
    clock::START,
    history::{GATEWAYS, History, Operation, Payment, SALES, Step},
    ledger::{Account, Books, Entry, Status},
    life::Life,
    network::{Network, Weather},
    random::stream,
    repair::Repair,
    run::{Options, run},
    store::StoreState,
    trace::Trace,
    world::World,
};
use rand::Rng;
use tokio::{task::JoinHandle, time::sleep};

const BUYERS: u32 = 12;
/// For three seconds, longer than two audits take.
const LATE_BUYERS: usize = 60;
/// How many rushes of each latency are run.
const RUSHES: u64 = 15;
/// At how many moments of an audit a sale is preheated.
const PREHEATS: u64 = 120;

/// A world at rest in which units of a sale were sold.
struct Sold {
    world: World,
    sale: SaleId,
    /// One of the batches: its first order.
    order: OrderId,
    batch: BatchId,
    /// What the batch has of the sale.
    amount: Amount,
}

impl Sold {
    async fn new() -> Self {
        let mut history = History::of(1);
        (history.setup.stock, history.setup.limit) = ([100; SALES], 10);
        (history.setup.batcher, history.setup.writes_lost_max) = (BatcherConfig::default(), 0);
        history.setup.payment = Payment::default();
        let world = World::new(&history, &Network::new(Trace::new(false)), None).unwrap();
        world.run_until_quiet().await.unwrap();
        let sale = world.sales[1];
        let (front, _life) = world.gateways[0].reach().unwrap();
        for number in 0..BUYERS {
            let (buyer, key) = (BuyerId::new(format!("buyer-{number}")), IdempotencyKey::new("k"));
            let (buyer, key, quantity) = (buyer.unwrap(), key.unwrap(), Quantity::new(2).unwrap());
            let answer = front.purchase.buy(Buy { sale, buyer, key, quantity, trace: None }).await;
            assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
        }
        world.run_until_quiet().await.unwrap();
        let (order, batch) = {
            let ledger = world.servers.ledger.state();
            let (base, entry) = ledger.books.log.iter().nth(3).unwrap();
            (*base, entry.id)
        };
        let sold = Self { world, sale, order, batch, amount: Amount { orders: 1, units: 2 } };
        let before = sold.audit().await;
        assert_eq!((before.available, before.saleable, before.orders), (Some(76), 76, 12));
        sold.agrees().await;
        sold
    }

    fn ledger<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        change(&mut self.world.servers.ledger.state().books)
    }

    fn account<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        self.ledger(|books| change(books.sales.get_mut(&self.sale).unwrap()))
    }

    /// Adds to `available` and to `deducted` of the sale.
    fn move_units(&self, available: i64, deducted: i64) {
        let sale = self.sale;
        self.ledger(|books| {
            let totals = &mut books.sales.get_mut(&sale).unwrap().totals;
            totals.available += available;
            totals.deducted = totals.deducted.checked_add_signed(deducted).unwrap();
        });
    }

    /// The ledger knows nothing of the batch any more, or has fenced it: its units are on sale again.
    fn lose_batch(&self, fenced: bool) {
        let (order, sale) = (self.order, self.sale);
        self.ledger(|books| {
            let entry = books.log.remove(&order).unwrap();
            let Status::Known { intents, .. } = &entry.status else { panic!("it is fenced") };
            let account = books.sales.get_mut(&sale).unwrap();
            for intent in intents {
                account.keys.remove(&intent.key_digest()).unwrap();
                account.held.remove(&intent.buyer_digest()).unwrap();
                (account.written.keys, account.written.buyers) =
                    (account.written.keys - 1, account.written.buyers - 1);
            }
            if fenced {
                books.log.insert(order, Entry { status: Status::Fenced, ..entry });
            }
        });
        let units = i64::try_from(self.amount.units).unwrap();
        self.move_units(units, -units);
    }

    fn store<T>(&self, change: impl FnOnce(&mut StoreState) -> T) -> T {
        change(&mut self.world.servers.store.state())
    }

    async fn audit(&self) -> Report {
        self.world.auditor.audit(self.sale).await.unwrap().unwrap()
    }

    /// Buyers who come one after the other; how many were accepted.
    fn keep_buying(&self) -> JoinHandle<usize> {
        let (sale, (front, _life)) = (self.sale, self.world.gateways[1].reach().unwrap());
        tokio::spawn(async move {
            let mut accepted = 0;
            for number in 0..LATE_BUYERS {
                let buyer = BuyerId::new(format!("late-{number}")).unwrap();
                let (key, quantity) = (IdempotencyKey::new("k").unwrap(), Quantity::ONE);
                let answer = front.purchase.buy(Buy { sale, buyer, key, quantity, trace: None }).await;
                accepted += usize::from(matches!(answer, Answer::Accepted(_)));
                sleep(Duration::from_millis(50)).await;
            }
            accepted
        })
    }

    /// Somebody asks a gateway for the step; what became of it.
    async fn compensate(&self, step: LedgerStep) -> String {
        let servers = &self.world.servers;
        let life = Arc::new(Life::new("somebody".to_owned(), servers.next_life()));
        let LedgerStep { generation, adjustments, in_ledger, across } = step;
        let sale_id = self.sale.get();
        let request = v1::CompensateLedgerRequest { sale_id, generation, adjustments, in_ledger, across };
        let mut desk = LedgerServiceClient::new(servers.gateway_desk_of(&life));
        desk.compensate_ledger(request).await.unwrap().into_inner().result
    }

    async fn agrees(&self) {
        let report = self.audit().await;
        assert_eq!((report.findings.as_slice(), report.verdict()), ([].as_slice(), Verdict::Agrees));
        check::agrees(&self.world.servers, &report).unwrap();
    }

    /// The audit finds just that, and a history in which it does fails.
    async fn finds(&self, expected: &[Finding]) {
        let report = self.audit().await;
        assert_eq!((report.findings.as_slice(), report.verdict()), (expected, Verdict::Differs));
        assert!(check::no_false_alarm(&self.world.servers, &report).is_err(), "{expected:?} is excused");
        assert!(check::agrees(&self.world.servers, &report).is_err());
    }
}

/// Buyers come without a pause, and every way takes up to `latency_ms`: batches are deducted and applied between the
/// readings of every look.
fn rush(seed: u64, latency_ms_max: u64) -> History {
    let mut history = History::of(seed);
    (history.setup.stock, history.setup.limit) = ([10_000; SALES], 100);
    (history.setup.batcher, history.setup.writes_lost_max) = (BatcherConfig::default(), 0);
    history.setup.payment = Payment::default();
    let mut random = stream(seed, "rush");
    let weather = Operation::Change(Weather { latency_ms_max, ..Weather::default() });
    let mut steps = vec![Step { after_ms: 0, operation: weather }];
    for number in 0..400 {
        let (buyer, gateway) = (random.random_range(0..50), random.random_range(0..GATEWAYS));
        let buy = Operation::Buy { buyer, key: number, sale: 1, quantity: 1, gateway, patience_ms: 20_000 };
        let operation = if number % 20 == 0 { Operation::Audit(1) } else { buy };
        steps.push(Step { after_ms: random.random_range(0..30), operation });
    }
    History { steps, ..history }
}

#[test]
fn audits_of_a_slow_and_busy_sale_name_no_drift() {
    let mut audits = Audits::default();
    for (seed, latency_ms_max) in (0..RUSHES).flat_map(|seed| [(seed, 5), (seed, 80)]) {
        let ended = run(&rush(seed, latency_ms_max), Options::default());
        assert_eq!(ended.complaint, None, "seed {seed}, up to {latency_ms_max} ms");
        audits.add(ended.audits);
    }
    assert!(audits.in_flight > RUSHES * 20, "the sale was at rest: {audits:?}");
}

/// Its ledger is made between the two readings of a look: the store says preheated, the ledger knew nothing yet.
#[tokio::test(start_paused = true)]
async fn a_sale_that_is_preheated_during_an_audit_is_not_missing() {
    for number in 0..PREHEATS {
        let world = World::new(&History::of(0), &Network::new(Trace::new(false)), None).unwrap();
        world.run_until_quiet().await.unwrap();
        let (sale, desk) = (world.sales[SALES - 1], &world.servers.worker_desk);
        desk.set_weather(Weather { latency_ms_max: 500, ..Weather::default() });
        // Gateways read the sales every two seconds.
        sleep(Duration::from_millis(number * 33 % 2_000)).await;
        let preheat = async {
            // At any time of the audit.
            sleep(Duration::from_millis(500 + number * 101 % 3_000)).await;
            world.servers.store.state().preheat_sale(sale).unwrap();
        };
        let (report, ()) = tokio::join!(world.auditor.audit(sale), preheat);
        if let Some(report) = report.unwrap() {
            check::no_false_alarm(&world.servers, &report).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_taken_from_available_is_a_contradiction_and_a_leak() {
    let sold = Sold::new().await;
    sold.move_units(-1, 0);
    let leaked = Finding::Leaked { units: 1, suspects: Vec::new() };
    sold.finds(&[Finding::LedgerContradiction { units: -1 }, leaked]).await;
    sold.move_units(1, 0);
    sold.agrees().await;
}

#[tokio::test(start_paused = true)]
async fn units_that_no_batch_has_taken_are_leaked_and_those_that_none_gave_back_are_surplus() {
    let sold = Sold::new().await;
    sold.move_units(-4, 4);
    sold.finds(&[Finding::Leaked { units: 4, suspects: Vec::new() }]).await;
    sold.move_units(7, -7);
    sold.finds(&[Finding::Surplus { units: 3 }]).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_row_of_a_sale_is_a_contradiction() {
    let sold = Sold::new().await;
    sold.store(|store| store.sales.get_mut(&sold.sale).unwrap().saleable -= 2);
    sold.finds(&[Finding::StoreContradiction { units: -2 }]).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_row_of_an_order_is_named_with_its_batch() {
    let sold = Sold::new().await;
    sold.store(|store| {
        let row = store.orders.get_mut(&sold.order).unwrap();
        let (sale, buyer, key) = (row.intent.sale(), row.intent.buyer().clone(), row.intent.key().clone());
        row.intent = flashgate_domain::Intent::new(sale, buyer, key, Quantity::new(5).unwrap());
    });
    let changed = Finding::ChangedBatch { batch: sold.batch, units: -3, orders: vec![sold.order] };
    sold.finds(&[Finding::StoreContradiction { units: 3 }, changed]).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_ledger_does_not_know_or_has_fenced_is_a_phantom() {
    for fenced in [false, true] {
        let sold = Sold::new().await;
        sold.lose_batch(fenced);
        let (batch, amount) = (sold.batch, sold.amount);
        sold.finds(&[Finding::Phantom { batch, amount, confirmed_units: 2, fenced }]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_entry_that_is_gone_alone_leaves_the_units_where_they_are() {
    let sold = Sold::new().await;
    sold.ledger(|books| books.log.remove(&sold.order)).unwrap();
    sold.agrees().await;
    // Also when every batch is looked at: the key tells that it was deducted.
    sold.move_units(-1, 1);
    sold.finds(&[Finding::Leaked { units: 1, suspects: Vec::new() }]).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_settlement_is_gone_is_to_be_redriven_when_it_is_old() {
    let sold = Sold::new().await;
    sleep(Duration::from_secs(31)).await;
    let deducted_at = sold.ledger(|books| {
        let entry = books.log.get_mut(&sold.order).unwrap();
        let Status::Known { acknowledged, .. } = &mut entry.status else { panic!("it is fenced") };
        *acknowledged = false;
        entry.at
    });
    assert!(deducted_at > START);
    let report = sold.audit().await;
    let (batch, amount) = (sold.batch, sold.amount);
    assert_eq!(report.findings, [Finding::ToRedrive { batch, deducted_at, amount, decided: true }]);
    assert_eq!(report.verdict(), Verdict::ToRedrive);
    check::no_false_alarm(&sold.world.servers, &report).unwrap();
    assert!(check::agrees(&sold.world.servers, &report).is_err(), "not in a healed world");
}

#[tokio::test(start_paused = true)]
async fn holdings_or_keys_that_are_gone_are_a_lost_part() {
    let sold = Sold::new().await;
    let written = WrittenCounts { buyers: 12, keys: 12 };
    let keys = sold.account(|account| std::mem::take(&mut account.keys));
    sold.finds(&[Finding::PartLost { written, found: WrittenCounts { keys: 0, ..written } }]).await;
    sold.account(|account| account.keys = keys);
    sold.agrees().await;
    sold.account(|account| account.held.clear());
    let lost = Finding::PartLost { written, found: WrittenCounts { buyers: 0, ..written } };
    sold.finds(&[lost, Finding::HeldTooFew { buyers: 12, units: 24 }]).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_buyer_holds_is_compared_with_its_orders() {
    let sold = Sold::new().await;
    let buyer = BuyerId::new("buyer-7").unwrap().digest();
    for (held, found) in
        [(1, Finding::HeldTooFew { buyers: 1, units: 1 }), (5, Finding::HeldTooMany { buyers: 1, units: 3 })]
    {
        sold.account(|account| account.held.insert(buyer, held));
        sold.finds(&[found]).await;
    }
    sold.account(|account| account.held.insert(buyer, 2));
    sold.agrees().await;
    // Of whom the order store knows nothing, and the ledger counts.
    sold.account(|account| {
        account.held.insert(BuyerId::new("stranger").unwrap().digest(), 3);
        account.written.buyers += 1;
    });
    sold.finds(&[Finding::HeldTooMany { buyers: 1, units: 1 }]).await;
}

#[tokio::test(start_paused = true)]
async fn a_buyer_that_holds_too_little_is_found_while_buyers_buy_and_no_other() {
    let sold = Sold::new().await;
    // Else every look would be at the very moment of a purchase.
    sold.world.servers.set_weather(Weather { latency_ms_max: 2, ..Weather::default() });
    let buying = sold.keep_buying();
    sleep(Duration::from_millis(225)).await;
    sold.account(|account| *account.held.get_mut(&BuyerId::new("buyer-7").unwrap().digest()).unwrap() -= 1);
    sold.finds(&[Finding::HeldTooFew { buyers: 1, units: 1 }]).await;
    assert!(!buying.is_finished(), "nobody buys any more");
    assert_eq!(buying.await.unwrap(), LATE_BUYERS);
}

/// What is held for an order that is not decided, or not settled, is no drift.
#[tokio::test(start_paused = true)]
async fn a_buyer_that_holds_more_is_told_only_when_nothing_is_in_flight() {
    let sold = Sold::new().await;
    let buyer = BuyerId::new("buyer-7").unwrap().digest();
    sold.account(|account| account.held.insert(buyer, 3));
    let acknowledge = |is: bool| {
        sold.ledger(|books| {
            let Status::Known { acknowledged, .. } = &mut books.log.get_mut(&sold.order).unwrap().status
            else {
                panic!("it is fenced")
            };
            *acknowledged = is;
        });
    };
    acknowledge(false);
    assert_eq!(sold.audit().await.findings, []);
    acknowledge(true);
    sold.finds(&[Finding::HeldTooMany { buyers: 1, units: 1 }]).await;
}

#[tokio::test(start_paused = true)]
async fn a_sale_that_is_gone_or_of_another_generation_is_told() {
    let sold = Sold::new().await;
    sold.ledger(|books| books.sales.get_mut(&sold.sale).unwrap().generation = 7);
    sold.finds(&[Finding::OtherGeneration { ledger: 7, store: 1 }]).await;
    sold.ledger(|books| books.sales.remove(&sold.sale)).unwrap();
    sold.finds(&[Finding::MissingInLedger]).await;
}

/// Of an earlier generation: no gateway activates it.
#[tokio::test(start_paused = true)]
async fn a_sale_that_a_failover_took_back_behind_its_activation_and_a_rebuild_is_rebuilt() {
    let sold = Sold::new().await;
    let repair = Repair::Rebuild { pause: true, quiet: Duration::from_millis(100) };
    let prepared = sold.ledger(|books| {
        let account = books.sales[&sold.sale].clone();
        Account { state: Stand::Prepared, ..account }
    });
    sold.world.repairer.repair(sold.sale, repair).await.unwrap();
    sold.agrees().await;
    sold.ledger(|books| books.sales.insert(sold.sale, prepared));
    sold.finds(&[Finding::OtherGeneration { ledger: 1, store: 2 }]).await;
    sold.world.repairer.repair(sold.sale, repair).await.unwrap();
    sold.agrees().await;
    let (state, generation) = sold.ledger(|books| {
        let account = &books.sales[&sold.sale];
        (account.state, account.generation)
    });
    assert_eq!((state, generation), (Stand::Active, 3));
}

#[tokio::test(start_paused = true)]
async fn a_compensating_step_that_is_taken_at_two_desks_happens_once_while_buyers_buy() {
    let sold = Sold::new().await;
    let buying = sold.keep_buying();
    sold.move_units(-4, 4);
    let (first, second) = (sold.audit().await, sold.audit().await);
    assert!(first.orders < second.orders, "nobody buys");
    let step = first.steps.agreed(&second.steps).ledger.unwrap();
    assert_eq!(step, LedgerStep { generation: 1, adjustments: 0, in_ledger: 0, across: -4 });
    let (one, other) = tokio::join!(sold.compensate(step), sold.compensate(step));
    assert_eq!([one.as_str(), other.as_str()].iter().filter(|result| **result == "done").count(), 1);
    assert_eq!(sold.compensate(step).await, "conflict", "also later");
    assert!(!buying.is_finished(), "nobody buys any more");
    // Until then, every look at the books complained of the leak.
    assert!(sold.world.complaint.take().is_some_and(|leak| leak.contains("available")));

    assert_eq!(buying.await.unwrap(), LATE_BUYERS);
    sold.world.run_until_quiet().await.unwrap();
    assert_eq!(sold.world.complaint.take(), None);
    let (left, returned) = sold.ledger(|books| {
        let totals = books.sales[&sold.sale].totals;
        (totals.available, totals.returned)
    });
    assert_eq!((left, returned), (i64::try_from(76 - LATE_BUYERS).unwrap(), 4));
    sold.agrees().await;
}

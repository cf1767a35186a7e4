//! Random calls against a simple model: in any order of calls, results and totals equal those of the model. Every
//! message contains the seed; `FLASHGATE_SEED` repeats a run.

use std::collections::{HashMap, HashSet};

use flashgate_domain::{
    Batch, BatchId, BuyerDigest, CancelReason, Clock, Decision, Intent, KeyDigest, OrderId, SaleId,
    SystemClock,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    Fact, Subject,
    scene::{Scene, cancelled_order, intent, outcome},
};
use crate::{Deduction, Fate, IntentResult, Returned, Settled, Totals};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CALLS: usize = 400;
const STOCK: u32 = 60;
const LIMIT: u32 = 6;

/// The expected state of a sale.
#[derive(Default)]
struct ModelSale {
    totals: Totals,
    keys: HashMap<KeyDigest, (OrderId, u32)>,
    held: HashMap<BuyerDigest, u32>,
}

/// The expected state of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Deducted,
    Acknowledged,
    Fenced,
}

#[derive(Default)]
struct Model {
    sales: HashMap<SaleId, ModelSale>,
    log: HashMap<BatchId, Entry>,
    /// Orders whose outcome was a confirmation.
    confirmed: HashSet<OrderId>,
    released: HashSet<OrderId>,
}

impl Model {
    fn sale(&mut self, sale: SaleId) -> &mut ModelSale {
        self.sales.entry(sale).or_default()
    }

    fn judge(&self, intents: &[Intent]) -> Result<Vec<IntentResult>> {
        let (mut seen, mut taken, mut holds) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut results = Vec::new();
        for intent in intents {
            let sale = self.sales.get(&intent.sale()).ok_or("no such sale")?;
            let (key, quantity) = (intent.key_digest(), intent.quantity().get());
            let held = sale.held.get(&intent.buyer_digest()).copied().unwrap_or(0);
            let taken: &mut u32 = taken.entry(intent.sale()).or_default();
            let holds: &mut u32 = holds.entry((intent.sale(), intent.buyer_digest())).or_default();
            let answer = match sale.keys.get(&key) {
                _ if seen.contains(&(intent.sale(), key)) => IntentResult::Repeated,
                Some((order, same)) if *same == quantity => IntentResult::Replay(*order),
                Some(_other) => IntentResult::KeyReused,
                None if i64::from(quantity) > sale.totals.available - i64::from(*taken) => {
                    IntentResult::SoldOut
                }
                None if held + *holds + quantity > LIMIT => IntentResult::OverLimit,
                None => {
                    *taken += quantity;
                    *holds += quantity;
                    IntentResult::Pass
                }
            };
            seen.push((intent.sale(), key));
            results.push(answer);
        }
        Ok(results)
    }

    fn deduct(&mut self, batch: &Batch) {
        for (order, intent) in batch.orders() {
            let quantity = intent.quantity().get();
            let sale = self.sale(intent.sale());
            sale.take(quantity);
            sale.keys.insert(intent.key_digest(), (order, quantity));
            *sale.held.entry(intent.buyer_digest()).or_default() += quantity;
        }
        self.log.insert(batch.id(), Entry::Deducted);
    }

    fn settle(&mut self, batch: &Batch, decisions: &[Decision]) {
        let late = self.log.insert(batch.id(), Entry::Acknowledged).is_none();
        for ((order, intent), decision) in batch.orders().zip(decisions) {
            let quantity = intent.quantity().get();
            if *decision == Decision::Confirmed {
                self.confirmed.insert(order);
            }
            let sale = self.sale(intent.sale());
            let held = sale.held.entry(intent.buyer_digest()).or_default();
            match (late, decision) {
                (true, Decision::Confirmed) => {
                    *held += quantity;
                    sale.keys.insert(intent.key_digest(), (order, quantity));
                }
                (true, Decision::Cancelled(_)) => {
                    sale.keys.entry(intent.key_digest()).or_insert((order, quantity));
                }
                (false, Decision::Confirmed) => {}
                (false, Decision::Cancelled(_)) => *held = held.saturating_sub(quantity),
            }
            if late {
                sale.take(quantity);
            }
            match decision {
                Decision::Cancelled(reason) if reason.returns_units() => sale.give_back(quantity),
                Decision::Cancelled(_) => sale.totals.written_off += u64::from(quantity),
                Decision::Confirmed => {}
            }
        }
        self.sales.values_mut().for_each(ModelSale::balance);
    }

    /// Returns whether the order gave its units up; `None` if the ledger must not find it.
    fn give_up(&mut self, batch: BatchId, order: OrderId, intent: &Intent) -> Option<bool> {
        let quantity = intent.quantity().get();
        let is_settled = self.log.get(&batch) == Some(&Entry::Acknowledged);
        let sale = self.sales.get_mut(&intent.sale())?;
        if !is_settled || sale.keys.get(&intent.key_digest()) != Some(&(order, quantity)) {
            return None;
        }
        if !self.released.insert(order) {
            return Some(false);
        }
        let held = sale.held.entry(intent.buyer_digest()).or_default();
        *held = held.saturating_sub(quantity);
        sale.give_back(quantity);
        sale.totals.released += u64::from(quantity);
        Some(true)
    }
}

impl ModelSale {
    fn take(&mut self, quantity: u32) {
        self.totals.deducted += u64::from(quantity);
        self.totals.available -= i64::from(quantity);
    }

    fn give_back(&mut self, quantity: u32) {
        self.totals.returned += u64::from(quantity);
        self.totals.available += i64::from(quantity);
    }

    fn balance(&mut self) {
        while self.totals.available < 0 && self.totals.reclaimed < self.totals.written_off {
            self.give_back(1);
            self.totals.reclaimed += 1;
        }
    }
}

fn seed() -> Result<u64> {
    match std::env::var("FLASHGATE_SEED") {
        Ok(seed) => Ok(seed.parse()?),
        Err(_unset) => Ok(SystemClock.now().as_millis()),
    }
}

fn random_intents(random: &mut StdRng, sales: &[SaleId]) -> Result<Vec<Intent>> {
    let mut intents = Vec::new();
    for _intent in 0..random.random_range(1..=5) {
        let sale = *sales.choose(random).ok_or("a sale")?;
        let buyer = format!("b{}", random.random_range(0..8));
        let key = format!("k{}", random.random_range(0..12));
        intents.push(intent(sale, &buyer, &key, random.random_range(1..=3))?);
    }
    Ok(intents)
}

fn random_decision(random: &mut StdRng) -> Decision {
    match random.random_range(0..8) {
        0..5 => Decision::Confirmed,
        5 => Decision::Cancelled(CancelReason::OutOfStock),
        6 => Decision::Cancelled(CancelReason::Timeout),
        _ => Decision::Cancelled(CancelReason::DuplicateKey),
    }
}

/// 400 calls on two sales: screen, deduct, check back, settle, return units, each also repeated and at the wrong time.
pub async fn the_numbers_agree_after_any_calls(subject: Subject) -> Fact {
    let seed = seed()?;
    let run = run(Scene::new(subject), StdRng::seed_from_u64(seed), seed);
    run.await.map_err(|error| format!("FLASHGATE_SEED={seed}: {error}").into())
}

async fn run(scene: Scene, mut random: StdRng, seed: u64) -> Fact {
    let mut model = Model::default();
    let one = scene.on_sale(STOCK.into(), LIMIT).await?;
    let sales = [one, scene.sell(scene.unused_of(scene.shard(one))?, STOCK.into(), LIMIT).await?];
    for sale in sales {
        model.sale(sale).totals =
            Totals { initial: STOCK.into(), available: STOCK.into(), ..Totals::default() };
    }
    let mut batches: Vec<Batch> = Vec::new();
    for call in 0..CALLS {
        let context = format!("FLASHGATE_SEED={seed}, call {call}");
        let fresh = batches.is_empty() || random.random_bool(0.5);
        if fresh {
            let intents = random_intents(&mut random, &sales)?;
            assert_eq!(scene.screen(&intents).await?, model.judge(&intents)?, "{context}");
            batches.push(scene.batch_as(scene.batch_id(one)?, intents)?);
        }
        let batch = match batches.last() {
            Some(last) if fresh => last.clone(),
            _ => batches.choose(&mut random).ok_or("a batch")?.clone(),
        };
        match random.random_range(0..8) {
            0..3 => deduct(&scene, &mut model, &batch, &context).await?,
            3 => check_back(&scene, &mut model, &batch, &context).await?,
            4..6 => settle(&scene, &mut model, &batch, &mut random, &context).await?,
            _ => return_units(&scene, &mut model, &batch, &mut random, &context).await?,
        }
        for sale in sales {
            let snapshot = scene.snapshot(sale).await?;
            let expected = model.sale(sale);
            assert_eq!(snapshot.totals, expected.totals, "{context}");
            let buyers = expected.held.values().filter(|held| **held > 0).count();
            let counts = (usize::try_from(snapshot.buyers)?, usize::try_from(snapshot.keys)?);
            assert_eq!(counts, (buyers, expected.keys.len()), "{context}");
        }
    }
    Ok(())
}

async fn deduct(scene: &Scene, model: &mut Model, batch: &Batch, context: &str) -> Fact {
    let deduction = scene.ledger().deduct(batch, &[]).await?;
    match (model.log.get(&batch.id()), deduction) {
        (Some(Entry::Fenced), deduction) => assert_eq!(deduction, Deduction::Fenced, "{context}"),
        (Some(Entry::Deducted | Entry::Acknowledged), deduction) => {
            assert_eq!(deduction, Deduction::Applied { stocks: vec![] }, "{context}");
        }
        (None, Deduction::Applied { .. }) => {
            let results = model.judge(batch.intents())?;
            assert!(results.iter().all(|answer| *answer == IntentResult::Pass), "{context}: {results:?}");
            model.deduct(batch);
        }
        (None, Deduction::Refused(screening)) => {
            assert_eq!(screening.results, model.judge(batch.intents())?, "{context}");
            assert!(screening.results.iter().any(|answer| *answer != IntentResult::Pass), "{context}");
        }
        (None, deduction @ (Deduction::Fenced | Deduction::IdTaken)) => panic!("{context}: {deduction:?}"),
    }
    Ok(())
}

async fn check_back(scene: &Scene, model: &mut Model, batch: &Batch, context: &str) -> Fact {
    let expected = match *model.log.entry(batch.id()).or_insert(Entry::Fenced) {
        Entry::Fenced => Fate::Fenced,
        Entry::Deducted | Entry::Acknowledged => Fate::Deducted,
    };
    assert_eq!(scene.ledger().check_back(batch.id()).await?, expected, "{context}");
    Ok(())
}

async fn settle(scene: &Scene, model: &mut Model, batch: &Batch, random: &mut StdRng, context: &str) -> Fact {
    let decisions: Vec<_> = batch.intents().iter().map(|_intent| random_decision(random)).collect();
    let decide = |place: usize| decisions.get(place).copied().unwrap_or(Decision::Confirmed);
    let settled = scene.ledger().settle(&outcome(batch, decide)).await?;
    match (model.log.get(&batch.id()), settled) {
        (Some(Entry::Fenced), settled) => assert_eq!(settled, Settled::Contradiction, "{context}"),
        (Some(Entry::Acknowledged), settled) => assert_eq!(settled, Settled::Already, "{context}"),
        (Some(Entry::Deducted), Settled::Applied(_)) | (None, Settled::AppliedLate(_)) => {
            model.settle(batch, &decisions);
        }
        (known, settled) => panic!("{context}: {settled:?} of a batch that is {known:?}"),
    }
    Ok(())
}

async fn return_units(
    scene: &Scene,
    model: &mut Model,
    batch: &Batch,
    random: &mut StdRng,
    context: &str,
) -> Fact {
    let cancelled = cancelled_order(batch, random.random_range(0..batch.intents().len()))?;
    let is_settled = model.log.get(&batch.id()) == Some(&Entry::Acknowledged);
    // Only a confirmed order can be cancelled later.
    if is_settled && !model.confirmed.contains(&cancelled.order) {
        return Ok(());
    }
    let returned = scene.ledger().return_units(&cancelled).await?;
    let sale = cancelled.intent.sale();
    match (model.give_up(batch.id(), cancelled.order, &cancelled.intent), returned) {
        (Some(true), Returned::Done(stock)) => {
            assert_eq!((stock.sale, stock.available), (sale, model.sale(sale).totals.available), "{context}");
        }
        (Some(false), Returned::Already) | (None, Returned::NotSettled) => {}
        (expected, returned) => panic!("{context}: {returned:?}, expected {expected:?}"),
    }
    Ok(())
}

//! One sale: look, look again, walk the batches, judge; and compare what buyers hold.
//!
//! A look reads the ledger and then the store. What it can get wrong is known: a batch that is deducted after the
//! first and applied before the second reading makes [`Gap::across`] greater, and nothing makes it smaller. So the
//! smallest of several looks is taken, and a difference that one look does not have is none.

use std::time::Duration;

use flashgate_domain::{
    BatchId, OrderId, SaleId, SaleState,
    audit::{
        DecidedBatch, Evidence, Finding, Gap, LedgerSnapshot, Report, Steps, StoreSnapshot, Trace,
        TraceStatus, lost_part, missing_orders, open_batches, weigh,
    },
};
use tokio::time::sleep;

use super::{
    holdings,
    sides::{LedgerSide, LogTrace, LogWord, SideError, StoreSide},
};

/// How many batches are asked for at a time.
const PAGE: u32 = 256;

/// How an audit goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// An open batch that is older is to be re-driven.
    pub age: Duration,
    /// How often to look before a difference counts. At least 2.
    pub looks: u32,
    /// The pause between two looks: longer than a batch takes from its deduction to its order.
    pub pause: Duration,
    /// How many batches are walked at most to explain a difference.
    pub batches_max: u64,
    /// Whether what buyers hold is compared with their orders: that reads every order by its buyer, which costs the order
    /// store far more than the sums.
    pub holdings: bool,
}

impl Default for Plan {
    /// 30 s is what a batch takes when its commit is lost and its check-back is late, several times over.
    fn default() -> Self {
        let (age, pause) = (Duration::from_secs(30), Duration::from_millis(300));
        Self { age, looks: 4, pause, batches_max: 2_000_000, holdings: true }
    }
}

/// Both sides, the ledger's read first.
struct Look {
    ledger: LedgerSnapshot,
    store: StoreSnapshot,
    gap: Gap,
}

/// What a look found.
enum Seen {
    Both(Box<Look>),
    /// The ledger does not have the sale.
    StoreOnly(StoreSnapshot),
    Nothing,
}

/// Audits one sale; `None` if there is no such sale, or none that a ledger should have.
///
/// # Errors
/// The side that did not tell.
pub async fn examine(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    plan: &Plan,
) -> Result<Option<Report>, SideError> {
    let mut best: Option<Box<Look>> = None;
    let (mut missing, mut was_due) = (None::<StoreSnapshot>, false);
    for look in 0..plan.looks.max(2) {
        if look > 0 {
            sleep(plan.pause).await;
        }
        match seen(sale, ledger, store).await? {
            Seen::Nothing => return Ok(None),
            Seen::StoreOnly(books) => {
                // The ledger was read first: a sale that was preheated in between was not due there yet.
                was_due = missing.is_some_and(|before| before.state == SaleState::Preheated);
                missing = Some(books);
            }
            Seen::Both(look) if look.gap.is_closed() && missing_orders(&look.ledger, &look.store) == 0 => {
                let findings = of_buyers(sale, ledger, store, &look, &Evidence::default(), plan).await?;
                return Ok(Some(report(sale, &look, findings, Steps::default(), plan)));
            }
            Seen::Both(look) => {
                let smaller = best.as_ref().is_none_or(|best| look.gap.across < best.gap.across);
                if smaller {
                    best = Some(look);
                }
            }
        }
    }
    match (best, missing) {
        (Some(look), _) => {
            let Walked { evidence, all } = walk(sale, ledger, store, &look, plan).await?;
            let steps = Steps::of(&look.gap, &evidence, &look.ledger, &look.store);
            let steps = if all { steps } else { steps.without_unexplained() };
            let of_buyers = of_buyers(sale, ledger, store, &look, &evidence, plan).await?;
            let mut findings = weigh(&look.gap, evidence, &look.ledger, &look.store);
            findings.extend(of_buyers);
            Ok(Some(report(sale, &look, findings, steps, plan)))
        }
        (None, Some(books)) if was_due => Ok(lost(sale, &books)),
        (None, Some(_) | None) => Ok(None),
    }
}

async fn seen(sale: SaleId, ledger: &dyn LedgerSide, store: &dyn StoreSide) -> Result<Seen, SideError> {
    let Some(first) = ledger.snapshot(sale).await? else {
        return Ok(store.books(sale, &[]).await?.map_or(Seen::Nothing, Seen::StoreOnly));
    };
    let open = first.open.iter().map(|held| held.batch);
    let asked: Vec<BatchId> = open.chain(first.lost.iter().map(|lost| lost.batch)).collect();
    let Some(second) = store.books(sale, &asked).await? else { return Ok(Seen::Nothing) };
    let gap = Gap::between(&first, &second);
    Ok(Seen::Both(Box::new(Look { ledger: first, store: second, gap })))
}

/// What is wrong with what buyers hold, and with their keys.
async fn of_buyers(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    look: &Look,
    evidence: &Evidence,
    plan: &Plan,
) -> Result<Vec<Finding>, SideError> {
    let mut findings: Vec<Finding> = lost_part(&look.ledger).into_iter().collect();
    // The buyers of a batch that is named hold something else as well.
    let is_named = !evidence.0.is_empty();
    if !plan.holdings || is_named || look.ledger.generation != look.store.generation {
        return Ok(findings);
    }
    let held = holdings::compare(sale, ledger, store, &look.ledger, plan).await?;
    // What is held for orders that are missing is right.
    let missing = missing_orders(&look.ledger, &look.store) > 0;
    findings
        .extend(held.into_iter().filter(|found| !(missing && matches!(found, Finding::HeldTooMany { .. }))));
    Ok(findings)
}

/// A sale that the ledger does not have. Before its preheat, and after it was closed, it need not.
fn lost(sale: SaleId, books: &StoreSnapshot) -> Option<Report> {
    match books.state {
        SaleState::Created | SaleState::Preheating | SaleState::Closed => None,
        SaleState::Preheated => Some(Report {
            sale,
            available: None,
            saleable: books.saleable,
            orders: books.orders.total().orders,
            in_flight_batches: 0,
            in_flight: flashgate_domain::audit::Amount::default(),
            findings: vec![Finding::MissingInLedger],
            steps: Steps::default(),
        }),
    }
}

fn report(sale: SaleId, look: &Look, mut findings: Vec<Finding>, steps: Steps, plan: &Plan) -> Report {
    let Look { ledger, store, .. } = look;
    if ledger.generation != store.generation {
        let (ledger, store) = (ledger.generation, store.generation);
        findings.insert(0, Finding::OtherGeneration { ledger, store });
    }
    let (in_flight_batches, in_flight, old) = open_batches(ledger, store, plan.age);
    findings.extend(old);
    Report {
        sale,
        available: Some(ledger.totals.available),
        saleable: store.saleable,
        orders: store.orders.total().orders,
        in_flight_batches,
        in_flight,
        findings,
        steps,
    }
}

/// What a walk through the batches brought up.
#[derive(Default)]
struct Walked {
    evidence: Evidence,
    /// Whether none was left out: else a batch that explains the rest may be among those.
    all: bool,
}

/// Compares batch by batch, the latest first, until the gap is explained or there are no more. What it finds is
/// looked at once more at the end: an outcome that was on its way may have arrived.
async fn walk(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    look: &Look,
    plan: &Plan,
) -> Result<Walked, SideError> {
    let mut evidence = Evidence::default();
    if look.gap.across == 0 && look.gap.in_store == 0 {
        return Ok(Walked { evidence, all: true });
    }
    let (mut before, mut walked) = (None, 0_u64);
    let mut suspects: Vec<DecidedBatch> = Vec::new();
    let mut all = false;
    while walked < plan.batches_max && !evidence.explains(&look.gap) {
        let page = store.batches(sale, before, PAGE).await?;
        let Some(last) = page.last() else {
            all = true;
            break;
        };
        before = Some(last.of_sale.batch);
        walked = walked.saturating_add(u64::from(PAGE));
        let of_sale: Vec<DecidedBatch> =
            page.into_iter().filter(|batch| batch.of_sale.sums.total().orders > 0).collect();
        for (batch, finding) in compare(sale, ledger, store, &of_sale).await? {
            suspects.push(batch);
            evidence.0.push(finding);
        }
    }
    if suspects.is_empty() {
        return Ok(Walked { evidence, all });
    }
    sleep(plan.pause).await;
    let confirmed = compare(sale, ledger, store, &suspects).await?;
    let evidence = Evidence(confirmed.into_iter().map(|(_batch, finding)| finding).collect());
    Ok(Walked { evidence, all })
}

/// The batches of `decided` that the ledger does not have as the store has them.
async fn compare(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    decided: &[DecidedBatch],
) -> Result<Vec<(DecidedBatch, Finding)>, SideError> {
    let ids: Vec<BatchId> = decided.iter().map(|batch| batch.of_sale.batch).collect();
    let mut found = Vec::new();
    for (batch, told) in decided.iter().zip(ledger.trace(sale, &ids).await?) {
        let trace = trace(sale, ledger, store, batch.of_sale.batch, told).await?;
        match Evidence::of(batch, &trace) {
            Some(Finding::ChangedBatch { batch: id, units, orders: _ }) => {
                let orders = changed_orders(ledger, store, id).await?;
                found.push((*batch, Finding::ChangedBatch { batch: id, units, orders }));
            }
            Some(finding) => found.push((*batch, finding)),
            None => {}
        }
    }
    Ok(found)
}

async fn trace(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    batch: BatchId,
    told: LogTrace,
) -> Result<Trace, SideError> {
    let status = match told.status {
        Some(LogWord::Deducted) => TraceStatus::Open,
        Some(LogWord::Acknowledged) => TraceStatus::Settled,
        Some(LogWord::Fenced) => TraceStatus::Fenced,
        None if is_held(sale, ledger, store, batch).await? => TraceStatus::Forgotten,
        None => TraceStatus::Unknown,
    };
    Ok(Trace { batch, status, sums: told.sums })
}

/// Whether a key leads to an order of the batch. Counters, keys and entry are written in one step, so the
/// deduction stands then, even if the entry is gone.
async fn is_held(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    batch: BatchId,
) -> Result<bool, SideError> {
    let Some(outcome) = store.outcome(batch).await? else { return Ok(false) };
    let Some(witness) = outcome.orders.iter().find(|order| order.intent.sale() == sale) else {
        return Ok(false);
    };
    Ok(ledger.purchase(&witness.intent).await? == Some(witness.order))
}

/// The orders of a batch that are not the same on both sides.
async fn changed_orders(
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    batch: BatchId,
) -> Result<Vec<OrderId>, SideError> {
    // A batch with a row too few cannot be told as a whole: the batch is named, its orders are not.
    let Ok(Some(outcome)) = store.outcome(batch).await else { return Ok(Vec::new()) };
    let marks = ledger.orders(batch).await?;
    let pairs = outcome.orders.iter().zip(&marks);
    let changed = pairs.filter(|(order, mark)| {
        let (intent, quantity) = (&order.intent, order.intent.quantity().get());
        (intent.sale(), quantity, order.decision.state()) != (mark.sale, mark.quantity, mark.state)
    });
    Ok(changed.map(|(order, _mark)| order.order).collect())
}

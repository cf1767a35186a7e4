//! One sale: read, read again, walk the batches, judge; and compare the holdings of buyers.
//!
//! A look reads the ledger and then the store. Its only error is known: a batch that is deducted after the first
//! and applied before the second reading makes [`Gap::across`] greater, and nothing makes it smaller. So the
//! smallest of several looks counts, and a difference that is missing in one look is none. Returned units are apart: what
//! the store had returned at the first look must have come to the ledger by the last.

use std::time::Duration;

use flashgate_domain::{
    BatchId, LogStatus, OrderId, SaleId, SaleState,
    audit::{
        DecidedBatch, Evidence, Finding, Gap, LedgerSnapshot, Report, Steps, StoreSnapshot, Trace,
        TraceStatus, lost_part, missing_orders, open_batches, restocked_units, returned_units, weigh,
    },
};
use tokio::time::sleep;

use super::{
    holdings,
    sides::{LedgerSide, LogTrace, SideError, StoreSide},
};

/// Maximum batches of one call.
const PAGE: u32 = 256;

/// The parameters of an audit.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Maximum age of an open batch; older ones are to be re-driven.
    pub age: Duration,
    /// Number of looks that must agree on a difference. At least 2.
    pub looks: u32,
    /// Pause between two looks: longer than a batch takes from its deduction to its order.
    pub pause: Duration,
    /// Maximum batches that are walked to explain a difference.
    pub batches_max: u64,
    /// Whether the holdings of buyers are compared with their orders: that reads every order by its buyer, which
    /// costs the order store far more than the sums.
    pub holdings: bool,
}

impl Default for Plan {
    /// 30 s is several times what a batch takes when its commit is lost and its check-back is late.
    fn default() -> Self {
        let (age, pause) = (Duration::from_secs(30), Duration::from_millis(300));
        Self { age, looks: 4, pause, batches_max: 2_000_000, holdings: true }
    }
}

/// Both sides, the ledger's read first.
struct Reading {
    ledger: LedgerSnapshot,
    store: StoreSnapshot,
    gap: Gap,
}

/// The result of a look.
enum Seen {
    Both(Box<Reading>),
    /// The ledger does not have the sale.
    StoreOnly(StoreSnapshot),
    Nothing,
}

/// Audits one sale; `None` if the sale does not exist, or needs no ledger.
///
/// # Errors
/// The side that did not answer.
pub async fn examine(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    plan: &Plan,
) -> Result<Option<Report>, SideError> {
    let mut best: Option<Box<Reading>> = None;
    let (mut missing, mut was_due) = (None::<StoreSnapshot>, false);
    let (mut at_first, mut returns, mut restocks) = (None, None, None);
    for look in 0..plan.looks.max(2) {
        if look > 0 {
            sleep(plan.pause).await;
        }
        match seen(sale, ledger, store).await? {
            Seen::Nothing => return Ok(None),
            Seen::StoreOnly(snapshot) => {
                // The ledger was read first: a sale that was preheated in between was not due in the ledger yet.
                was_due = missing.is_some_and(|before| before.state == SaleState::Preheated);
                missing = Some(snapshot);
            }
            Seen::Both(look) if look.gap.is_closed() && missing_orders(&look.ledger, &look.store) == 0 => {
                let findings = of_buyers(sale, ledger, store, &look, &Evidence::default(), plan).await?;
                return Ok(Some(report(sale, &look, findings, Steps::default(), plan)));
            }
            Seen::Both(look) => {
                let (returned, restocked) =
                    *at_first.get_or_insert((look.store.returned, look.store.restocked));
                returns = returned_units(returned, &look.ledger, &look.store);
                restocks = restocked_units(restocked, &look.ledger, &look.store);
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
            findings.extend(returns);
            findings.extend(restocks);
            Ok(Some(report(sale, &look, findings, steps, plan)))
        }
        (None, Some(snapshot)) if was_due => Ok(lost(sale, &snapshot)),
        (None, Some(_) | None) => Ok(None),
    }
}

async fn seen(sale: SaleId, ledger: &dyn LedgerSide, store: &dyn StoreSide) -> Result<Seen, SideError> {
    let Some(first) = ledger.snapshot(sale).await? else {
        return Ok(store.snapshot(sale, &[]).await?.map_or(Seen::Nothing, Seen::StoreOnly));
    };
    let open = first.open.iter().map(|open| open.id);
    let asked: Vec<BatchId> = open.chain(first.lost.iter().map(|lost| lost.batch)).collect();
    let Some(second) = store.snapshot(sale, &asked).await? else { return Ok(Seen::Nothing) };
    let gap = Gap::between(&first, &second);
    Ok(Seen::Both(Box::new(Reading { ledger: first, store: second, gap })))
}

/// The findings about the holdings and keys of buyers.
async fn of_buyers(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    look: &Reading,
    evidence: &Evidence,
    plan: &Plan,
) -> Result<Vec<Finding>, SideError> {
    let mut findings: Vec<Finding> = lost_part(&look.ledger).into_iter().collect();
    // The buyers of a named batch differ in their holdings as well.
    let is_named = !evidence.0.is_empty();
    if !plan.holdings || is_named || look.ledger.generation != look.store.generation {
        return Ok(findings);
    }
    let held = holdings::compare(sale, ledger, store, &look.ledger, plan).await?;
    let is_too_many = |found: &Finding| matches!(found, Finding::HeldTooMany { .. });
    // Units that are held for missing orders are correct, and those that are due to return are named apart.
    let explained = held.iter().any(is_too_many)
        && (missing_orders(&look.ledger, &look.store) > 0 || returns_are_due(sale, store, look).await?);
    findings.extend(held.into_iter().filter(|found| !(explained && is_too_many(found))));
    Ok(findings)
}

/// Whether an order has given units up by now that the ledger had not returned. The ledger has not changed since: else
/// nobody holds too many.
async fn returns_are_due(sale: SaleId, store: &dyn StoreSide, look: &Reading) -> Result<bool, SideError> {
    let now = store.snapshot(sale, &[]).await?;
    Ok(now.is_none_or(|now| now.returned > look.ledger.totals.released))
}

/// A sale that the ledger does not have. Before its preheat, and after its close, the ledger does not need it.
fn lost(sale: SaleId, snapshot: &StoreSnapshot) -> Option<Report> {
    match snapshot.state {
        SaleState::Created | SaleState::Preheating | SaleState::Closed => None,
        SaleState::Preheated => Some(Report {
            sale,
            available: None,
            saleable: snapshot.saleable,
            orders: snapshot.orders.total().orders,
            in_flight_batches: 0,
            in_flight: flashgate_domain::audit::Amount::default(),
            findings: vec![Finding::MissingInLedger],
            steps: Steps::default(),
        }),
    }
}

fn report(sale: SaleId, look: &Reading, mut findings: Vec<Finding>, steps: Steps, plan: &Plan) -> Report {
    let Reading { ledger, store, .. } = look;
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

/// The result of a walk through the batches.
#[derive(Default)]
struct Walked {
    evidence: Evidence,
    /// Whether every batch was walked: else a skipped batch may explain the rest.
    all: bool,
}

/// Compares batch by batch, the latest first, until the gap is explained or no batch is left. Findings are
/// checked once more at the end: an outcome in flight may have arrived.
async fn walk(
    sale: SaleId,
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    look: &Reading,
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

/// The batches of `decided` that differ between the ledger and the store.
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
        Some(LogStatus::Deducted) => TraceStatus::Open,
        Some(LogStatus::Acknowledged) => TraceStatus::Settled,
        Some(LogStatus::Fenced) => TraceStatus::Fenced,
        None if is_held(sale, ledger, store, batch).await? => TraceStatus::Forgotten,
        None => TraceStatus::Unknown,
    };
    Ok(Trace { batch, status, sums: told.sums })
}

/// Whether a key leads to an order of the batch. Counters, keys and entry are written in one step, so the
/// deduction is valid then, even if the entry was lost.
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

/// The orders of a batch that differ between both sides.
async fn changed_orders(
    ledger: &dyn LedgerSide,
    store: &dyn StoreSide,
    batch: BatchId,
) -> Result<Vec<OrderId>, SideError> {
    // The store cannot return a batch with a missing row: the batch is named, its orders are not.
    let Ok(Some(outcome)) = store.outcome(batch).await else { return Ok(Vec::new()) };
    let marks = ledger.orders(batch).await?;
    let pairs = outcome.orders.iter().zip(&marks);
    let changed = pairs.filter(|(order, mark)| {
        let (intent, quantity) = (&order.intent, order.intent.quantity().get());
        (intent.sale(), quantity, order.decision.state()) != (mark.sale, mark.quantity, mark.state)
    });
    Ok(changed.map(|(order, _mark)| order.order).collect())
}

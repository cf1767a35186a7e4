//! Drift: corrects the units of a sale under traffic, after an audit.
//!
//! 1. Audit twice: a momentary difference is in only one of the audits.
//! 2. Batches and orders first: a changed order is set back to what the ledger has settled, a batch that the
//!    ledger has lost is settled from the order store, and the events of orders whose units have not returned to the
//!    ledger are published again.
//! 3. A difference that no batch explains is compensated, in the ledger, in the order store, or in both. Each step
//!    names the state that the audit saw, and is refused if that changed; so a step that is sent twice, or by two
//!    operators, is taken once.
//! 4. Audit again, and repeat from 2 while a step can correct something.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flashgate_domain::{
    BatchId, OrderId, SaleId,
    audit::{Finding, LedgerStep, Report, StoreStep},
};
use flashgate_proto::{
    order::mark_message,
    v1::{self, ledger_service_client::LedgerServiceClient, repair_service_client::RepairServiceClient},
};
use thiserror::Error;
use tokio::time::sleep;
use tonic::transport::Channel;

use super::redrive::settle;
use crate::{
    audit::{LedgerSide, OrderMark, Plan, SideError, StoreSide, examine},
    client::{Carrier, ClientError, Sides},
};

/// Maximum passes of audit and compensation: batches and orders, what they hid, and what was sold meanwhile.
const PASSES_MAX: u32 = 6;
/// Pause before the next audit: a republished outcome has been settled by then.
const PAUSE: Duration = Duration::from_millis(500);

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Units in the ledger.
    Ledger(LedgerStep),
    /// An order that was changed in the order store.
    Store(StoreStep),
    /// An order that was changed in the order store.
    Order {
        /// The order.
        order: OrderId,
        /// The expected state in the order store: the order is not changed if it differs.
        seen: OrderMark,
        /// The state that the ledger has settled.
        settled: OrderMark,
    },
    /// Units of cancelled orders that have not returned to the ledger.
    Returns,
    /// A batch that the ledger has lost.
    Settle {
        /// The batch.
        batch: BatchId,
    },
}

/// The common findings of two audits in a row, and the steps for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftPlan {
    /// The later audit, or the only one if it found nothing.
    pub report: Report,
    /// The steps, in this order.
    pub steps: Vec<Step>,
}

/// Gets the steps while they are taken.
pub trait StepLog: Send {
    /// The next plan has more steps.
    fn continues_with(&mut self, plan: &DriftPlan);

    /// The result of the first step that has none yet.
    fn result_of_next(&mut self, result: String);
}

/// A side did not answer, or refused. The repair can be started again.
#[derive(Debug, Error)]
pub enum DriftError {
    /// An audit failed.
    #[error(transparent)]
    Audit(#[from] SideError),
    /// A step failed: it is unknown whether it was taken.
    #[error(transparent)]
    Step(#[from] ClientError),
}

/// Corrects one sale.
pub struct Drift<G = Channel, W = Channel> {
    /// The sale.
    pub sale: SaleId,
    /// The maximum age of an open batch in its audits.
    pub age: Duration,
    /// The ledger, for audits.
    pub ledger: Arc<dyn LedgerSide>,
    /// The connections for steps.
    pub sides: Sides<G, W>,
}

impl<G: Carrier, W: Carrier> Drift<G, W> {
    /// Audits twice, unless the first audit finds nothing; `None` if the sale needs no ledger.
    ///
    /// # Errors
    /// The side that did not answer.
    pub async fn plan(&self) -> Result<Option<DriftPlan>, SideError> {
        let Some(first) = self.audit().await? else { return Ok(None) };
        if first.findings.is_empty() {
            return Ok(Some(DriftPlan { report: first, steps: Vec::new() }));
        }
        let Some(report) = self.audit().await? else { return Ok(None) };
        let found_first: BTreeSet<(&str, Option<BatchId>)> = first.findings.iter().map(name).collect();
        let mut steps = Vec::new();
        for finding in report.findings.iter().filter(|finding| found_first.contains(&name(finding))) {
            match finding {
                Finding::Phantom { batch, fenced: false, .. } => steps.push(Step::Settle { batch: *batch }),
                Finding::ChangedBatch { batch, orders, .. } => {
                    steps.extend(self.corrections(*batch, orders).await?);
                }
                Finding::ReturnsDue { .. } => steps.push(Step::Returns),
                Finding::Phantom { fenced: true, .. }
                | Finding::ToRedrive { .. }
                | Finding::RestocksDue { .. }
                | Finding::Leaked { .. }
                | Finding::Surplus { .. }
                | Finding::LedgerContradiction { .. }
                | Finding::StoreContradiction { .. }
                | Finding::OrdersMissing { .. }
                | Finding::PartLost { .. }
                | Finding::HeldTooFew { .. }
                | Finding::HeldTooMany { .. }
                | Finding::ReturnedTooMany { .. }
                | Finding::MissingInLedger
                | Finding::OtherGeneration { .. } => {}
            }
        }
        let units = first.steps.agreed(&report.steps);
        steps.extend(units.ledger.map(Step::Ledger));
        steps.extend(units.store.map(Step::Store));
        Ok(Some(DriftPlan { report, steps }))
    }

    /// Takes the steps of `plan`, then plans again, until no step is left; returns the last plan.
    ///
    /// # Errors
    /// A call failed. The steps with a result are taken.
    pub async fn apply(
        &self,
        mut plan: DriftPlan,
        journal: &mut dyn StepLog,
    ) -> Result<Option<DriftPlan>, DriftError> {
        for pass in 0..PASSES_MAX {
            if pass > 0 {
                journal.continues_with(&plan);
            }
            for step in &plan.steps {
                journal.result_of_next(self.take(step).await?);
            }
            sleep(PAUSE).await;
            match self.plan().await? {
                Some(next) => plan = next,
                None => return Ok(None),
            }
            if plan.steps.is_empty() {
                break;
            }
        }
        Ok(Some(plan))
    }

    async fn audit(&self) -> Result<Option<Report>, SideError> {
        let plan = Plan { age: self.age, ..Plan::default() };
        examine(self.sale, &*self.ledger, &self.sides.store(), &plan).await
    }

    /// The steps that set the orders back to what the ledger has settled, if both sides have them as orders of this
    /// sale.
    async fn corrections(&self, batch: BatchId, orders: &[OrderId]) -> Result<Vec<Step>, SideError> {
        let settled = self.ledger.orders(batch).await?;
        let Some(outcome) = self.sides.store().outcome(batch).await? else { return Ok(Vec::new()) };
        let correction = |order: &OrderId| {
            let (is, was) = (outcome.orders.get(order.index())?, settled.get(order.index())?);
            let known = is.order == *order && is.intent.sale() == self.sale && was.sale == self.sale;
            let (sale, quantity) = (is.intent.sale(), is.intent.quantity().get());
            let seen = OrderMark { sale, quantity, state: is.decision.state() };
            (known && seen != *was).then_some(Step::Order { order: *order, seen, settled: *was })
        };
        Ok(orders.iter().filter_map(correction).collect())
    }

    /// Takes a step; returns its result.
    async fn take(&self, step: &Step) -> Result<String, ClientError> {
        match step {
            Step::Ledger(step) => self.in_ledger(step).await,
            Step::Store(step) => self.in_store(step).await,
            Step::Order { order, seen, settled } => {
                let mark = |mark: &OrderMark| Some(mark_message(mark.sale, mark.quantity, mark.state));
                let (order_id, seen, settled) = (order.to_string(), mark(seen), mark(settled));
                let request = v1::CorrectOrderRequest { order_id, seen, settled };
                let mut repairs = RepairServiceClient::new(self.sides.worker.clone());
                Ok(repairs.correct_order(request).await?.into_inner().result)
            }
            Step::Returns => {
                let request = v1::RepublishReturnsRequest { sale_id: self.sale.get() };
                let mut repairs = RepairServiceClient::new(self.sides.worker.clone());
                let events = repairs.republish_returns(request).await?.into_inner().events;
                Ok(format!("done: {events} events"))
            }
            Step::Settle { batch } => Ok(settle(&self.sides.worker, &[*batch]).await?.concat()),
        }
    }

    async fn in_ledger(&self, step: &LedgerStep) -> Result<String, ClientError> {
        let LedgerStep { generation, adjustments, in_ledger, across } = *step;
        let sale_id = self.sale.get();
        let request = v1::CompensateLedgerRequest { sale_id, generation, adjustments, in_ledger, across };
        let answer = LedgerServiceClient::new(self.sides.gateway.clone()).compensate_ledger(request).await?;
        let v1::CompensateLedgerResponse {
            result,
            available,
            deferred_units,
            generation,
            adjustments,
            in_ledger,
        } = answer.into_inner();
        Ok(match (result.as_str(), deferred_units) {
            ("done", 0) => format!("done: {available} left"),
            ("done", deferred) => {
                format!("done: {available} left; {deferred} surplus units are in undecided orders")
            }
            _ => format!("{result}: generation {generation}, {adjustments} steps, off by {in_ledger}"),
        })
    }

    async fn in_store(&self, step: &StoreStep) -> Result<String, ClientError> {
        let StoreStep { adjustments, in_store } = *step;
        let request = v1::CompensateStoreRequest { sale_id: self.sale.get(), adjustments, in_store };
        let answer = RepairServiceClient::new(self.sides.worker.clone()).compensate_store(request).await?;
        let v1::CompensateStoreResponse { result, saleable, adjustments } = answer.into_inner();
        Ok(match result.as_str() {
            "done" => format!("done: {saleable} left"),
            _ => format!("{result}: {adjustments} steps, {saleable} left"),
        })
    }
}

fn name(finding: &Finding) -> (&'static str, Option<BatchId>) {
    (finding.name(), finding.batch())
}

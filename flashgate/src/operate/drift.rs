//! `flashgate repair drift`: puts units right that an audit found, while buyers buy.
//!
//! 1. Audit twice: what is only a moment's difference is in one of them.
//! 2. Batches and orders first: an order that was changed gets back what the ledger has settled, a batch that the
//!    ledger has lost is settled from the order store.
//! 3. What no batch explains is compensated, in the ledger, in the order store, or in both. Each step names what the
//!    audit saw, and is refused if that moved; so a step that is done twice, or at two desks, happens once.
//! 4. Audit again, and once more from 2 while something is left that a step can put right.

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use flashgate_audit::{LedgerSide, OrderMark, SideFault, Sides, StoreSide};
use flashgate_domain::{
    BatchId, OrderId, SaleId,
    audit::{Finding, LedgerStep, Report, StoreStep, Verdict},
};
use flashgate_proto::v1::{
    self, ledger_service_client::LedgerServiceClient, repair_service_client::RepairServiceClient,
};
use tokio::time::sleep;

use super::{
    answer::failed,
    audit::{SideArgs, audit_one},
    drift_view::DriftView,
    repair::ApplyArgs,
};
use crate::{exit::Failed, time};

/// How often it audits and compensates: batches and orders, what they hid, and what was sold meanwhile.
const PASSES_MAX: u32 = 6;
/// Before it audits again: an outcome that is published again has been settled by then.
const PAUSE: Duration = Duration::from_millis(500);

/// Which sale to put right.
#[derive(Clone, Debug, Args)]
pub struct DriftArgs {
    /// The sale
    #[arg(value_name = "ID")]
    sale: SaleId,
    /// Batches that are open for longer are to be re-driven
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::parse)]
    age: Duration,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    sides: SideArgs,
}

/// What puts something right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Units in the ledger.
    Ledger(LedgerStep),
    /// Units in the order store.
    Store(StoreStep),
    /// An order that was changed in the order store.
    Order { order: OrderId, seen: OrderMark, settled: OrderMark },
    /// A batch that the ledger has lost.
    Settle { batch: BatchId },
}

/// What two audits in a row say, and what can be done about it.
pub(super) struct Look {
    pub(super) report: Report,
    pub(super) steps: Vec<Step>,
}

impl DriftArgs {
    /// Does what the command says. The exit code is that of the last audit.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let sides = self.sides.connect().await?;
        let mut look = self.look(&sides).await?;
        let mut view = DriftView::new(self.apply.apply, &look);
        if self.apply.apply && !look.steps.is_empty() {
            let record = self.apply.begin(&sides.worker, "drift", self.sale.get(), &view.told()).await?;
            view.is_recorded_as(record.id);
            let mended = self.mend(&sides, look, &mut view).await;
            let end = match &mended {
                Ok(look) => format!("{}{}", view.told(), look.report.verdict().as_str()),
                Err(why) => format!("{}failed: {why}", view.told()),
            };
            record.end(&end).await?;
            look = mended?;
            view.ends_with(&look);
        }
        self.sides.call.print(&view, DriftView::table)?;
        match look.report.verdict() {
            Verdict::Agrees => Ok(()),
            Verdict::ToRedrive => Err(Failed::ToRedrive("some batches are open for too long".to_owned())),
            Verdict::Differs => Err(Failed::Differs("ledger and order store differ".to_owned())),
        }
    }

    async fn mend(&self, sides: &Sides, mut look: Look, view: &mut DriftView) -> Result<Look, Failed> {
        for pass in 0..PASSES_MAX {
            if pass > 0 {
                view.goes_on_with(&look.steps);
            }
            for step in &look.steps {
                view.result_of_next(self.take(sides, step).await?);
            }
            sleep(PAUSE).await;
            look = self.look(sides).await?;
            if look.steps.is_empty() {
                break;
            }
        }
        Ok(look)
    }

    /// Audits twice, unless the first audit finds nothing.
    async fn look(&self, sides: &Sides) -> Result<Look, Failed> {
        let first = self.audit(sides).await?;
        if first.findings.is_empty() {
            return Ok(Look { report: first, steps: Vec::new() });
        }
        let report = self.audit(sides).await?;
        let found_first: BTreeSet<(&str, Option<BatchId>)> = first.findings.iter().map(name).collect();
        let mut steps = Vec::new();
        for finding in report.findings.iter().filter(|finding| found_first.contains(&name(finding))) {
            match finding {
                Finding::Phantom { batch, fenced: false, .. } => steps.push(Step::Settle { batch: *batch }),
                Finding::ChangedBatch { batch, orders, .. } => {
                    steps.extend(self.corrections(sides, *batch, orders).await?);
                }
                Finding::Phantom { fenced: true, .. }
                | Finding::ToRedrive { .. }
                | Finding::Leaked { .. }
                | Finding::Surplus { .. }
                | Finding::LedgerContradiction { .. }
                | Finding::StoreContradiction { .. }
                | Finding::MissingInLedger
                | Finding::OtherGeneration { .. } => {}
            }
        }
        let units = first.steps.agreed(&report.steps);
        steps.extend(units.ledger.map(Step::Ledger));
        steps.extend(units.store.map(Step::Store));
        Ok(Look { report, steps })
    }

    async fn audit(&self, sides: &Sides) -> Result<Report, Failed> {
        let report = audit_one(sides, self.sale, self.age).await?;
        report.ok_or_else(|| Failed::NotFound(format!("no ledger need have the sale {}", self.sale)))
    }

    /// What gives the orders back what the ledger has settled, as far as both sides know them as orders of this sale.
    async fn corrections(
        &self,
        sides: &Sides,
        batch: BatchId,
        orders: &[OrderId],
    ) -> Result<Vec<Step>, Failed> {
        let (ledger, store) = (sides.ledger(), sides.books());
        let settled = ledger.orders(batch).await.map_err(unanswered)?;
        let Some(outcome) = store.outcome(batch).await.map_err(unanswered)? else { return Ok(Vec::new()) };
        let correction = |order: &OrderId| {
            let (is, was) = (outcome.orders.get(order.index())?, settled.get(order.index())?);
            let known = is.order == *order && is.intent.sale() == self.sale && was.sale == self.sale;
            let (sale, quantity) = (is.intent.sale(), is.intent.quantity().get());
            let seen = OrderMark { sale, quantity, state: is.decision.state() };
            (known && seen != *was).then_some(Step::Order { order: *order, seen, settled: *was })
        };
        Ok(orders.iter().filter_map(correction).collect())
    }

    /// Does a step; what became of it.
    async fn take(&self, sides: &Sides, step: &Step) -> Result<String, Failed> {
        match step {
            Step::Ledger(step) => self.in_ledger(sides, step).await,
            Step::Store(step) => self.in_store(sides, step).await,
            Step::Order { order, seen, settled } => {
                let request = v1::CorrectOrderRequest {
                    order_id: order.to_string(),
                    seen: Some(mark(seen)),
                    settled: Some(mark(settled)),
                };
                let answer = RepairServiceClient::new(sides.worker.clone()).correct_order(request).await;
                Ok(answer.map_err(|status| failed(&status))?.into_inner().result)
            }
            Step::Settle { batch } => {
                let request = v1::AnnounceAgainRequest { batch_ids: vec![batch.to_bytes().to_vec()] };
                let answer = RepairServiceClient::new(sides.worker.clone()).announce_again(request).await;
                Ok(answer.map_err(|status| failed(&status))?.into_inner().results.concat())
            }
        }
    }

    async fn in_ledger(&self, sides: &Sides, step: &LedgerStep) -> Result<String, Failed> {
        let LedgerStep { generation, adjustments, in_ledger, across } = *step;
        let sale_id = self.sale.get();
        let request = v1::CompensateLedgerRequest { sale_id, generation, adjustments, in_ledger, across };
        let answer = LedgerServiceClient::new(sides.gateway.clone()).compensate_ledger(request).await;
        let v1::CompensateLedgerResponse { result, available, rest, generation, adjustments, in_ledger } =
            answer.map_err(|status| failed(&status))?.into_inner();
        Ok(match (result.as_str(), rest) {
            ("done", 0) => format!("done: {available} left"),
            ("done", rest) => format!("done: {available} left, {rest} too many are sold and not decided yet"),
            _ => format!("{result}: generation {generation}, {adjustments} steps, off by {in_ledger}"),
        })
    }

    async fn in_store(&self, sides: &Sides, step: &StoreStep) -> Result<String, Failed> {
        let StoreStep { adjustments, in_store } = *step;
        let request = v1::CompensateStoreRequest { sale_id: self.sale.get(), adjustments, in_store };
        let answer = RepairServiceClient::new(sides.worker.clone()).compensate_store(request).await;
        let v1::CompensateStoreResponse { result, saleable, adjustments } =
            answer.map_err(|status| failed(&status))?.into_inner();
        Ok(match result.as_str() {
            "done" => format!("done: {saleable} left"),
            _ => format!("{result}: {adjustments} steps, {saleable} left"),
        })
    }
}

fn mark(mark: &OrderMark) -> v1::OrderMark {
    v1::OrderMark {
        sale_id: mark.sale.get(),
        quantity: mark.quantity,
        state: mark.state.as_str().to_owned(),
        cancel_reason: mark.state.reason().map_or("", |reason| reason.as_str()).to_owned(),
    }
}

fn name(finding: &Finding) -> (&'static str, Option<BatchId>) {
    (finding.name(), finding.batch())
}

fn unanswered(fault: SideFault) -> Failed {
    match fault {
        SideFault::Unavailable { .. } => Failed::Unavailable(fault.to_string()),
        SideFault::Garbled { .. } => Failed::Failed(fault.to_string()),
    }
}

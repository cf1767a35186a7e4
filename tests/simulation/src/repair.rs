//! The operator's repairs: what `flashgate repair` runs, over the gRPC interfaces of whichever gateway and worker answer,
//! while everything goes on.

use std::{sync::Arc, time::Duration};

use flashgate_domain::SaleId;
use flashgate_operations::{
    audit::{LedgerSide, Plan, examine},
    client::Sides,
    repair::{
        Drift, Rebuild, Stuck,
        drift::{DriftPlan, StepLog},
        redrive,
    },
};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::sleep;

use crate::{
    audit::{GatewayDesk, WorkerDesk},
    check::{self, Complaint},
    desk::Channel,
    flaw::{self, Flaw},
    life::Life,
    servers::Servers,
};

/// How often an operator begins with a repair.
const TRIES_MAX: u32 = 4;
/// Before it is begun anew.
const TRY_AGAIN_PAUSE: Duration = Duration::from_millis(300);

/// How long a rebuild waits at most until the orders have come to rest.
const REBUILD_WAIT: Duration = Duration::from_secs(20);

/// What an operator can do to a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Batches that are open for longer than this are settled or decided.
    Redrive(Duration),
    /// Units that no open batch explains are put right.
    Drift,
    /// The ledger is built anew from the orders.
    Rebuild {
        /// Also if the sale sells: it is paused first.
        pause: bool,
        /// How long its orders must not have changed.
        quiet: Duration,
    },
}

/// What the repairs of a history came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Batches that were settled: their outcome was published again.
    pub settled: u64,
    /// Batches that were decided: their message was sent again.
    pub decided: u64,
    /// Steps that were taken against drift.
    pub steps: u64,
    /// Sales that were rebuilt.
    pub rebuilt: u64,
    /// Those that were broken off: a side did not answer.
    pub drift_failed: u64,
}

impl Repairs {
    /// Adds those of another history.
    pub const fn add(&mut self, others: Self) {
        self.settled += others.settled;
        self.decided += others.decided;
        self.steps += others.steps;
        self.rebuilt += others.rebuilt;
        self.drift_failed += others.drift_failed;
    }

    fn count(&mut self, batches: &[Stuck]) {
        for batch in batches {
            match batch.result.as_deref() {
                Some("announced") => self.settled += 1,
                Some("sent" | "in_doubt") => self.decided += 1,
                Some(_) | None => {}
            }
        }
    }
}

/// Somebody who repairs.
#[derive(Clone)]
pub struct Repairer {
    /// As those see it who compensate.
    ledger: Arc<dyn LedgerSide>,
    sides: Sides<Channel<GatewayDesk>, Channel<WorkerDesk>>,
    servers: Arc<Servers>,
    complaint: Arc<Complaint>,
    repairs: Arc<Mutex<Repairs>>,
}

impl Repairer {
    /// Calls as `life`. A step that is not to be taken raises `complaint`.
    pub fn new(
        servers: &Arc<Servers>,
        life: &Arc<Life>,
        complaint: &Arc<Complaint>,
        flaw: Option<Flaw>,
    ) -> Self {
        let sides = Sides { gateway: servers.gateway_desk_of(life), worker: servers.worker_desk_of(life) };
        Self {
            ledger: flaw::repaired(sides.ledger(), flaw),
            sides,
            servers: Arc::clone(servers),
            complaint: Arc::clone(complaint),
            repairs: Arc::default(),
        }
    }

    /// Repairs the sale; begins anew if it is broken off.
    ///
    /// # Errors
    /// It was broken off as often as the operator has patience.
    pub async fn repair(&self, sale: SaleId, repair: Repair) -> anyhow::Result<()> {
        for _try in 1..TRIES_MAX {
            match self.once(sale, repair).await {
                Ok(()) => return Ok(()),
                Err(why) => self.note(&format!("{repair:?} of sale {sale} is broken off: {why:#}")),
            }
            self.repairs().drift_failed += 1;
            sleep(TRY_AGAIN_PAUSE).await;
        }
        self.once(sale, repair).await
    }

    async fn once(&self, sale: SaleId, repair: Repair) -> anyhow::Result<()> {
        match repair {
            Repair::Redrive(age) => self.redrive(sale, age).await,
            Repair::Drift => self.mend(sale).await,
            Repair::Rebuild { pause, quiet } => self.rebuild(sale, pause, quiet).await,
        }
    }

    async fn redrive(&self, sale: SaleId, age: Duration) -> anyhow::Result<()> {
        let plan = Plan { age, ..Plan::default() };
        let (ledger, store) = (self.sides.ledger(), self.sides.store());
        let Some(report) = examine(sale, &ledger, &store, &plan).await? else { return Ok(()) };
        let mut batches: Vec<Stuck> = Stuck::of(&report).collect();
        let redriven = redrive(&self.sides, &mut batches).await;
        self.repairs().count(&batches);
        for Stuck { batch, decided, result, .. } in &batches {
            self.note(&format!("re-driven: {batch}, decided: {decided}: {result:?}"));
        }
        Ok(redriven?)
    }

    async fn mend(&self, sale: SaleId) -> anyhow::Result<()> {
        let (ledger, sides) = (Arc::clone(&self.ledger), self.sides.clone());
        let drift = Drift { sale, age: Plan::default().age, ledger, sides };
        let Some(plan) = drift.plan().await? else { return Ok(()) };
        let mut journal = self.clone();
        journal.continues_with(&plan);
        if !plan.steps.is_empty() {
            drift.apply(plan, &mut journal).await?;
        }
        Ok(())
    }

    /// Leaves a sale alone that is not to be rebuilt.
    async fn rebuild(&self, sale: SaleId, pause: bool, quiet: Duration) -> anyhow::Result<()> {
        let rebuild = Rebuild { sale, pause, quiet, wait: REBUILD_WAIT, sides: self.sides.clone() };
        if let Some(why) = rebuild.standing().await?.refusal(pause) {
            self.note(&format!("sale {sale} is not rebuilt: {why}"));
            return Ok(());
        }
        let rebuilt = rebuild.run().await?;
        self.repairs().rebuilt += 1;
        self.note(&format!("sale {sale} is rebuilt: {rebuilt:?}"));
        Ok(())
    }

    /// What came of them so far.
    pub fn tally(&self) -> Repairs {
        *self.repairs()
    }

    fn repairs(&self) -> MutexGuard<'_, Repairs> {
        self.repairs.lock()
    }

    fn note(&self, what: &str) {
        self.servers.network.trace.note(format_args!("{what}"));
    }
}

/// Looks at every step before it is taken.
impl StepLog for Repairer {
    fn continues_with(&mut self, look: &DriftPlan) {
        let sale = look.report.sale;
        self.note(&format!("sale {sale} is {}, and needs {:?}", look.report.verdict().as_str(), look.steps));
        if let Err(wrong) = check::no_false_step(&self.servers, look) {
            self.complaint.raise(format!("a repair of sale {sale} is wrong: {wrong}"));
        }
    }

    fn result_of_next(&mut self, result: String) {
        self.repairs().steps += 1;
        self.note(&format!("the step is taken: {result}"));
    }
}

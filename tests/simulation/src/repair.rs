//! The operator's repairs: what `flashgate repair` runs, over the gRPC interfaces of whichever gateway and worker answer,
//! while everything goes on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use flashgate_audit::{Plan, Sides, Stuck, redrive};
use flashgate_domain::SaleId;
use tokio::time::sleep;

use crate::{
    audit::{Auditor, GatewayDesk, WorkerDesk},
    desk::Channel,
    life::Life,
    servers::Servers,
};

/// How often an operator begins with a repair.
const TRIES_MAX: u32 = 4;
/// Before it is begun anew.
const TRY_AGAIN_PAUSE: Duration = Duration::from_millis(300);

/// What the repairs of a history came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Batches that were settled: their outcome was published again.
    pub settled: u64,
    /// Batches that were decided: their message was sent again.
    pub decided: u64,
    /// Those that were broken off: a side did not answer.
    pub broken_off: u64,
}

impl Repairs {
    /// Adds those of another history.
    pub const fn add(&mut self, others: Self) {
        self.settled += others.settled;
        self.decided += others.decided;
        self.broken_off += others.broken_off;
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
    auditor: Auditor,
    sides: Sides<Channel<GatewayDesk>, Channel<WorkerDesk>>,
    servers: Arc<Servers>,
    repairs: Arc<Mutex<Repairs>>,
}

impl Repairer {
    /// Calls as `life`, and audits as `auditor`.
    pub fn new(servers: &Arc<Servers>, life: &Arc<Life>, auditor: &Auditor) -> Self {
        Self {
            auditor: auditor.clone(),
            sides: Sides { gateway: servers.gateway_desk_of(life), worker: servers.worker_desk_of(life) },
            servers: Arc::clone(servers),
            repairs: Arc::default(),
        }
    }

    /// Re-drives the batches of the sale that are open for longer than `age`; begins anew if it is broken off.
    ///
    /// # Errors
    /// It was broken off as often as the operator has patience.
    pub async fn redrive(&self, sale: SaleId, age: Duration) -> anyhow::Result<()> {
        for _try in 1..TRIES_MAX {
            match self.redrive_once(sale, age).await {
                Ok(()) => return Ok(()),
                Err(why) => self.is_broken_off("re-drive", sale, &why),
            }
            sleep(TRY_AGAIN_PAUSE).await;
        }
        self.redrive_once(sale, age).await
    }

    fn is_broken_off(&self, what: &str, sale: SaleId, why: &anyhow::Error) {
        self.repairs().broken_off += 1;
        self.servers.network.trace.note(format_args!("a {what} of sale {sale} is broken off: {why:#}"));
    }

    async fn redrive_once(&self, sale: SaleId, age: Duration) -> anyhow::Result<()> {
        let plan = Plan { age, ..Plan::default() };
        let Some(report) = self.auditor.audit_as(sale, &plan).await? else { return Ok(()) };
        let mut batches: Vec<Stuck> = Stuck::of(&report).collect();
        let redriven = redrive(&self.sides, &mut batches).await;
        self.repairs().count(&batches);
        for Stuck { batch, decided, result, .. } in &batches {
            self.servers
                .network
                .trace
                .note(format_args!("re-driven: {batch}, decided: {decided}: {result:?}"));
        }
        Ok(redriven?)
    }

    /// What came of them so far.
    pub fn tally(&self) -> Repairs {
        *self.repairs()
    }

    fn repairs(&self) -> MutexGuard<'_, Repairs> {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What the operator does to sales.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use flashgate_domain::{
    Cause, IdempotencyKey, OperatorName, RefundRetry, RestockDraft, SaleId, audit::Report,
};

use super::World;
use crate::{check, desk::at_anyone, network::Link, repair::Repair, servers::Servers};

impl World {
    /// The operator calls some worker, once or twice.
    pub(super) fn operate(&self, what: &'static str, sale: SaleId) {
        let link = Link::new(&self.servers.desk, &self.operator, Duration::from_secs(2));
        let server = Arc::clone(&self.servers.desk);
        tokio::spawn(async move {
            for _ in 0..2 {
                let order = at_anyone(Arc::clone(&server), move |front| async move {
                    match what {
                        "close" => front.sales.close(sale).await.is_ok(),
                        _ => front.sales.preheat(sale).await.is_ok(),
                    }
                });
                if let Ok(Some(true)) = link.carry(what, sale, order).await {
                    return;
                }
            }
        });
    }

    /// The operator adds units, with the same key at one worker after the other until one has answered.
    pub(super) fn restock(&mut self, sale: SaleId, units: u64) {
        self.restocks += 1;
        let key = IdempotencyKey::new(format!("restock-{}", self.restocks));
        let draft = OperatorName::new("zoe")
            .ok()
            .and_then(|operator| RestockDraft::new(sale, units, operator, Cause::default()).ok());
        let (Ok(key), Some(draft)) = (key, draft) else { return };
        let link = Link::new(&self.servers.desk, &self.operator, Duration::from_secs(2));
        let server = Arc::clone(&self.servers.desk);
        tokio::spawn(async move {
            for _ in 0..3 {
                let (key, draft) = (key.clone(), draft.clone());
                let added = at_anyone(Arc::clone(&server), move |front| async move {
                    front.sales.restock(&key, &draft).await.is_ok()
                });
                if let Ok(Some(true)) = link.carry("restock", sale, added).await {
                    return;
                }
            }
        });
    }

    /// The operator audits, and hears of no drift that there is not.
    pub(super) fn audit(&self, sale: SaleId) {
        let (auditor, servers) = (self.auditor.clone(), Arc::clone(&self.servers));
        let complaint = Arc::clone(&self.complaint);
        self.at_work.spawn(async move {
            // A side that does not answer is no drift.
            if let Ok(Some(report)) = auditor.audit(sale).await
                && let Err(wrong) = check::no_false_alarm(&servers, &report)
            {
                complaint.raise(format!("an audit of sale {sale} is wrong: {wrong}"));
            }
        });
    }

    /// The operator repairs; what is broken off too often is left to the healed world.
    pub(super) fn repair(&self, sale: SaleId, repair: Repair) {
        let repairer = self.repairer.clone();
        self.at_work.spawn(async move { repairer.repair(sale, repair).await });
    }

    /// The operator has each refund asked for again that was refused or has failed, as long as its money is owed.
    pub(super) fn retry_refunds(&self) {
        let Ok(operator) = OperatorName::new("zoe") else { return };
        let by = RefundRetry { operator, cause: Cause::default() };
        let failed = self.servers.store.state().refunds_to_retry();
        for refund in failed {
            let link = Link::new(&self.servers.desk, &self.operator, Duration::from_secs(2));
            let by = by.clone();
            let at_a_worker = at_anyone(Arc::clone(&self.servers.desk), move |front| async move {
                front.payments.retry(refund, &by).await.ok()
            });
            self.at_work.spawn(async move {
                drop(link.carry("retry_refund", refund.id().to_string(), at_a_worker).await);
            });
        }
    }

    /// In the healed world, an audit of each sale is answered, and is as it is `expected`.
    pub async fn audit_each(
        &self,
        expected: impl Fn(&Servers, &Report) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for sale in &self.sales {
            if let Some(report) = self.auditor.audit(*sale).await? {
                expected(&self.servers, &report).with_context(|| format!("an audit of sale {sale}"))?;
            }
        }
        Ok(())
    }
}

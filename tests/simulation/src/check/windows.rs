//! Nothing is sold outside of a sale's window, by the right time.

use std::collections::BTreeMap;

use anyhow::ensure;
use flashgate_domain::{Clock, SaleId};
use parking_lot::Mutex;

use crate::servers::Servers;

/// What was deducted from each sale so far.
#[derive(Default)]
pub(super) struct Windows(Mutex<BTreeMap<SaleId, u64>>);

impl Windows {
    /// Looks after each request that may have changed it; `what` is its name.
    pub(super) fn hold(&self, servers: &Servers, what: &str) -> anyhow::Result<()> {
        let (now, ledger) = (servers.clock.now(), servers.ledger.state());
        let mut before = self.0.lock();
        for (sale, account) in &ledger.books.sales {
            let deducted = account.totals.deducted;
            let was = before.insert(*sale, deducted).unwrap_or(0);
            let is_open = account.window.opens_at() <= now && now < account.window.closes_at();
            ensure!(
                what != "deduct" || deducted <= was || is_open,
                "sale {sale} sold {} at {now:?}, outside of {:?}",
                deducted - was,
                account.window
            );
        }
        Ok(())
    }
}

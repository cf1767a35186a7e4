//! Transactions that outlive their client: they hold the rows of their sales until the server notices, and then are
//! rolled back, or commit all the same.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flashgate_domain::{Batch, Intent, SaleId, Timestamp};
use flashgate_order_store::{Placed, StoreError};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::StoreState;
use crate::network::Server;

/// How long a transaction waits for the row of a sale, as `innodb_lock_wait_timeout` says. As in production a client
/// waits longer, and hears of it.
pub(super) const LOCK_WAIT: Duration = Duration::from_millis(500);
/// How often a sale must be found locked to count as held, and the pause after each look, as MySQL's store has them.
const LOOKS: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A transaction whose client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zombie {
    /// How long it holds its rows.
    pub holds_ms: u64,
    /// Whether it commits then; else it is killed.
    pub commits: bool,
}

/// The transactions that are open.
#[derive(Default)]
pub(super) struct Transactions {
    /// What becomes of the next one.
    next: Option<Zombie>,
    /// The rows that are held.
    held: BTreeSet<SaleId>,
    ended: Arc<Notify>,
    /// Whether nobody waits for a row, and what was seen at the start is written at the end: a flaw.
    are_loose: bool,
    /// Whether a row that was held is called locked for ever: a flaw.
    are_stuck: bool,
    /// How often a client was told of held rows.
    blocked: u64,
}

impl StoreState {
    /// The next transaction outlives its client.
    pub fn next_is(&mut self, zombie: Zombie) {
        self.transactions.next = Some(zombie);
    }

    /// The next transaction is an ordinary one.
    pub const fn spare(&mut self) {
        self.transactions.next = None;
    }

    /// Takes the locks out: see [`crate::flaw::Flaw::LooseTransactions`].
    pub fn loosen(&mut self) {
        self.transactions.are_loose = true;
    }

    /// Calls every row that is asked for locked: see [`crate::flaw::Flaw::StuckRows`].
    pub const fn stick(&mut self) {
        self.transactions.are_stuck = true;
    }

    /// How often a client was told of held rows.
    pub const fn blocked(&self) -> u64 {
        self.transactions.blocked
    }

    /// A client was told of held rows.
    pub(super) const fn count_blocked(&mut self) {
        self.transactions.blocked += 1;
    }

    /// Those of `sales` whose rows a transaction holds.
    pub(super) fn locked(&self, sales: &BTreeSet<SaleId>) -> Vec<SaleId> {
        let Transactions { held, are_loose, are_stuck, .. } = &self.transactions;
        let is_locked = |sale: &&SaleId| !are_loose && (*are_stuck || held.contains(sale));
        sales.iter().filter(|sale| self.sales.contains_key(sale)).filter(is_locked).copied().collect()
    }

    /// Tells when a transaction ends, if one holds the row of one of `sales`.
    pub(super) fn holder_of(&self, sales: &BTreeSet<SaleId>) -> Option<Arc<Notify>> {
        self.holds_any(sales).then(|| Arc::clone(&self.transactions.ended))
    }

    fn holds_any(&self, sales: &BTreeSet<SaleId>) -> bool {
        !self.transactions.are_loose && !self.transactions.held.is_disjoint(sales)
    }
}

/// One transaction, with its locks.
///
/// # Errors
/// [`StoreError::Blocked`] if another one holds a row for too long, [`StoreError::Contended`] if this one is killed.
pub(super) async fn apply(
    server: &Server<StoreState>,
    batches: &[Batch],
    now: Timestamp,
) -> Result<Vec<Placed>, StoreError> {
    let sales: BTreeSet<SaleId> = batches.iter().flat_map(Batch::intents).map(Intent::sale).collect();
    let zombie = loop {
        let ended = {
            let mut state = server.state();
            if !state.holds_any(&sales) {
                let Some(zombie) = state.transactions.next.take() else {
                    return Ok(state.apply(batches, now));
                };
                state.transactions.held.extend(&sales);
                break zombie;
            }
            Arc::clone(&state.transactions.ended)
        };
        if timeout(LOCK_WAIT, ended.notified()).await.is_err() {
            let sales = locked_for_long(server, &sales).await;
            if !sales.is_empty() {
                return Err(StoreError::Blocked { sales });
            }
        }
    };
    let outlook = server.state().outlook(batches);
    sleep(Duration::from_millis(zombie.holds_ms)).await;
    let mut state = server.state();
    state.transactions.held.retain(|sale| !sales.contains(sale));
    state.transactions.ended.notify_waiters();
    if !zombie.commits {
        return Err(StoreError::Contended("killed".to_owned()));
    }
    if state.transactions.are_loose {
        state.write(outlook, now);
    }
    Ok(state.apply(batches, now))
}

/// Those of `sales` that a transaction holds, and still holds some moments later.
async fn locked_for_long(server: &Server<StoreState>, sales: &BTreeSet<SaleId>) -> Vec<SaleId> {
    let mut sales = sales.clone();
    for _look in 0..LOOKS {
        sales = server.state().locked(&sales).into_iter().collect();
        if sales.is_empty() {
            break;
        }
        sleep(LOOK_PAUSE).await;
    }
    sales.into_iter().collect()
}

//! Transactions that outlive their client: they hold the rows of their sales until the server notices, and then are
//! rolled back, or commit all the same.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use flashgate_domain::{Batch, SaleId, Timestamp};
use flashgate_order_worker::store::{Placed, StoreFault};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use super::StoreState;
use crate::network::Server;

/// How long a transaction waits for the row of a sale, as `innodb_lock_wait_timeout` says.
const LOCK_WAIT: Duration = Duration::from_secs(5);

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

    fn holds_any(&self, sales: &BTreeSet<SaleId>) -> bool {
        !self.transactions.are_loose && !self.transactions.held.is_disjoint(sales)
    }
}

/// One transaction, with its locks.
///
/// # Errors
/// [`StoreFault::Contended`] if another one holds a row for too long.
pub(super) async fn apply(
    server: &Server<StoreState>,
    batches: &[Batch],
    now: Timestamp,
) -> Result<Vec<Placed>, StoreFault> {
    let sales: BTreeSet<SaleId> =
        batches.iter().flat_map(Batch::intents).map(flashgate_domain::Intent::sale).collect();
    let give_up = Instant::now() + LOCK_WAIT;
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
        if timeout_at(give_up, ended.notified()).await.is_err() {
            return Err(StoreFault::Contended("simulated".to_owned()));
        }
    };
    let outlook = server.state().outlook(batches);
    sleep(Duration::from_millis(zombie.holds_ms)).await;
    let mut state = server.state();
    state.transactions.held.retain(|sale| !sales.contains(sale));
    state.transactions.ended.notify_waiters();
    if !zombie.commits {
        return Err(StoreFault::Contended("killed".to_owned()));
    }
    if state.transactions.are_loose {
        state.write(outlook, now);
    }
    Ok(state.apply(batches, now))
}

//! What must hold: all along (`always`), and when the world is healed and quiet ([`finally`]).
//!
//! Without a failover of the ledger the checks are strict. With one, DESIGN §4 says what may differ: only what a
//! failover has changed is excused, by the very batch or sale that it changed.

mod always;
mod answers;
mod audits;
mod books;
mod finally;
mod log;
mod money;
mod requests;
mod returns;
mod timeouts;
mod walk;
mod windows;

use std::sync::Arc;

pub use audits::{agrees, agrees_or_needs_rebuild, no_false_alarm, no_false_step};
pub use finally::{finally, little_is_open};
pub use money::{Paid, money_on_its_way};
use parking_lot::Mutex;
pub use timeouts::Timeouts;
pub use walk::Walks;

use crate::servers::Servers;

/// The first thing that was found wrong.
#[derive(Debug, Default)]
pub struct Complaint(Mutex<Option<String>>);

impl Complaint {
    /// Raises it, unless there is one.
    pub fn raise(&self, what: String) {
        self.0.lock().get_or_insert(what);
    }

    /// Whether there is one.
    pub fn is_raised(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Takes it.
    pub fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

/// Has the world looked at after every request that may have changed it.
pub fn watch(servers: &Arc<Servers>, complaint: &Arc<Complaint>) {
    // Weak: the network, which holds the watch, is one of the servers' parts.
    let (servers, complaint) = (Arc::downgrade(servers), Arc::downgrade(complaint));
    let network = servers.upgrade().map(|servers| Arc::clone(&servers.network));
    let Some(network) = network else { return };
    let windows = windows::Windows::default();
    network.watch(move |what| {
        let changes = matches!(
            what,
            "deduct"
                | "settle"
                | "return_units"
                | "apply"
                | "change_order"
                | "expire"
                | "record"
                | "check_back"
                | "activate"
                | "compensate"
                | "correct_order"
        );
        let looked = |servers: &Servers| {
            windows.hold(servers, what)?;
            always::always(servers)
        };
        if let (true, Some(servers), Some(complaint)) = (changes, servers.upgrade(), complaint.upgrade())
            && let Err(wrong) = looked(&servers)
        {
            servers.network.trace.note(format_args!("WRONG after {what}: {wrong}"));
            complaint.raise(format!("after {what}: {wrong}"));
        }
    });
}

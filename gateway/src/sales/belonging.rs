//! Which ledger and which order store belong together.
//!
//! A gateway decides the fate of batches of any sender, and settles outcomes of any worker. A gateway that is
//! configured for another Redis, another prefix or another order worker would do so from a ledger without entries for
//! them. So the ledger has an identity, made at the first start, and the order store registers it; messages carry it.
//! A gateway whose ledger and order store do not agree gives no verdict, takes no outcomes and sells nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{LedgerId, Shard, StoreId, StoreIdentity, id::ShardCount};
use flashgate_ledger::{Identifying, LedgerError, LedgerIdentity};
use metrics::gauge;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::sales::registry::{Registry, RegistryError};

/// Interval between identity checks: an address can be pointed to another server at any time.
const PERIOD: Duration = Duration::from_secs(5);

/// Why a gateway may not give a verdict.
#[derive(Debug, Error)]
pub enum Stranger {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The order worker could not be called.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The ledger belongs to another order store than the order worker's.
    #[error("the ledger {ledger} belongs to the order store {of}, but the order worker has {found}")]
    OtherStore {
        /// The ledger.
        ledger: LedgerId,
        /// The order store of the ledger.
        of: StoreId,
        /// The order store of the order worker.
        found: StoreId,
    },
    /// The order store has another ledger.
    #[error("the order store {store} has the ledger {registered}, but this ledger is {found}")]
    OtherLedger {
        /// The order store.
        store: StoreId,
        /// The ledger that the order store has registered.
        registered: LedgerId,
        /// The ledger that the gateway found.
        found: LedgerId,
    },
    /// Every shard of the ledger has lost its identity, and all its other data; or it is another, unused ledger.
    #[error(
        "the order store {store} has the ledger {registered}, and this one has no identity: it is another one, or \
             everything in it is lost (rebuilding a sale makes it that ledger again)"
    )]
    Lost {
        /// The order store.
        store: StoreId,
        /// The ledger that the order store has registered.
        registered: LedgerId,
    },
}

impl Stranger {
    /// The stable name, for logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ledger(fault) => fault.code(),
            Self::Registry(fault) => fault.code(),
            Self::OtherStore { .. } => "other_order_store",
            Self::OtherLedger { .. } => "other_ledger",
            Self::Lost { .. } => "ledger_identity_lost",
        }
    }
}

/// The identity of this gateway's ledger. Shared by all that give verdicts.
#[derive(Debug, Default)]
pub struct Belonging {
    ledger: OnceLock<LedgerId>,
    agreed: AtomicBool,
    estranged: AtomicBool,
    foreign: AtomicBool,
}

impl Belonging {
    /// The state after agreement on `ledger`.
    pub fn agreed_on(ledger: LedgerId) -> Self {
        let belonging = Self::default();
        belonging.ledger.get_or_init(|| ledger);
        belonging.set(true, false);
        belonging
    }

    /// The ledger that this gateway works for; `None` until agreed.
    pub fn ledger(&self) -> Option<LedgerId> {
        self.ledger.get().copied()
    }

    /// Whether ledger and order store agreed at the last check.
    pub fn is_agreed(&self) -> bool {
        self.agreed.load(Ordering::Relaxed)
    }

    /// Whether this gateway may do all of its work.
    pub fn holds(&self) -> bool {
        self.is_agreed() && !self.has_foreign_messages()
    }

    /// Whether they were found not to belong together: nothing may be sold.
    pub fn is_estranged(&self) -> bool {
        self.estranged.load(Ordering::Relaxed)
    }

    /// Whether a message with the ledger `of` is this gateway's to judge. `None` is of a version without identities.
    pub fn is_ours(&self, of: Option<LedgerId>) -> bool {
        let ours = self.ledger();
        ours.is_some() && (of.is_none() || of == ours)
    }

    /// Records whether the last messages were of this ledger.
    pub fn note_messages(&self, are_ours: bool) {
        self.foreign.store(!are_ours, Ordering::Relaxed);
    }

    /// Whether the last messages were of another ledger: another deployment wrongly shares topics and groups with
    /// this gateway.
    pub fn has_foreign_messages(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    /// Makes ledger and order store agree: reads both identities, makes `fresh` the ledger's if it has none, and
    /// registers it. From then on the calls of `ledger` are addressed to that identity.
    ///
    /// # Errors
    /// They do not belong together, or could not be read.
    pub async fn agree(
        &self,
        ledger: &dyn Identifying,
        registry: &dyn Registry,
        shards: ShardCount,
        fresh: LedgerId,
    ) -> Result<LedgerId, Stranger> {
        let agreed = agreement(ledger, registry, shards, fresh).await;
        match &agreed {
            Ok(id) => {
                let meant = *self.ledger.get_or_init(|| *id);
                if meant != *id {
                    self.set(false, true);
                    let store = registry.register_ledger(None).await?.store;
                    return Err(Stranger::OtherLedger { store, registered: meant, found: *id });
                }
                ledger.expect_ledger(*id);
                self.set(true, false);
            }
            // Its scripts refuse sales that it lacks; buyers get "sale paused".
            Err(Stranger::Lost { .. }) => self.agreed.store(false, Ordering::Relaxed),
            Err(Stranger::OtherLedger { .. } | Stranger::OtherStore { .. }) => self.set(false, true),
            // Nothing new is known.
            Err(Stranger::Ledger(_) | Stranger::Registry(_)) => {}
        }
        agreed
    }

    fn set(&self, agreed: bool, estranged: bool) {
        self.agreed.store(agreed, Ordering::Relaxed);
        self.estranged.store(estranged, Ordering::Relaxed);
    }

    /// Checks again every few seconds, until `shutdown`.
    pub async fn watch(
        self: Arc<Self>,
        ledger: Arc<dyn Identifying>,
        registry: Arc<dyn Registry>,
        shards: ShardCount,
        shutdown: CancellationToken,
    ) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            // It was agreed at the start, so there is an identity; it is never replaced.
            let Some(known) = self.ledger() else { return };
            let was_agreed = self.is_agreed();
            let asked = self.agree(&*ledger, &*registry, shards, known).await;
            gauge!("flashgate_gateway_ledger_agreed").set(if self.is_agreed() { 1.0 } else { 0.0 });
            match asked {
                Ok(_same) if !was_agreed => {
                    info!(ledger = %known, "ledger and order store match again")
                }
                Err(stranger) if was_agreed && !self.is_agreed() => {
                    error!(code = stranger.code(), error = %stranger, "ledger and order store do not match; verdicts, settlement and sales stopped");
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

async fn agreement(
    ledger: &dyn Identifying,
    registry: &dyn Registry,
    shards: ShardCount,
    fresh: LedgerId,
) -> Result<LedgerId, Stranger> {
    let StoreIdentity { store, ledger: registered } = registry.register_ledger(None).await?;
    let mut found = None;
    let mut lost: Vec<Shard> = Vec::new();
    for shard in shards.all() {
        match ledger.identity(shard).await? {
            Some(identity) => found = Some(same(store, registered.or(found), identity)?),
            None => lost.push(shard),
        }
    }
    let id = match (registered, found) {
        (Some(registered), None) => return Err(Stranger::Lost { store, registered }),
        (_, Some(found)) => found,
        (None, None) => fresh,
    };
    if registered.is_some() {
        for shard in lost {
            warn!(%shard, "ledger shard lost its identity and its data");
        }
        return Ok(id);
    }
    // The first start of a deployment, or a start that was interrupted here: the gateway that writes to the first
    // shard first gives the identity to all.
    let mut id = id;
    for (number, shard) in shards.all().enumerate() {
        let kept = ledger.establish(shard, LedgerIdentity { ledger: id, store }).await?;
        if number == 0 {
            id = kept.ledger;
        }
        same(store, Some(id), kept)?;
    }
    match registry.register_ledger(Some(id)).await?.ledger {
        Some(registered) if registered != id => Err(Stranger::OtherLedger { store, registered, found: id }),
        Some(_) | None => {
            info!(ledger = %id, %store, "ledger registered in the order store");
            Ok(id)
        }
    }
}

/// The ledger of `identity`, if it belongs to `store` and is the expected one.
fn same(store: StoreId, expected: Option<LedgerId>, identity: LedgerIdentity) -> Result<LedgerId, Stranger> {
    let LedgerIdentity { ledger, store: of } = identity;
    if of != store {
        return Err(Stranger::OtherStore { ledger, of, found: store });
    }
    match expected {
        Some(registered) if registered != ledger => {
            Err(Stranger::OtherLedger { store, registered, found: ledger })
        }
        Some(_) | None => Ok(ledger),
    }
}

/// Gives a shard of a lost ledger the registered identity again, for a rebuild.
///
/// # Errors
/// The shard belongs to another ledger, or the identities could not be read. Without a registered ledger nothing is
/// done.
pub async fn adopt(ledger: &dyn Identifying, registry: &dyn Registry, shard: Shard) -> Result<(), Stranger> {
    let StoreIdentity { store, ledger: registered } = registry.register_ledger(None).await?;
    let Some(id) = registered else { return Ok(()) };
    let before = ledger.identity(shard).await?;
    let kept = match before {
        Some(kept) => kept,
        None => ledger.establish(shard, LedgerIdentity { ledger: id, store }).await?,
    };
    same(store, Some(id), kept)?;
    if before.is_none() {
        warn!(ledger = %id, %shard, "empty shard added to the ledger again for a rebuild");
    }
    ledger.expect_ledger(id);
    Ok(())
}

//! Which ledger and which order store belong together.
//!
//! A gateway tells the fate of batches, whoever sent them, and settles outcomes, whoever decided them. One that is
//! configured for another Redis, another prefix or another order worker would do so from a ledger that knows nothing of
//! them. So the ledger has an identity, made at the first start, and the order store registers it; messages carry it.
//! A gateway that does not find both in agreement gives no verdict, takes no outcomes and sells nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{LedgerId, Shard, StoreId, id::ShardCount};
use flashgate_ledger::{Identifying, LedgerError, LedgerIdentity};
use metrics::gauge;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::sales::registry::{Registry, RegistryError, StoreIdentity};

/// How often it is asked again: an address can be led to another server at any time.
const PERIOD: Duration = Duration::from_secs(5);

/// Why a gateway may not give a verdict.
#[derive(Debug, Error)]
pub enum Stranger {
    /// The ledger could not be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The order worker could not be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The ledger belongs to an order store that the order worker does not have.
    #[error("the ledger {ledger} belongs to the order store {of}, but the order worker has {found}")]
    OtherStore {
        /// The ledger.
        ledger: LedgerId,
        /// Whose it is.
        of: StoreId,
        /// What the order worker has.
        found: StoreId,
    },
    /// The order store has another ledger.
    #[error("the order store {store} has the ledger {registered}, but this ledger is {found}")]
    OtherLedger {
        /// The order store.
        store: StoreId,
        /// What it has registered.
        registered: LedgerId,
        /// What was found.
        found: LedgerId,
    },
    /// Every shard of the ledger has lost its identity, and everything else with it; or it is another one, unused.
    #[error(
        "the order store {store} has the ledger {registered}, and this one has no identity: it is another one, or \
             everything in it is lost (rebuilding a sale makes it that ledger again)"
    )]
    Lost {
        /// The order store.
        store: StoreId,
        /// What it has registered.
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

/// What this gateway knows of its ledger. Shared by all that give verdicts.
#[derive(Debug, Default)]
pub struct Belonging {
    ledger: OnceLock<LedgerId>,
    agreed: AtomicBool,
    estranged: AtomicBool,
    foreign: AtomicBool,
}

impl Belonging {
    /// What a gateway of that ledger knows.
    pub fn agreed_on(ledger: LedgerId) -> Self {
        let belonging = Self::default();
        belonging.ledger.get_or_init(|| ledger);
        belonging.set(true, false);
        belonging
    }

    /// The ledger that this gateway works for; `None` until that is agreed.
    pub fn ledger(&self) -> Option<LedgerId> {
        self.ledger.get().copied()
    }

    /// Whether ledger and order store were in agreement when they were last asked.
    pub fn is_agreed(&self) -> bool {
        self.agreed.load(Ordering::Relaxed)
    }

    /// Whether this gateway may do all of its work.
    pub fn holds(&self) -> bool {
        self.is_agreed() && !self.has_foreign_messages()
    }

    /// Whether they were found to be strangers: nothing may be sold.
    pub fn is_estranged(&self) -> bool {
        self.estranged.load(Ordering::Relaxed)
    }

    /// Whether a message of that ledger is this gateway's to judge. One without is of a version that had no identities.
    pub fn is_ours(&self, of: Option<LedgerId>) -> bool {
        let ours = self.ledger();
        ours.is_some() && (of.is_none() || of == ours)
    }

    /// Whether the messages that come are of this ledger.
    pub fn note_messages(&self, are_ours: bool) {
        self.foreign.store(!are_ours, Ordering::Relaxed);
    }

    /// Whether the last messages that came were of another ledger: somebody shares topics and groups with this gateway
    /// who should not.
    pub fn has_foreign_messages(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    /// Has ledger and order store agree: asks both, makes an identity where there is none yet and registers it.
    /// `fresh` is used for that. From then on the calls of `ledger` are meant for it.
    ///
    /// # Errors
    /// They do not belong together, or could not be asked.
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
            // Its scripts refuse what they do not have; buyers are told that the sale is paused.
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

    /// Asks again every few seconds, until `leave`.
    pub async fn watch(
        self: Arc<Self>,
        ledger: Arc<dyn Identifying>,
        registry: Arc<dyn Registry>,
        shards: ShardCount,
        shutdown: CancellationToken,
    ) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // It was agreed at the start: there is an identity, and it is not made anew.
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
    // The first start of a deployment, or one that was broken off here: whoever is first at the first shard gives the
    // identity to all.
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

/// The ledger of `identity`, if it is of that store and the one that is expected.
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

/// Makes a shard of a lost ledger that ledger again, for a rebuild.
///
/// # Errors
/// It belongs to another one, or it is not known which one it was.
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

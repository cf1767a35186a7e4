//! The possible faults of a sale, and the verdict.

use std::fmt;

use super::{
    snapshot::{Amount, WrittenCounts},
    step::Steps,
};
use crate::{
    clock::Timestamp,
    id::{BatchId, OrderId, SaleId},
};

/// A fault that an audit found, confirmed by a second reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An open batch is older than the maximum age: re-drive it.
    ToRedrive {
        /// The batch.
        batch: BatchId,
        /// When it was deducted, by the ledger's clock.
        deducted_at: Timestamp,
        /// The orders and units that it holds.
        amount: Amount,
        /// Whether the order store has decided it, so that only its settlement is missing.
        decided: bool,
    },
    /// The order store has applied a batch that the ledger does not have, or has fenced: its units are on sale again.
    Phantom {
        /// The batch.
        batch: BatchId,
        /// The orders and units that the store has of it.
        amount: Amount,
        /// The confirmed units: they could be sold twice.
        confirmed_units: u64,
        /// Whether the ledger has a fence for it, so that settling cannot repair it.
        fenced: bool,
    },
    /// Units are missing in the ledger, and no batch explains them: they cannot be sold.
    Leaked {
        /// The number of units.
        units: u64,
        /// Undecided open batches without a log entry: they may hold the units.
        suspects: Vec<BatchId>,
    },
    /// The ledger has more units on sale than the order store can give, and no batch explains them.
    Surplus {
        /// The number of units.
        units: u64,
    },
    /// `available` differs from the ledger's own totals.
    LedgerContradiction {
        /// The difference in units: below 0, units are missing.
        units: i64,
    },
    /// `saleable` differs from the store's own orders.
    StoreContradiction {
        /// The difference in units: below 0, the row of the sale has fewer units than its orders leave.
        units: i64,
    },
    /// The orders of a batch differ from what the ledger settled. Names the orders that differ; none if the
    /// number of orders does.
    ChangedBatch {
        /// The batch.
        batch: BatchId,
        /// Units that the ledger settled as confirmed, minus those confirmed in the store.
        units: i64,
        /// The orders that differ.
        orders: Vec<OrderId>,
    },
    /// The order store has fewer orders than the ledger has keys of orders: some were lost, or are not read. Their
    /// units look like a leak; none are returned.
    OrdersMissing {
        /// The minimum number of missing orders.
        orders: u64,
    },
    /// The ledger has other buyers or keys of the sale than were written: some of them are lost, or others were
    /// added.
    PartLost {
        /// The written counts.
        written: WrittenCounts,
        /// The counts found.
        found: WrittenCounts,
    },
    /// Buyers hold fewer units in the ledger than the order store has sold them: they can buy beyond the limit.
    HeldTooFew {
        /// The number of buyers.
        buyers: u64,
        /// The number of units.
        units: u64,
    },
    /// Buyers hold more units in the ledger than the order store has sold them, with nothing in flight: they cannot buy
    /// up to the limit.
    HeldTooMany {
        /// The number of buyers.
        buyers: u64,
        /// The minimum number of units: those of a buyer without an order are unknown.
        units: u64,
    },
    /// Orders have given units up in the order store, and the ledger has not returned them: the events of the orders are
    /// to be published again.
    ReturnsDue {
        /// The number of units.
        units: u64,
    },
    /// Operators have added units in the order store, and no gateway has added them to the ledger.
    RestocksDue {
        /// The number of units.
        units: u64,
    },
    /// The ledger has returned more units of cancelled orders than the order store: they could be sold twice.
    ReturnedTooMany {
        /// The number of units.
        units: u64,
    },
    /// The order store has preheated the sale, and the ledger does not have it: the sale was lost.
    MissingInLedger,
    /// The sides have different generations of the sale.
    OtherGeneration {
        /// The generation in the ledger.
        ledger: u32,
        /// The generation in the order store.
        store: u32,
    },
}

impl Finding {
    /// The stable name, in output, metrics and pages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ToRedrive { .. } => "to_redrive",
            Self::Phantom { .. } => "phantom",
            Self::Leaked { .. } => "leaked",
            Self::Surplus { .. } => "surplus",
            Self::LedgerContradiction { .. } => "ledger_contradiction",
            Self::StoreContradiction { .. } => "store_contradiction",
            Self::ChangedBatch { .. } => "changed_batch",
            Self::OrdersMissing { .. } => "orders_missing",
            Self::PartLost { .. } => "part_lost",
            Self::HeldTooFew { .. } => "held_too_few",
            Self::HeldTooMany { .. } => "held_too_many",
            Self::ReturnsDue { .. } => "returns_due",
            Self::RestocksDue { .. } => "restocks_due",
            Self::ReturnedTooMany { .. } => "returned_too_many",
            Self::MissingInLedger => "missing_in_ledger",
            Self::OtherGeneration { .. } => "other_generation",
        }
    }

    /// The units concerned.
    pub const fn units(&self) -> u64 {
        match self {
            Self::ToRedrive { amount, .. } => amount.units,
            Self::Phantom { confirmed_units, .. } => *confirmed_units,
            Self::Leaked { units, .. }
            | Self::Surplus { units }
            | Self::ReturnsDue { units }
            | Self::RestocksDue { units }
            | Self::ReturnedTooMany { units }
            | Self::HeldTooFew { units, .. }
            | Self::HeldTooMany { units, .. } => *units,
            Self::LedgerContradiction { units }
            | Self::StoreContradiction { units }
            | Self::ChangedBatch { units, .. } => units.unsigned_abs(),
            Self::OrdersMissing { .. }
            | Self::PartLost { .. }
            | Self::MissingInLedger
            | Self::OtherGeneration { .. } => 0,
        }
    }

    /// The buyers concerned, if the finding is about buyers.
    pub const fn buyers(&self) -> Option<u64> {
        match self {
            Self::HeldTooFew { buyers, .. } | Self::HeldTooMany { buyers, .. } => Some(*buyers),
            Self::ToRedrive { .. }
            | Self::Phantom { .. }
            | Self::Leaked { .. }
            | Self::Surplus { .. }
            | Self::LedgerContradiction { .. }
            | Self::StoreContradiction { .. }
            | Self::ChangedBatch { .. }
            | Self::OrdersMissing { .. }
            | Self::PartLost { .. }
            | Self::ReturnsDue { .. }
            | Self::RestocksDue { .. }
            | Self::ReturnedTooMany { .. }
            | Self::MissingInLedger
            | Self::OtherGeneration { .. } => None,
        }
    }

    /// The batch concerned, if the finding is about one.
    pub const fn batch(&self) -> Option<BatchId> {
        match self {
            Self::ToRedrive { batch, .. }
            | Self::Phantom { batch, .. }
            | Self::ChangedBatch { batch, .. } => Some(*batch),
            Self::Leaked { .. }
            | Self::Surplus { .. }
            | Self::LedgerContradiction { .. }
            | Self::StoreContradiction { .. }
            | Self::OrdersMissing { .. }
            | Self::PartLost { .. }
            | Self::HeldTooFew { .. }
            | Self::HeldTooMany { .. }
            | Self::ReturnsDue { .. }
            | Self::RestocksDue { .. }
            | Self::ReturnedTooMany { .. }
            | Self::MissingInLedger
            | Self::OtherGeneration { .. } => None,
        }
    }
}

/// One sentence for people.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToRedrive { amount, decided: true, .. } => {
                write!(f, "{} orders are decided and not settled for too long", amount.orders)
            }
            Self::ToRedrive { amount, decided: false, .. } => {
                write!(f, "{} orders are not decided for too long", amount.orders)
            }
            Self::Phantom { confirmed_units, fenced, .. } => {
                let why = if *fenced { "has fenced it" } else { "does not know it" };
                write!(f, "the order store confirmed {confirmed_units} units of it, and the ledger {why}")
            }
            Self::Leaked { units, suspects } if suspects.is_empty() => {
                write!(f, "{units} units are gone from the ledger without a batch")
            }
            Self::Leaked { units, suspects } => {
                write!(f, "{units} units are gone from the ledger; without a log entry:")?;
                suspects.iter().try_for_each(|batch| write!(f, " {batch}"))
            }
            Self::Surplus { units } => {
                write!(f, "{units} units on sale are more than the order store can give")
            }
            Self::LedgerContradiction { units } => {
                write!(f, "available is off by {units} from the ledger's own totals")
            }
            Self::StoreContradiction { units } => {
                write!(f, "saleable is off by {units} from the store's own orders")
            }
            Self::ChangedBatch { units, orders, .. } => {
                write!(f, "its orders are not those that were settled ({units} units):")?;
                orders.iter().try_for_each(|order| write!(f, " {order}"))
            }
            Self::OrdersMissing { orders } => {
                write!(
                    f,
                    "orders are missing: the ledger has the keys of {orders} that the order store does not have"
                )
            }
            Self::PartLost { written, found } => write!(
                f,
                "a part of the sale is lost in the ledger: {} buyers and {} keys were written, {} buyers and {} keys are \
                 there",
                written.buyers, written.keys, found.buyers, found.keys
            ),
            Self::HeldTooFew { buyers, units } => write!(
                f,
                "{buyers} buyers hold {units} units fewer in the ledger than the order store has sold them: they can buy \
                 beyond the limit"
            ),
            Self::HeldTooMany { buyers, units } => write!(
                f,
                "{buyers} buyers hold at least {units} units more in the ledger than the order store has sold them"
            ),
            Self::ReturnsDue { units } => {
                write!(f, "{units} units of cancelled orders have not returned to the ledger")
            }
            Self::RestocksDue { units } => {
                write!(f, "{units} units that were added are not on sale yet: no gateway has counted them")
            }
            Self::ReturnedTooMany { units } => write!(
                f,
                "the ledger has returned {units} units of cancelled orders that the order store has not"
            ),
            Self::MissingInLedger => f.write_str("the ledger has lost the sale: it is to be rebuilt"),
            Self::OtherGeneration { ledger, store } => {
                write!(f, "generation {ledger} in the ledger, {store} in the order store")
            }
        }
    }
}

named! {
    /// The result of an audit of one sale.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Verdict {
        /// Both sides agree; open batches are in flight.
        Agrees = "agrees",
        /// Both sides agree, but some batches are older than the maximum age, or units that were returned or added have not
        /// come to the ledger.
        ToRedrive = "to_redrive",
        /// The sides do not agree.
        Differs = "differs",
    }
}

/// The audit of one sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The sale.
    pub sale: SaleId,
    /// Units left in the ledger; `None` if it does not have the sale.
    pub available: Option<i64>,
    /// Units left in the order store.
    pub saleable: u64,
    /// Orders in the order store.
    pub orders: u64,
    /// Open batches within the maximum age.
    pub in_flight_batches: u64,
    /// The orders and units that those batches hold.
    pub in_flight: Amount,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The steps that would correct its units.
    pub steps: Steps,
}

impl Report {
    /// The worst verdict of the findings.
    pub fn verdict(&self) -> Verdict {
        let worst = self.findings.iter().map(|finding| match finding {
            Finding::ToRedrive { .. } | Finding::ReturnsDue { .. } | Finding::RestocksDue { .. } => {
                Verdict::ToRedrive
            }
            Finding::Phantom { .. }
            | Finding::Leaked { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::ChangedBatch { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::ReturnedTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => Verdict::Differs,
        });
        worst.max().unwrap_or(Verdict::Agrees)
    }
}

//! Buyers that act at the same time, and what became of their orders.

use std::fmt;

use flashgate_load::rush::Receipt;
use flashgate_output::exit::CliError;
use tokio::task::{JoinError, JoinSet};

use super::buyer::{Buyer, Ending, Endpoints, Intention};

/// Maximum buyers that act at once, each on connections of its own.
const AT_ONCE_MAX: usize = 32;

/// What became of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endings {
    pub(super) shipped: u64,
    pub(super) not_shipped: u64,
    pub(super) refunded: u64,
    pub(super) cancelled: u64,
    /// Not paid, as intended: they time out.
    pub(super) left: u64,
    /// Buyers that did not get what they intended.
    pub(super) failed: u64,
    /// What the first of them got instead.
    pub(super) first_error: Option<String>,
}

impl Endings {
    /// The number of orders.
    pub(super) const fn total(&self) -> u64 {
        let Self { shipped, not_shipped, refunded, cancelled, left, failed, first_error: _ } = self;
        *shipped + *not_shipped + *refunded + *cancelled + *left + *failed
    }

    fn count(&mut self, ended: Result<Result<Ending, CliError>, JoinError>) {
        let error = match ended {
            Ok(Ok(ending)) => {
                *match ending {
                    Ending::Shipped => &mut self.shipped,
                    Ending::NotShipped => &mut self.not_shipped,
                    Ending::Refunded => &mut self.refunded,
                    Ending::Cancelled => &mut self.cancelled,
                    Ending::Left => &mut self.left,
                } += 1;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(died) => died.to_string(),
        };
        self.failed += 1;
        self.first_error.get_or_insert(error);
    }
}

impl fmt::Display for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shipped, not_shipped, refunded, cancelled, left, failed, first_error: _ } = self;
        write!(f, "paid and shipped {shipped} · not shipped {not_shipped} · taken back {refunded} · ")?;
        write!(f, "cancelled {cancelled} · ")?;
        write!(f, "forgotten {left} · failed {failed}")
    }
}

/// Lets the buyers of the orders act. `show` gets what became of the orders so far, after each.
pub(super) async fn act(
    endpoints: Endpoints,
    orders: impl IntoIterator<Item = (Receipt, Intention)>,
    mut show: impl FnMut(&Endings),
) -> Endings {
    let (mut acting, mut endings) = (JoinSet::new(), Endings::default());
    for (receipt, intention) in orders {
        if acting.len() >= AT_ONCE_MAX
            && let Some(ended) = acting.join_next().await
        {
            endings.count(ended);
            show(&endings);
        }
        acting.spawn(async move { Buyer::connect(endpoints, receipt).await?.act(intention).await });
    }
    while let Some(ended) = acting.join_next().await {
        endings.count(ended);
        show(&endings);
    }
    endings
}

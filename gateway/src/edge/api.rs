//! The state that the handlers of both protocols share.

use std::sync::Arc;

use flashgate_service::body::BodyLimits;
use tokio_util::sync::CancellationToken;

use super::auth::Authenticator;
use crate::{
    buy::{orders::Orders, purchase::Purchase},
    sales::catalogue::Catalogue,
};

/// The dependencies of the handlers.
pub struct Api {
    /// Finds the buyer of a request.
    pub auth: Arc<dyn Authenticator>,
    /// Decides intents.
    pub purchase: Arc<Purchase>,
    /// Looks up orders.
    pub orders: Arc<Orders>,
    /// The known sales.
    pub catalogue: Arc<Catalogue>,
    /// The limits on the body of a request.
    pub body_limits: BodyLimits,
    /// Cancelled at shutdown.
    pub shutdown: CancellationToken,
}

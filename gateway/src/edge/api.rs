//! What the handlers of both protocols share.

use std::sync::Arc;

use flashgate_service::body::BodyLimits;
use tokio_util::sync::CancellationToken;

use super::auth::Authenticator;
use crate::{
    buy::{orders::Orders, purchase::Purchase},
    sales::catalogue::Catalogue,
};

/// What the handlers need.
pub struct Api {
    /// Who the buyer is.
    pub auth: Arc<dyn Authenticator>,
    /// Answers intents.
    pub purchase: Arc<Purchase>,
    /// Looks orders up.
    pub orders: Arc<Orders>,
    /// Looks sales up.
    pub catalogue: Arc<Catalogue>,
    /// What may be read of the body of a request.
    pub body_limits: BodyLimits,
    /// Cancelled when the gateway is to leave.
    pub shutdown: CancellationToken,
}

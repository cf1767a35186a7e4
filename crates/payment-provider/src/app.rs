//! Serves the routes until the shutdown.

use std::sync::Arc;

use flashgate_access::Secret;
use flashgate_domain::Clock;
use flashgate_service::listener::{self, ListenerLimits, Places};
use flashgate_supervision::Supervisor;
use tokio::net::TcpListener;

pub use crate::callbacks::CallbackSettings;
use crate::{
    behaviour::{Behaviour, RefundBehaviour},
    callbacks::Callbacks,
    provider::Provider,
    routes,
    state::State,
};

/// The limits of the listener. The grace period of open requests is short: some are never answered.
pub const LISTENER_LIMITS: ListenerLimits =
    ListenerLimits { connections_max: 2_000, header_timeout_ms: 10_000, drain_timeout_ms: 1_000 };

/// The settings of a provider.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where callbacks go, and how.
    pub callbacks: CallbackSettings,
    /// The bearer token of the merchant.
    pub token: Secret,
    /// The behaviour of attempts without one of their own.
    pub behaviour: Behaviour,
    /// The behaviour of refunds of attempts without one of their own.
    pub refund_behaviour: RefundBehaviour,
    /// Maximum attempts, and maximum refunds.
    pub records_max: usize,
}

/// Serves until the shutdown of `supervisor`, which watches the deliveries of callbacks.
///
/// # Errors
/// TLS for callbacks cannot be set up.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    let callbacks = Callbacks::new(settings.callbacks, clock, supervisor.clone())?;
    let state = State::new(settings.behaviour, settings.refund_behaviour, settings.records_max);
    let provider = Provider::new(state, callbacks, settings.token, supervisor.clone());
    let router = routes::router(Arc::new(provider));
    let places = Places::new("http", LISTENER_LIMITS.connections_max);
    listener::serve(listener, router, places, LISTENER_LIMITS, supervisor.shutdown().clone()).await;
    Ok(())
}

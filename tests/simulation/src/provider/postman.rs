//! Delivers callbacks, and has happen at the provider what happens by itself.

use std::{mem, sync::Arc, time::Duration};

use axum::body::Body;
use flashgate_domain::Clock;
use http::{Request, StatusCode};
use tokio::time::sleep;
use tonic::codegen::Service;

use crate::{check::Complaint, desk::at_anyone, life::Life, network::Link, servers::Servers};

/// How long the provider waits for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two deliveries of a callback that nobody has acknowledged.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Never ends.
pub async fn deliver(servers: Arc<Servers>, provider: Arc<Life>, complaint: Arc<Complaint>) {
    let woken = Arc::clone(&servers.provider.state().woken);
    loop {
        woken.notified().await;
        let (later, outbox) = {
            let mut state = servers.provider.state();
            let outbox = mem::take(&mut state.outbox);
            let outbox: Vec<_> = outbox.into_iter().map(|number| (number, state.delay_ms())).collect();
            (mem::take(&mut state.later), outbox)
        };
        for (after_ms, what) in later {
            let servers = Arc::clone(&servers);
            tokio::spawn(async move {
                sleep(Duration::from_millis(after_ms)).await;
                servers.network.trace.note(format_args!("at the provider: {what:?}"));
                let now = servers.clock.now();
                servers.provider.state().happen(what, now);
            });
        }
        for (number, delay_ms) in outbox {
            let (servers, provider) = (Arc::clone(&servers), Arc::clone(&provider));
            let complaint = Arc::clone(&complaint);
            tokio::spawn(async move {
                sleep(Duration::from_millis(delay_ms)).await;
                while !is_acknowledged(&servers, &provider, &complaint, number).await {
                    sleep(RETRY_PAUSE).await;
                }
                servers.provider.state().waiting -= 1;
            });
        }
    }
}

/// Delivers a callback to some worker. Whatever is not acknowledged is delivered again, and nothing that the provider
/// sends is refused for good.
async fn is_acknowledged(
    servers: &Arc<Servers>,
    provider: &Arc<Life>,
    complaint: &Complaint,
    number: usize,
) -> bool {
    let link = Link::new(&servers.desk, provider, PATIENCE);
    let at_a_worker = at_anyone(Arc::clone(&servers.desk), move |front| async move {
        let request = Request::post("/v1/payments/callbacks").body(Body::from(number.to_string())).ok()?;
        front.callbacks?.call(request).await.ok().map(|answer| answer.status())
    });
    match link.carry("callback", number, at_a_worker).await.ok().flatten().flatten() {
        Some(StatusCode::NO_CONTENT) => true,
        Some(StatusCode::SERVICE_UNAVAILABLE) | None => false,
        Some(status) => {
            complaint.raise(format!("a worker answers callback {number} with {status}"));
            true
        }
    }
}

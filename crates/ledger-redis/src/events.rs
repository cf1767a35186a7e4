//! Ledger events: what the scripts publish, on a connection of its own that is replaced whenever it fails.
//!
//! An event is one line of text: `settled <batch id, 32 hexadecimal digits>`, or `returned <sale> <available>
//! <epoch>`. On a cluster every node forwards every event, so a connection to any node is enough.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{BatchId, SaleId};
use flashgate_ledger::{LedgerError, LedgerEvent, SaleStock};
use futures::stream::{self, BoxStream, StreamExt};
use metrics::counter;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{
    login::{self, ConnectError},
    servers::Servers,
};

/// The first pause before reconnecting; doubled after each failure.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The maximum pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// After this much silence the server is asked whether it is still up, and still the same one: a connection whose
/// peer vanished stays silent for ever.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

pub(super) struct Subscription {
    sink: PubSubSink,
    messages: PubSubStream,
    /// [`Servers::losses`] at the start of the connection.
    losses: u64,
}

/// Subscribes, and returns once the subscription is active.
pub(super) async fn subscribe(
    servers: Arc<Servers>,
    channel: String,
) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
    let first = connect(&servers, &channel).await;
    let first = first.map_err(|error| LedgerError::Unreachable(error.to_string()))?;
    let state = (servers, channel, first);
    let events = stream::unfold(state, |(servers, channel, mut subscription)| async move {
        loop {
            if let Some(event) = next_event(&mut subscription, &servers).await {
                return Some((event, (servers, channel, subscription)));
            }
            warn!("event connection lost; reconnecting");
            subscription = reconnect(&servers, &channel).await;
        }
    });
    Ok(events.boxed())
}

/// The next event; `None` once the connection is unusable.
async fn next_event(subscription: &mut Subscription, servers: &Servers) -> Option<LedgerEvent> {
    loop {
        let losses = servers.losses();
        match timeout(LOOK_PERIOD, subscription.messages.next()).await {
            Ok(message) => {
                let message = message?;
                match std::str::from_utf8(message.get_payload_bytes()).ok().and_then(parse) {
                    Some(event) => return Some(event),
                    None => debug!("unknown event ignored"),
                }
            }
            // A server was lost meanwhile: this connection may lead to a server that gets no settlements any more.
            Err(_silence) if losses != subscription.losses => return None,
            Err(_silence) => {
                let answer =
                    timeout(servers.connect_timeout(), subscription.sink.ping::<redis::Value>()).await;
                answer.ok()?.ok()?;
            }
        }
    }
}

async fn reconnect(servers: &Servers, channel: &str) -> Subscription {
    let mut pause = PAUSE_MIN;
    loop {
        counter!("flashgate_ledger_event_reconnects_total").increment(1);
        match connect(servers, channel).await {
            Ok(subscription) => return subscription,
            Err(error) => {
                debug!(%error, "event connection failed; retrying");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Subscribes at the first server that accepts.
pub(super) async fn connect(servers: &Servers, channel: &str) -> Result<Subscription, ConnectError> {
    let mut failure = ConnectError::Other("no server is known".to_owned());
    let losses = servers.losses();
    for link in servers.links() {
        let attempt = async {
            let client = link.client().await?;
            let subscribe = async {
                let (mut sink, messages) = client.get_async_pubsub().await?.split();
                sink.subscribe(channel).await?;
                Ok::<_, redis::RedisError>(Subscription { sink, messages, losses })
            };
            subscribe.await.map_err(|error| login::failure(link.address(), &error))
        };
        match timeout(servers.connect_timeout(), attempt).await {
            Ok(Ok(subscription)) => return Ok(subscription),
            Ok(Err(error)) => failure = error,
            Err(elapsed) => failure = ConnectError::Other(format!("{}: {elapsed}", link.address())),
        }
    }
    Err(failure)
}

pub(super) fn parse(line: &str) -> Option<LedgerEvent> {
    match *line.split(' ').collect::<Vec<_>>() {
        ["settled", batch] => Some(LedgerEvent::Settled(batch.parse::<BatchId>().ok()?)),
        ["returned", sale, available, epoch] => Some(LedgerEvent::Returned(SaleStock {
            sale: sale.parse::<SaleId>().ok()?,
            available: available.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_script_writes_them() {
        let batch: BatchId = "0000000000020400000000000000002a".parse().unwrap();
        assert_eq!(parse(&format!("settled {batch}")), Some(LedgerEvent::Settled(batch)));
        let stock = SaleStock { sale: SaleId::new(7).unwrap(), available: -3, epoch: 2 };
        assert_eq!(parse("returned 7 -3 2"), Some(LedgerEvent::Returned(stock)));
        for unknown in ["", "settled", "settled x", "returned 7 -3", "returned 0 1 1", "closed 7"] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }
}

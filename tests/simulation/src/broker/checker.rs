//! Asks for the fate of half-messages, for ever.

use std::{sync::Arc, time::Duration};

use flashgate_domain::Clock;
use flashgate_messaging::CheckedMessage;
use tokio::time::{sleep, timeout_at};

use super::{BrokerState, Witness};
use crate::network::{Link, Server};

/// How long an answer to a check-back may take before it is no use any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// The broker's own task.
pub async fn keep_checking(broker: Arc<Server<BrokerState>>, clock: Arc<dyn Clock>) {
    let arrivals = Arc::clone(&broker.state().half_arrivals);
    loop {
        let next = broker.state().next_check();
        match next {
            // A new half-message may be due earlier.
            Some(due) => drop(timeout_at(due, arrivals.notified()).await),
            None => arrivals.notified().await,
        }
        broker.ready().await;
        loop {
            let question = broker.state().question();
            let Some((offset, message, witness)) = question else { break };
            match witness {
                Some(witness) => {
                    drop(tokio::spawn(ask(
                        Arc::clone(&broker),
                        offset,
                        message,
                        witness,
                        Arc::clone(&clock),
                    )));
                }
                None => broker.network().trace.note(format_args!("nobody is asked about {}", message.key)),
            }
        }
    }
}

/// One question, to a process that may be dead.
async fn ask(
    broker: Arc<Server<BrokerState>>,
    offset: u64,
    message: CheckedMessage,
    witness: Witness,
    clock: Arc<dyn Clock>,
) {
    let way = broker.some_latency();
    sleep(way).await;
    witness.life.cross().await;
    let key = message.key.clone();
    let resolution = witness.handler.check_back(message).await;
    let name = &witness.life.name;
    broker.network().trace.note(format_args!("{name} answers {resolution:?} about {key}"));
    let Some(verdict) = resolution.verdict() else { return };
    let link = Link::new(&broker, &witness.life, PATIENCE);
    let resolve = move |state: &mut BrokerState| state.resolve(offset, verdict, true, clock.now());
    let about = format!("{verdict:?} {key}");
    let _answer_or_not = link.call("resolve_checked", about, resolve).await;
}

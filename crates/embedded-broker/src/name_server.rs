//! The name server: runs until its shutdown.

use std::{path::Path, time::Duration};

use flashgate_causes::causes;
use rocketmq_namesrv::bootstrap::Builder;
use rocketmq_observability::TelemetryRuntimeGuard;
use rocketmq_runtime::RuntimeOwner;
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    fault::{Server, StartError},
    ports::Ports,
    settings,
};

/// Timeout of the start. It needs milliseconds; a busy machine may need more.
const START_MAX: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// A name server that accepts connections.
pub(crate) struct NameServer {
    running: JoinHandle<Result<(), String>>,
    leave: CancellationToken,
}

impl NameServer {
    /// Returns when it accepts connections.
    pub(crate) async fn start(owner: &RuntimeOwner, folder: &Path, ports: Ports) -> Result<Self, StartError> {
        let (config, server) = settings::name_server(folder, ports);
        let telemetry = TelemetryRuntimeGuard::noop().handle();
        let bootstrap = Builder::new(owner.root_context().component("name-server"), telemetry)
            .set_name_server_config(config)
            .set_server_config(server)
            .build();
        let leave = CancellationToken::new();
        let stop = leave.clone().cancelled_owned();
        let mut running = tokio::spawn(Box::pin(async move {
            bootstrap.boot_with_shutdown(stop).await.map_err(|why| causes(&why))
        }));
        let answers = async {
            while TcpStream::connect(ports.name_server()).await.is_err() {
                sleep(LOOK_INTERVAL).await;
            }
        };
        tokio::select! {
            ended = &mut running => Err(lost(ended.unwrap_or_else(|error| Err(error.to_string())))),
            answered = timeout(START_MAX, answers) => match answered {
                Ok(()) => Ok(Self { running, leave }),
                Err(_elapsed) => {
                    running.abort();
                    Err(refused(format!("it accepted no connection within {START_MAX:?}")))
                }
            },
        }
    }

    pub(crate) async fn shutdown(self) {
        self.leave.cancel();
        match self.running.await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => warn!(error = reason, "shutting down the name server failed"),
            Err(error) => warn!(%error, "name server failed"),
        }
    }
}

const fn refused(reason: String) -> StartError {
    StartError::Refused { server: Server::NameServer, reason }
}

/// The only step before it accepts connections is to bind its port.
fn lost(ended: Result<(), String>) -> StartError {
    let reason = ended.err().unwrap_or_else(|| "it ended at once".to_owned());
    StartError::PortLost { server: Server::NameServer, reason }
}

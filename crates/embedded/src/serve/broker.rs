//! The embedded broker: stopped while the disk is full, and restarted when space is free again.
//!
//! On a full disk the broker would not only refuse messages: it retries failed writes without a pause, needs a
//! minute to end, and some of the failed writes keep it from taking messages when space is free again. While
//! it is stopped, buyers get `broker_unavailable`, which is safe to retry, and accepted orders wait.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use flashgate_embedded_broker::{EmbeddedBroker, EmbeddedBrokerConfig, Server, StartError};
use flashgate_output::exit::CliError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    config::BrokerConfig,
    disk::Space,
    folder::{self, DataFolder},
};

/// Interval between readings of the disk space. In that time a rush writes a few MB.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Pause after a failed start.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Reads the disk space. A failed read stops nothing.
type SpaceProbe = Arc<dyn Fn() -> Option<Space> + Send + Sync>;

/// A broker that runs while the disk has space for it. Dropping it is like a crash.
#[derive(Debug)]
pub(crate) struct Broker {
    name_server: SocketAddr,
    leave: CancellationToken,
    ended: CancellationToken,
}

impl Broker {
    /// Starts the broker on its part of the data folder.
    ///
    /// # Errors
    /// The port or folder that cannot be used.
    pub(crate) async fn start(config: &BrokerConfig, folder: &DataFolder) -> Result<Self, CliError> {
        let path = folder.path().to_owned();
        let look: SpaceProbe = Arc::new(move || Space::of(&path).ok());
        Self::start_on(config.embedded(), folder.broker(), look).await.map_err(refused)
    }

    async fn start_on(
        config: EmbeddedBrokerConfig,
        folder: PathBuf,
        look: SpaceProbe,
    ) -> Result<Self, StartError> {
        let broker = EmbeddedBroker::start(folder.clone(), &config).await?;
        let name_server = broker.name_server();
        // Half-messages contain the broker's address, so a restart keeps it.
        let again = EmbeddedBrokerConfig {
            name_server_port: name_server.port(),
            broker_port: broker.port(),
            ..config
        };
        let (leave, ended) = (CancellationToken::new(), CancellationToken::new());
        let (told, mark) = (leave.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let _mark_of_the_end = mark;
            guard(broker, again, folder, look, told).await;
        });
        Ok(Self { name_server, leave, ended })
    }

    /// The address of the name server: the only one that clients need.
    pub(crate) const fn name_server(&self) -> SocketAddr {
        self.name_server
    }

    /// Cancelled when the broker has ended for good, on request or not.
    pub(crate) const fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Ends the broker; returns when its store is closed.
    pub(crate) async fn shutdown(self) {
        self.leave.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

/// Stops the broker when the disk is full and restarts it when space is free, until shutdown or until the broker ends
/// by itself.
async fn guard(
    mut broker: EmbeddedBroker,
    config: EmbeddedBrokerConfig,
    folder: PathBuf,
    look: SpaceProbe,
    leave: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = leave.cancelled() => return broker.shutdown().await,
            () = broker.ended().cancelled() => return,
            () = until(&look, Space::is_full) => {}
        }
        error!("disk full; broker stopped until space is free");
        broker.shutdown().await;
        broker = loop {
            tokio::select! {
                biased;
                () = leave.cancelled() => return,
                () = until(&look, Space::has_room_again) => {}
            }
            match EmbeddedBroker::start(folder.clone(), &config).await {
                Ok(broker) => break broker,
                Err(fault) => error!(error = %fault, "broker restart failed; retrying"),
            }
            sleep(START_PAUSE).await;
        };
        warn!("disk has space again; broker restarted");
    }
}

/// Returns when the disk space satisfies `so`.
async fn until(look: &SpaceProbe, so: impl Fn(Space) -> bool) {
    while !look().is_some_and(&so) {
        sleep(LOOK_INTERVAL).await;
    }
}

fn refused(fault: StartError) -> CliError {
    match fault {
        StartError::PortTaken { server, port, source } => {
            let flag = match server {
                Server::NameServer => "--name-server-port",
                Server::Broker => "--broker-port",
            };
            CliError::PortTaken(format!("{flag} {port}: {source}"))
        }
        StartError::Folder { path, source } => folder::unusable(&path, &source),
        StartError::PortLost { .. }
        | StartError::Refused { .. }
        | StartError::NoFreePorts(_)
        | StartError::NoRuntime(_)
        | StartError::Panicked => CliError::other(fault),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;
    use flashgate_domain::SystemClock;
    use flashgate_messaging::{
        Group, Message, Publisher, Topic,
        rocketmq::{RocketMq, RocketMqConfig, admin},
    };
    use tokio::time::timeout;

    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    /// Publishes until the result is as given by `goes_through`.
    async fn until_published(publisher: &impl Publisher, topic: &Topic, goes_through: bool) {
        let trying = async {
            loop {
                let message = Message::new(topic.clone(), "k".to_owned(), Bytes::from_static(b"body"));
                if publisher.publish(message).await.is_ok() == goes_through {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WAIT, trying).await.unwrap_or_else(|_| panic!("published: never {goes_through}"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_is_stopped_while_the_disk_is_full_and_goes_on_when_there_is_room() {
        let data = crate::demo::temporary_folder().unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let disk = Arc::clone(&full);
        let mib = 1024 * 1024;
        let look: SpaceProbe = Arc::new(move || {
            let free = if disk.load(Ordering::Relaxed) { 0 } else { 500 * mib };
            Some(Space::new(free, 1_000 * mib))
        });
        let path = data.path().join("broker");
        let broker = Broker::start_on(EmbeddedBrokerConfig::default(), path, look).await.unwrap();
        let client = RocketMqConfig {
            name_servers: vec![broker.name_server().to_string()],
            ..RocketMqConfig::default()
        };
        let mq = RocketMq::connect(client, Arc::new(SystemClock)).await.unwrap();
        let topic = Topic::new("t").unwrap();
        admin::create_topic(&mq, &topic, std::num::NonZeroU32::MIN).await.unwrap();
        let publisher = mq.publisher(Group::new("g").unwrap());
        until_published(&publisher, &topic, true).await;

        full.store(true, Ordering::Relaxed);
        until_published(&publisher, &topic, false).await;
        full.store(false, Ordering::Relaxed);
        until_published(&publisher, &topic, true).await;

        // The disk stays full during the shutdown.
        full.store(true, Ordering::Relaxed);
        until_published(&publisher, &topic, false).await;
        timeout(WAIT, broker.shutdown()).await.unwrap();
    }
}

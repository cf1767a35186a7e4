//! The ports of both servers, configured or free ones.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use crate::{
    config::EmbeddedBrokerConfig,
    fault::{Server, StartError},
};

/// The broker's second port is its port minus this.
const FAST_PORT_BELOW: u16 = 2;
/// Nearly every search finds a free port whose lower neighbour is free as well.
const SEARCHES_MAX: usize = 100;

/// Ports on loopback that were free when they were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) name_server: u16,
    pub(crate) broker: u16,
    /// The port for a replica; there is none.
    pub(crate) replication: u16,
    /// Whether at least one of them was chosen here.
    pub(crate) were_free: bool,
}

impl Ports {
    pub(crate) fn choose(config: &EmbeddedBrokerConfig) -> Result<Self, StartError> {
        let (name_server, held_name_server) = match config.name_server_port {
            0 => free()?,
            port => given(Server::NameServer, port)?,
        };
        let (broker, held_broker) = match config.broker_port {
            0 => free_pair()?,
            port => given_pair(port)?,
        };
        let (replication, held_replication) = free()?;
        // All were bound at once, so that they differ.
        drop((held_name_server, held_broker, held_replication));
        let were_free = config.name_server_port == 0 || config.broker_port == 0;
        Ok(Self { name_server, broker, replication, were_free })
    }

    pub(crate) const fn name_server(self) -> SocketAddr {
        SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.name_server))
    }
}

fn free() -> Result<(u16, TcpListener), StartError> {
    let found = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok((listener.local_addr()?.port(), listener))
    };
    found().map_err(StartError::NoFreePorts)
}

fn free_pair() -> Result<(u16, [TcpListener; 2]), StartError> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..SEARCHES_MAX {
        let (port, listener) = free()?;
        let Some(below) = port.checked_sub(FAST_PORT_BELOW) else { continue };
        match TcpListener::bind((Ipv4Addr::LOCALHOST, below)) {
            Ok(fast) => return Ok((port, [listener, fast])),
            Err(why) => refused = why,
        }
    }
    Err(StartError::NoFreePorts(refused))
}

fn given(server: Server, port: u16) -> Result<(u16, TcpListener), StartError> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => Ok((port, listener)),
        Err(source) => Err(StartError::PortTaken { server, port, source }),
    }
}

fn given_pair(port: u16) -> Result<(u16, [TcpListener; 2]), StartError> {
    let (port, listener) = given(Server::Broker, port)?;
    let Some(below) = port.checked_sub(FAST_PORT_BELOW).filter(|below| *below > 0) else {
        let source =
            io::Error::new(io::ErrorKind::InvalidInput, "the broker also needs the port two below it");
        return Err(StartError::PortTaken { server: Server::Broker, port, source });
    };
    let (_, fast) = given(Server::Broker, below)?;
    Ok((port, [listener, fast]))
}

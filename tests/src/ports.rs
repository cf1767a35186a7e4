//! Ports for processes that are stopped and started again.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::LazyLock,
};

use parking_lot::Mutex;

/// Below the range from which the kernel takes the ports of outgoing connections: one of those could sit on the
/// port of a process that is just being started again.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A loopback address that nobody listens on, given out once in the life of this process.
///
/// # Panics
/// If all are taken.
pub fn free_address() -> SocketAddr {
    let mut given = GIVEN.lock();
    // Test binaries that run side by side begin at different places.
    let first = u16::try_from(process::id().wrapping_mul(131) % u32::from(COUNT)).unwrap_or(0);
    let candidates = (0..COUNT).map(|step| FIRST + (first + step) % COUNT);
    let port = candidates
        .into_iter()
        .find(|port| !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port");
    given.insert(port);
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

//! Free ports, below the range from which the kernel takes those of outgoing connections.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::Context;

const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// How many were looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nobody listens on, given out once in the life of this process.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    // Two benchmarks side by side begin at different places.
    let first = u16::try_from(process::id() % u32::from(COUNT))?;
    loop {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        (step < COUNT).then_some(()).context("no free port")?;
        let port = FIRST + (first + step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

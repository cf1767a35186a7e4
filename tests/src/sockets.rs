//! TCP connections of this machine, as the kernel lists them.

use std::{collections::BTreeSet, fs, net::SocketAddr};

/// The state of a connection that is open at this end.
const ESTABLISHED: &str = "01";

/// The ports at the other ends of the open connections of the process that listens at `local`, over IPv4.
///
/// # Panics
/// If the kernel does not list them.
pub fn peers(local: SocketAddr) -> BTreeSet<u16> {
    let table = fs::read_to_string("/proc/net/tcp").expect("a list of connections");
    peers_in(&table, local.port())
}

fn peers_in(table: &str, local: u16) -> BTreeSet<u16> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    let peer = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (here, there, state) = (columns.next()?, columns.next()?, columns.next()?);
        (port(here)? == local && state == ESTABLISHED).then(|| port(there)).flatten()
    };
    table.lines().skip(1).filter_map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_connections_of_the_port_are_found_and_no_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n   \
                     1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0\n   \
                     2: 0100007F:1F90 0100007F:C002 08 00000000:00000000 00:00000000 00000000     0\n   \
                     3: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0\n";
        assert_eq!(peers_in(table, 8_080), BTreeSet::from([0xc001]));
    }
}

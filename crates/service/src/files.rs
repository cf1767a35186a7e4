//! The open-file limit of a process: each connection takes a file, including those to its own servers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Files reserved for the process itself: connections to its servers, sockets, logs, the runtime's own. A gateway on
/// a Redis Cluster of 32 masters takes about 120.
const OWN_MAX: usize = 256;

/// Raises the soft limit of open files (`RLIMIT_NOFILE`) to the hard limit, and returns it. The soft limit is 1,024
/// almost everywhere, for the sake of programs that use `select`.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        warn!(%error, soft = limit.current, hard = limit.maximum, "raising the limit of open files failed");
    }
    limit_now()
}

/// The open-file limit of the process.
pub fn limit_now() -> usize {
    let soft = getrlimit(Resource::Nofile).current;
    soft.map_or(usize::MAX, |soft| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Divides the files of a process among its connections, so that neither buyers nor operators block its servers,
/// and buyers do not block operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Maximum connections of operators.
    pub operators_max: usize,
    /// Maximum connections of buyers, over all protocols.
    pub buyers_max: usize,
}

impl Division {
    /// Divides `files` files among `operators` and `buyers` configured connections.
    pub fn of(files: usize, operators: usize, buyers: usize) -> Self {
        let shared = files - OWN_MAX.min(files / 2);
        let operators_max = operators.min(shared / 4).max(1);
        let buyers_max = buyers.min(shared - operators_max.min(shared)).max(1);
        Self { operators_max, buyers_max }
    }

    /// Logs the reduced limits if the open-file limit is too low for the configuration.
    pub fn report(self, files: usize, operators: usize, buyers: usize) {
        let Self { operators_max, buyers_max } = self;
        if operators_max < operators || buyers_max < buyers {
            warn!(
                files,
                buyers_max,
                operators_max,
                configured_buyers = buyers,
                configured_operators = operators,
                "the limit of open files is too low for connections_max; fewer connections are accepted: raise \
                 the hard limit (ulimit -Hn, LimitNOFILE), or lower connections_max"
            );
        } else {
            info!(files, buyers_max, operators_max, "connections are limited");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Division, OWN_MAX};

    #[test]
    fn whatever_the_limit_is_servers_and_operators_have_files_left() {
        for files in [16, 64, 256, 1_024, 4_096, 65_536, 1 << 30] {
            let Division { operators_max, buyers_max } = Division::of(files, 20_000, 40_000);
            assert!(operators_max >= 1 && buyers_max >= 1, "{files}");
            let own = files - operators_max - buyers_max;
            assert!(own >= OWN_MAX.min(files / 2), "{own} of {files}");
        }
        let enough = Division { operators_max: 1_000, buyers_max: 40_000 };
        assert_eq!(Division::of(1 << 20, 1_000, 40_000), enough);
    }
}

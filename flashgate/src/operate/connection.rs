//! A connection to a server, with time-outs.

use std::time::Duration;

use flashgate_proto::channel::kept_alive;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::exit::{Failed, causes};

/// Connects to the server that `flag` names. Each call on the channel ends within `within`.
pub(super) async fn open(flag: &str, url: &str, within: Duration) -> Result<Channel, Failed> {
    let endpoint = Endpoint::from_shared(url.to_owned());
    let endpoint = endpoint.map_err(|_why| Failed::flag(flag, "must be http://HOST:PORT"))?;
    if endpoint.uri().scheme_str() != Some("http") {
        return Err(Failed::flag(flag, "must be http://HOST:PORT (TLS is not supported)"));
    }
    let endpoint = kept_alive(endpoint).connect_timeout(within).timeout(within);
    // The endpoint's connect time-out covers TCP alone, not a server that says nothing.
    let unreachable = |why: &str| Failed::Unavailable(format!("{url} cannot be reached: {why}"));
    let connected =
        timeout(within, endpoint.connect()).await.map_err(|_elapsed| unreachable("it does not answer"))?;
    connected.map_err(|why| unreachable(&causes(&why)))
}

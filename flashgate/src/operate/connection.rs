//! A connection to a server that is known to be the right one, with time-outs.
use std::time::Duration;

use flashgate_domain::causes;
use flashgate_output::exit::Failed;
use flashgate_proto::channel::kept_alive;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::peer::{Service, check};

/// Connects to the port of `service` at `url`, and asks whether that is what answers there. Each call on the channel ends
/// within `within`.
///
/// # Errors
/// [`Failed::Usage`] names the flag if the URL is none, or if something else answers there; [`Failed::Unavailable`] if
/// nothing does.
pub(super) async fn open(service: Service, url: &str, within: Duration) -> Result<Channel, Failed> {
    let flag = service.flag();
    let endpoint = Endpoint::from_shared(url.to_owned());
    let endpoint = endpoint.map_err(|_why| Failed::flag(flag, "must be http://HOST:PORT"))?;
    if endpoint.uri().scheme_str() != Some("http") {
        return Err(Failed::flag(flag, "must be http://HOST:PORT (TLS is not supported)"));
    }
    let endpoint = kept_alive(endpoint).connect_timeout(within).timeout(within);
    // The endpoint's connect time-out covers TCP alone, not a server that says nothing.
    let unreachable = |why: &str| Failed::Unavailable(format!("{flag} {url} cannot be reached: {why}"));
    let connected =
        timeout(within, endpoint.connect()).await.map_err(|_elapsed| unreachable("it does not answer"))?;
    let channel = connected.map_err(|why| unreachable(&causes(&why)))?;
    check(service, url, endpoint.uri(), &channel, within).await?;
    Ok(channel)
}

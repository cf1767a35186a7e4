//! A connection to a server that is verified to be the expected one, with timeouts.

use std::time::Duration;

use flashgate_domain::causes;
use flashgate_proto::channel::kept_alive;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::{
    error::ClientError,
    port::{Port, check},
};

/// Connects to `port` at `url` and verifies the server. `within` is the timeout of each call on the channel.
///
/// # Errors
/// [`ClientError::InvalidUrl`], [`ClientError::OtherServer`], or [`ClientError::Unreachable`].
pub async fn connect(port: Port, url: &str, within: Duration) -> Result<Channel, ClientError> {
    let invalid = |expected| ClientError::InvalidUrl { port, expected };
    let endpoint =
        Endpoint::from_shared(url.to_owned()).map_err(|_error| invalid("must be http://HOST:PORT"))?;
    if endpoint.uri().scheme_str() != Some("http") {
        return Err(invalid("must be http://HOST:PORT (TLS is not supported)"));
    }
    let endpoint = kept_alive(endpoint).connect_timeout(within).timeout(within);
    // The endpoint's connect timeout covers TCP alone, not a server that accepts and never answers.
    let unreachable = |error: String| ClientError::Unreachable { port, url: url.to_owned(), error };
    let connected = timeout(within, endpoint.connect())
        .await
        .map_err(|_elapsed| unreachable("it does not answer".to_owned()))?;
    let channel = connected.map_err(|error| unreachable(causes(&error)))?;
    check(port, url, endpoint.uri(), &channel, within).await?;
    Ok(channel)
}

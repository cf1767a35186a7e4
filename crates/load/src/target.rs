//! The servers under load.

use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};

use flashgate_output::exit::CliError;
use http::Uri;
use tokio::net::lookup_host;

/// A server in the form of the command line: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    authority: Arc<str>,
}

/// A server with a resolved address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// `host:port`, for the header `Host`.
    pub(super) authority: Arc<str>,
    /// The address to connect to.
    pub(super) address: SocketAddr,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "must be http://HOST:PORT (TLS is not supported)";
        let uri: Uri = text.parse().map_err(|_why| expected.to_owned())?;
        let plain =
            uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        match uri.into_parts().authority.filter(|_| plain) {
            Some(authority) if authority.port().is_some() && !authority.as_str().contains('@') => {
                Ok(Self { authority: authority.as_str().into() })
            }
            Some(_) | None => Err(expected.to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl Target {
    /// Resolves the address once: name servers are not to be measured.
    pub(super) async fn resolve(&self) -> Result<Server, CliError> {
        let unknown =
            |why: &dyn fmt::Display| CliError::flag("--target", format!("{self} has no address: {why}"));
        let mut addresses = lookup_host(&*self.authority).await.map_err(|why| unknown(&why))?;
        let address = addresses.next().ok_or_else(|| unknown(&"the name is not known"))?;
        Ok(Server { authority: Arc::clone(&self.authority), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_plain_http_address_with_a_port() {
        assert_eq!("http://gate:7001/".parse::<Target>().unwrap().to_string(), "http://gate:7001");
        assert!("http://[::1]:7001".parse::<Target>().is_ok());
        for wrong in
            ["gate:7001", "https://gate:7001", "http://gate", "http://gate:1/path", "http://u@gate:1", ""]
        {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}

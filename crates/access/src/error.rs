//! Why a server and this process refuse each other.

use std::{error::Error, fmt, io, sync::Arc};

use rustls::{AlertDescription, CertificateError};

/// The keys of a server in the configuration, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeys {
    /// The server: `Redis`.
    pub server: &'static str,
    /// Its section of the configuration: `redis`.
    pub section: &'static str,
    /// The key of its address: `redis.urls`.
    pub address: &'static str,
    /// The key that names the user: that of the address, or one of its own.
    pub user: &'static str,
}

/// A server refused this process, or this process refused the server. An operator must act; until then each attempt
/// fails.
#[derive(Debug)]
pub struct AccessError {
    /// The keys to check.
    pub keys: &'static ServerKeys,
    /// The address of the server.
    pub address: String,
    /// What was refused.
    pub refusal: Refusal,
    /// The error as the server or the TLS library words it.
    pub detail: String,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, address, refusal, detail } = self;
        write!(f, "{} at {address}: {refusal} ({detail}); check {}", keys.server, refusal.remedy(keys))
    }
}

impl Error for AccessError {}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No trusted authority has signed the server's certificate.
    UnknownAuthority,
    /// The server's certificate has expired, or is not valid yet.
    Expired,
    /// The server's certificate is for other names than the address.
    WrongName,
    /// The server's certificate cannot be used for another reason.
    Certificate,
    /// The server requires a client certificate, or refuses this one.
    ClientCertificate,
    /// The server does not speak TLS, or nothing that both sides support.
    NoTls,
    /// The server refuses connections without TLS.
    TlsRequired,
    /// The server does not know the user, or not with this password.
    Login,
    /// The user lacks a right.
    Right,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAuthority => "no trusted authority has signed the server's certificate",
            Self::Expired => "the server's certificate has expired or is not valid yet",
            Self::WrongName => "the server's certificate is for another name",
            Self::Certificate => "the server's certificate is invalid",
            Self::ClientCertificate => "the server requires a client certificate or refuses this one",
            Self::NoTls => "the server does not speak TLS, or no version or cipher in common",
            Self::TlsRequired => "the server requires TLS",
            Self::Login => "user or password refused",
            Self::Right => "the user lacks a right",
        })
    }
}

impl Refusal {
    /// What to check.
    fn remedy(self, keys: &ServerKeys) -> String {
        let ServerKeys { section, address, user, .. } = keys;
        match self {
            Self::UnknownAuthority => format!("{section}.tls.ca_file"),
            Self::Expired => {
                "the certificate and the clock of the server, and the clock of this host".to_owned()
            }
            Self::WrongName => format!("{address}, or the names in the certificate"),
            Self::Certificate => "the certificate of the server".to_owned(),
            Self::ClientCertificate => format!("{section}.tls.certificate_file and {section}.tls.key_file"),
            Self::NoTls => format!("{address} and {section}.tls"),
            Self::TlsRequired => format!("{section}.tls"),
            Self::Login => format!("{user}, {section}.password and {section}.password_file"),
            Self::Right => {
                format!("the rights of the user in {user} (docs/OPERATIONS.md, \"Users, rights and TLS\")")
            }
        }
    }

    /// The refusal in an error of TLS, wherever it stands among the causes of `error`; `None` for every other error.
    pub fn of_tls(error: &(dyn Error + 'static)) -> Option<Self> {
        let tls = find_tls(error)?;
        if let rustls::Error::InvalidCertificate(wrong) = tls {
            return Some(Self::of_certificate(wrong));
        }
        if let rustls::Error::AlertReceived(alert) = tls {
            return Self::of_alert(*alert);
        }
        let incompatible = matches!(
            tls,
            rustls::Error::InvalidMessage(_)
                | rustls::Error::PeerIncompatible(_)
                | rustls::Error::InappropriateMessage { .. }
        );
        incompatible.then_some(Self::NoTls)
    }

    fn of_certificate(wrong: &CertificateError) -> Self {
        if matches!(wrong, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
            Self::UnknownAuthority
        } else if matches!(
            wrong,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        ) {
            Self::Expired
        } else if matches!(
            wrong,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ) {
            Self::WrongName
        } else {
            Self::Certificate
        }
    }

    /// The server's refusal, with which it ends a handshake.
    fn of_alert(alert: AlertDescription) -> Option<Self> {
        let of_client = matches!(
            alert,
            AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::CertificateRequired
        );
        // TLS 1.2 has no other alert for a missing certificate.
        let of_both = matches!(
            alert,
            AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
        );
        if of_client { Some(Self::ClientCertificate) } else { of_both.then_some(Self::NoTls) }
    }
}

/// The TLS error among the causes. Neither an error of a stream nor a shared error names its content as a cause.
fn find_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        next = if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(&**shared)
        } else if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner)
        } else {
            error.source()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: ServerKeys =
        ServerKeys { server: "Redis", section: "redis", address: "redis.urls", user: "redis.urls" };

    #[test]
    fn a_refusal_is_found_among_the_causes() {
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let stream = io::Error::new(io::ErrorKind::InvalidData, expired);
        assert_eq!(Refusal::of_tls(&stream), Some(Refusal::Expired));
        // As the Redis client wraps it.
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(stream);
        assert_eq!(Refusal::of_tls(&shared), Some(Refusal::Expired));
        assert_eq!(Refusal::of_tls(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        let alert = |alert| Refusal::of_tls(&rustls::Error::AlertReceived(alert));
        assert_eq!(alert(AlertDescription::CertificateRequired), Some(Refusal::ClientCertificate));
        assert_eq!(alert(AlertDescription::HandshakeFailure), Some(Refusal::NoTls));
        assert_eq!(alert(AlertDescription::InternalError), None);
    }

    #[test]
    fn an_error_names_server_refusal_and_keys() {
        let error = AccessError {
            keys: &KEYS,
            address: "redis.internal:6379".to_owned(),
            refusal: Refusal::UnknownAuthority,
            detail: "invalid peer certificate: UnknownIssuer".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "Redis at redis.internal:6379: no trusted authority has signed the server's certificate (invalid peer \
             certificate: UnknownIssuer); check redis.tls.ca_file"
        );
    }
}

//! The configuration of payments. Without the table `payment` they are off.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    str::FromStr,
    time::Duration,
};

use flashgate_domain::{AttemptId, Backoff, non_zero};
use flashgate_payments::http::{HttpProviderConfig, InvalidProviderConfig};
use flashgate_service::{config::ConfigError, listener::ListenerLimits};
use http::Uri;
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

/// Payments. The same at every worker: buyers' requests, callbacks and checks reach any of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentConfig {
    /// Address for callbacks. Its own, because the provider reaches it from outside, and operators' port is
    /// unauthenticated.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Limits on the connections of callbacks, and timeouts.
    #[serde(default = "limits")]
    pub limits: ListenerLimits,
    /// Where the buyer pays: a URL with `{attempt_id}` in it.
    pub page_url: PageUrl,
    /// The provider.
    pub provider: HttpProviderConfig,
    /// The time from the opening of an attempt to its first check at the provider, and the first pause between checks.
    /// 30 s: most buyers have paid by then, and the callback has told so.
    #[serde(default = "check_first_ms")]
    pub check_first_ms: NonZeroU64,
    /// Maximum pause between checks of an attempt. 5 min: 100,000 unpaid attempts are some 330 queries a second.
    #[serde(default = "check_max_ms")]
    pub check_max_ms: NonZeroU64,
    /// First pause after a refund that the provider has not finished. 2 s.
    #[serde(default = "refund_backoff_min_ms")]
    pub refund_backoff_min_ms: NonZeroU64,
    /// Maximum pause after a refund that the provider has not finished. 10 min: some providers take days.
    #[serde(default = "refund_backoff_max_ms")]
    pub refund_backoff_max_ms: NonZeroU64,
    /// How long the ids of callbacks are kept. 8 days: longer than providers redeliver.
    #[serde(default = "callback_retention_ms")]
    pub callback_retention_ms: NonZeroU64,
}

impl PaymentConfig {
    /// A configuration with the defaults.
    pub fn new(page_url: PageUrl, provider: HttpProviderConfig) -> Self {
        Self {
            listen: listen(),
            limits: limits(),
            page_url,
            provider,
            check_first_ms: check_first_ms(),
            check_max_ms: check_max_ms(),
            refund_backoff_min_ms: refund_backoff_min_ms(),
            refund_backoff_max_ms: refund_backoff_max_ms(),
            callback_retention_ms: callback_retention_ms(),
        }
    }

    /// Checks the rules that span several keys, and that the files can be used.
    ///
    /// # Errors
    /// The key, and what it must be.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.provider.check().map_err(Self::unfit)?;
        if self.check_max_ms < self.check_first_ms {
            return Err(ConfigError::unfit(
                "payment.check_max_ms",
                "must be at least payment.check_first_ms",
            ));
        }
        if self.refund_backoff_max_ms < self.refund_backoff_min_ms {
            let expected = "must be at least payment.refund_backoff_min_ms";
            return Err(ConfigError::unfit("payment.refund_backoff_max_ms", expected));
        }
        Ok(())
    }

    /// The error of a key of the provider.
    pub(crate) fn unfit(wrong: InvalidProviderConfig) -> ConfigError {
        ConfigError::Wrong(format!("payment.provider.{wrong}"))
    }

    pub(crate) const fn check_first(&self) -> Duration {
        Duration::from_millis(self.check_first_ms.get())
    }

    /// The pauses between checks. `seed` determines them.
    pub(crate) fn check_backoff(&self, seed: u64) -> Backoff {
        Backoff::new(self.check_first(), Duration::from_millis(self.check_max_ms.get()), seed)
    }

    /// The pauses between tries of a refund. `seed` determines them.
    pub(crate) fn refund_backoff(&self, seed: u64) -> Backoff {
        let millis = |millis: NonZeroU64| Duration::from_millis(millis.get());
        Backoff::new(millis(self.refund_backoff_min_ms), millis(self.refund_backoff_max_ms), seed)
    }

    pub(crate) const fn callback_retention(&self) -> Duration {
        Duration::from_millis(self.callback_retention_ms.get())
    }

    /// The maximum time of a call to the provider.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.provider.call_timeout_ms.get().into())
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 7_071))
}

/// A provider has few connections, and strangers can have all of them at most.
fn limits() -> ListenerLimits {
    ListenerLimits { connections_max: 256, ..ListenerLimits::default() }
}

const fn check_first_ms() -> NonZeroU64 {
    non_zero!(30_000)
}

const fn check_max_ms() -> NonZeroU64 {
    non_zero!(300_000)
}

const fn refund_backoff_min_ms() -> NonZeroU64 {
    non_zero!(2_000)
}

const fn refund_backoff_max_ms() -> NonZeroU64 {
    non_zero!(600_000)
}

const fn callback_retention_ms() -> NonZeroU64 {
    non_zero!(8 * 24 * 60 * 60 * 1_000)
}

/// The address of the page on which a buyer pays an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl {
    before: String,
    after: String,
}

/// A text that is no address of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "must be http:// or https://, a host, and a path or query with {{attempt_id}} once; at most 2000 characters"
)]
pub struct InvalidPageUrl;

impl PageUrl {
    const PLACE: &str = "{attempt_id}";
    const BYTES_MAX: usize = 2_000;

    /// The page of an attempt.
    pub fn of(&self, attempt: AttemptId) -> String {
        format!("{}{attempt}{}", self.before, self.after)
    }
}

impl FromStr for PageUrl {
    type Err = InvalidPageUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPageUrl> {
        let (before, after) = text.split_once(Self::PLACE).ok_or(InvalidPageUrl)?;
        // An id has only digits and a hyphen.
        let page = format!("{before}1-1{after}");
        let uri: Uri = page.parse().map_err(|_cause| InvalidPageUrl)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // The id is behind the host, or it would be part of a name.
        let has_host = before.split_once("://").is_some_and(|(_scheme, rest)| rest.contains(['/', '?']));
        let fits = is_web && has_host && text.len() <= Self::BYTES_MAX && !after.contains(Self::PLACE);
        fits.then(|| Self { before: before.to_owned(), after: after.to_owned() }).ok_or(InvalidPageUrl)
    }
}

impl<'de> Deserialize<'de> for PageUrl {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_an_attempt_has_its_id_in_the_place_of_the_template() {
        for (template, expected) in [
            ("https://pay.example/p/{attempt_id}", "https://pay.example/p/1024-7"),
            (
                "http://127.0.0.1:7090/pay?attempt={attempt_id}&lang=en",
                "http://127.0.0.1:7090/pay?attempt=1024-7&lang=en",
            ),
        ] {
            let page: PageUrl = template.parse().unwrap();
            assert_eq!(page.of("1024-7".parse().unwrap()), expected);
        }
        let long = format!("https://pay.example/{}{{attempt_id}}", "x".repeat(2_000));
        for wrong in [
            "",
            "https://pay.example/",
            "https://{attempt_id}.example/",
            "https://pay.example/{attempt_id}/{attempt_id}",
            "ftp://pay.example/{attempt_id}",
            "pay.example/{attempt_id}",
            "https:///{attempt_id}",
            "https://pay.example/ {attempt_id}",
            "https://pay.example/\u{e9}{attempt_id}\n",
            &long,
        ] {
            assert_eq!(wrong.parse::<PageUrl>(), Err(InvalidPageUrl), "{wrong:?}");
        }
    }
}

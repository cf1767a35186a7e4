//! The driver that opens this store by its URL.

use std::{borrow::Cow, sync::Arc};

use flashgate_order_store::server::{
    ServerAccess, ServerSettings, ServerStore, StoreDriver, StoreTarget, StoreUrl,
};
use flashgate_supervision::Supervisor;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::{MySqlStore, connector::Connector};

/// MySQL 8.0, at `mysql://user:password@host:port/database`.
#[derive(Clone, Copy, Debug)]
pub struct MySql;

impl StoreDriver for MySql {
    fn scheme(&self) -> &'static str {
        "mysql"
    }

    fn url_form(&self) -> &'static str {
        "mysql://user:password@host:port/database"
    }

    fn default_url(&self) -> StoreUrl {
        StoreUrl::of(Cow::Borrowed("mysql://flashgate@127.0.0.1:3306/flashgate"))
    }

    /// The parser's error is omitted: it may quote the password. TLS is set by keys, never by the URL: a mode in both
    /// could differ.
    fn parse(&self, url: &StoreUrl) -> Option<Box<dyn StoreTarget>> {
        let options: MySqlConnectOptions = url.secret().parse().ok()?;
        options.get_database().filter(|name| !name.is_empty())?;
        let is_plain = matches!(options.get_ssl_mode(), MySqlSslMode::Disabled | MySqlSslMode::Preferred);
        is_plain.then(|| -> Box<dyn StoreTarget> {
            Box::new(Target { options, has_password: has_password(url.secret()) })
        })
    }
}

/// Whether the login part of a valid URL has a password.
fn has_password(url: &str) -> bool {
    let location = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    let login = location.rsplit_once('@').map(|(login, _location)| login);
    login.is_some_and(|login| login.contains(':'))
}

struct Target {
    options: MySqlConnectOptions,
    has_password: bool,
}

impl StoreTarget for Target {
    fn has_password(&self) -> bool {
        self.has_password
    }

    fn open(
        self: Box<Self>,
        settings: ServerSettings,
        access: ServerAccess,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Arc<dyn ServerStore> {
        let connector = Connector::new(self.options, access);
        Arc::new(MySqlStore::over(connector, &settings, seed, supervisor.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn tls_is_never_set_by_the_url() {
        let parse = |query| MySql.parse(&StoreUrl::of(Cow::Owned(format!("mysql://me@db/shop{query}"))));
        assert!(parse("").is_some() && parse("?ssl-mode=disabled").is_some());
        assert!(parse("?ssl-mode=verify_ca").is_none() && parse("?ssl-mode=required").is_none());
    }

    #[test]
    fn a_password_in_the_url_is_noticed() {
        for (url, has) in [
            ("mysql://db:3306/shop", false),
            ("mysql://me@db:3306/shop", false),
            ("mysql://me:hunter2@db:3306/shop", true),
        ] {
            let target = MySql.parse(&StoreUrl::of(Cow::Borrowed(url))).unwrap();
            assert_eq!(target.has_password(), has, "{url}");
        }
    }
}

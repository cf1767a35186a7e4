//! Servers that demand TLS, users and rights: a sale on them, and what a refusal looks like at the start and
//! later.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, path::Path, process, time::Duration};

use flashgate_tests::{
    Answer, Deployment, Purchase, SaleForm, ask_all, door, eventually, own_stack::OwnStack,
    ports::free_address, process::Process, secure::Secure,
};
use http::StatusCode;
use redis::Cmd;
use tempfile::TempDir;

/// The exit code of refused access.
const REFUSED: i32 = 5;
/// How long a process may take to notice that it is locked out, or let in again.
const NOTICE_TIME: Duration = Duration::from_secs(30);
const STOCK: u64 = 50;

/// A program at its start, with the access of a role to a secure stack.
struct Start {
    folder: TempDir,
    login: Vec<(String, String)>,
    arguments: [&'static str; 3],
    program: &'static str,
    config: String,
}

impl Start {
    fn gateway(stack: &OwnStack) -> Self {
        let access = stack.access();
        let url = Secure::redis_url(host(&stack.redis_url()));
        let [http, grpc, operator, nobody] = [(); 4].map(|()| free_address());
        let config = format!(
            "[listen]\nhttp = \"{http}\"\ngrpc = \"{grpc}\"\noperator = \"{operator}\"\n\
             [redis]\nurls = [\"{url}\"]\nprefix = \"{}\"\n\
             [rocketmq]\nname_servers = [\"{nobody}\"]\n[worker]\nurl = \"http://{nobody}\"\n",
            access.prefix()
        );
        Self::new("gateway", "serve", access.of_gateway(), config)
    }

    fn worker(stack: &OwnStack, command: &'static str) -> Self {
        let access = stack.access();
        let user = if command == "migrate" { "migrator" } else { "worker" };
        let url = Secure::mysql_url(user, host(stack.mysql_url().rsplit_once('/').unwrap().0));
        let [operator, nobody] = [(); 2].map(|()| free_address());
        let config = format!(
            "[order_store]\nurl = \"{url}\"\n[rocketmq]\nname_servers = [\"{nobody}\"]\n\
             [operator]\nlisten = \"{operator}\"\n"
        );
        Self::new("order-worker", command, access.of_worker(user), config)
    }

    fn new(
        program: &'static str,
        command: &'static str,
        login: Vec<(String, String)>,
        config: String,
    ) -> Self {
        let folder = TempDir::with_prefix("flashgate-secure-").unwrap();
        Self { folder, login, arguments: [command, "--config", "config.toml"], program, config }
    }

    /// A setting instead of the right one: `REDIS__TLS__CA_FILE`.
    fn with(mut self, key: &str, value: &str) -> Self {
        let prefix = if self.program == "gateway" { "FLASHGATE_GATEWAY__" } else { "FLASHGATE_WORKER__" };
        let variable = format!("{prefix}{key}");
        self.login.retain(|(name, _value)| *name != variable);
        if !value.is_empty() {
            self.login.push((variable, value.to_owned()));
        }
        self
    }

    /// Its exit code and everything that it printed.
    async fn outcome(self) -> (Option<i32>, String) {
        let file = self.folder.path().join("config.toml");
        fs::write(&file, &self.config).unwrap();
        let [command, option, _file] = self.arguments.map(str::to_owned);
        let arguments = vec![command, option, file.display().to_string()];
        let program = flashgate_tests::process::binary(self.program);
        let mut process = Process::new(self.program, program, arguments, self.folder.path());
        process.start(&self.login);
        let status = process.died().await;
        (status.code(), process.log())
    }

    /// Fails unless the program ends with the code for refused access and names `expected`, without a password.
    async fn assert_refused(self, stack: &OwnStack, expected: &[&str]) {
        let access = stack.access();
        let (code, log) = self.outcome().await;
        assert_eq!(code, Some(REFUSED), "{expected:?}:\n{log}");
        let message =
            log.lines().find(|line| line.starts_with("gateway: ") || line.starts_with("order-worker: "));
        for text in expected {
            assert!(message.unwrap_or_default().contains(text), "{text:?} is not in: {log}");
        }
        for password in access.passwords().iter().map(String::as_str).chain(["wrong-password"]) {
            assert!(!log.contains(password), "a password is in the log:\n{log}");
        }
    }
}

/// `host:port` of a URL without a database.
fn host(url: &str) -> &str {
    url.rsplit(['/', '@']).next().unwrap()
}

/// As an administrator of Redis.
async fn redis<T: redis::FromRedisValue>(stack: &OwnStack, command: Cmd) -> T {
    let access = stack.access();
    let stock = flashgate_tests::stock::Stock::over(&stack.redis_url(), access.prefix(), 1, Some(&access));
    stock.query(command).await
}

async fn set_user(stack: &OwnStack, rules: &[&str]) {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("gateway").arg(rules);
    let _ok: String = redis(stack, command).await;
}

/// As an administrator of MySQL.
async fn mysql(stack: &OwnStack, statements: &[&str]) {
    let store =
        flashgate_tests::order_store::OrderStore::of_secure(&stack.mysql_url(), &stack.access()).await;
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe((*statement).to_owned())).execute(store.pool()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_redis_refuses_ends_and_names_the_key() {
    let stack = OwnStack::secure("redis", "secure").await;
    let access = stack.access();
    let gateway = || Start::gateway(&stack);
    let unknown = access.unknown_authority().to_owned();
    let untrusted = gateway().with("REDIS__TLS__CA_FILE", &unknown);
    untrusted
        .assert_refused(&stack, &["no trusted authority", "redis.tls.ca_file", "Redis at 127.0.0.1:"])
        .await;
    let wrong = gateway().with("REDIS__PASSWORD_FILE", "").with("REDIS__PASSWORD", "wrong-password");
    wrong.assert_refused(&stack, &["user or password refused", "redis.password_file", "WRONGPASS"]).await;
    let without = gateway().with("REDIS__PASSWORD_FILE", "");
    without.assert_refused(&stack, &["user or password refused", "redis.password"]).await;

    for (missing, named) in
        [("-hset", "HSET"), ("-eval", "eval"), ("-info", "info"), ("-subscribe", "subscribe")]
    {
        set_user(&stack, &[missing]).await;
        gateway().assert_refused(&stack, &["lacks a right", named, "redis.urls"]).await;
        set_user(&stack, &[&missing.replace('-', "+")]).await;
    }
    set_user(&stack, &["resetkeys", "~other:*"]).await;
    gateway().assert_refused(&stack, &["lacks a right", "redis.urls"]).await;
    set_user(&stack, &["resetkeys", "~secure:*"]).await;

    stack.give_certificate("redis", "expired").await;
    gateway().assert_refused(&stack, &["has expired", "the clock of this host"]).await;
    stack.give_certificate("redis", "unknown").await;
    gateway().assert_refused(&stack, &["no trusted authority", "redis.tls.ca_file"]).await;
    stack.give_certificate("redis", "valid").await;

    let mut demand = redis::cmd("CONFIG");
    demand.arg("SET").arg("tls-auth-clients").arg("yes");
    let _ok: String = redis(&stack, demand).await;
    gateway().assert_refused(&stack, &["client certificate", "redis.tls.certificate_file"]).await;
    let (code, log) = gateway().with("REDIS__TLS__CA_FILE", "/missing").outcome().await;
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("redis.tls.ca_file: cannot read /missing"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_mysql_refuses_ends_and_names_the_key() {
    let stack = OwnStack::secure("mysql", "secure").await;
    let access = stack.access();
    let (code, log) = Start::worker(&stack, "migrate").outcome().await;
    assert_eq!(code, Some(0), "{log}");

    for command in ["migrate", "serve"] {
        let start = || Start::worker(&stack, command);
        let untrusted = start().with("ORDER_STORE__TLS__CA_FILE", access.unknown_authority());
        untrusted
            .assert_refused(
                &stack,
                &["no trusted authority", "order_store.tls.ca_file", "MySQL at 127.0.0.1:"],
            )
            .await;
        let wrong =
            start().with("ORDER_STORE__PASSWORD_FILE", "").with("ORDER_STORE__PASSWORD", "wrong-password");
        wrong.assert_refused(&stack, &["user or password refused", "order_store.password_file"]).await;
        let plain = start().with("ORDER_STORE__TLS__MODE", "").with("ORDER_STORE__TLS__CA_FILE", "");
        plain.assert_refused(&stack, &["the server requires TLS", "order_store.tls"]).await;
    }
    let serve = || Start::worker(&stack, "serve");
    for (right, table) in [("UPDATE", "sales"), ("INSERT", "sales"), ("SELECT", "_sqlx_migrations")] {
        mysql(&stack, &[&format!("REVOKE {right} ON flashgate.* FROM 'worker'@'127.0.0.1'")]).await;
        serve().assert_refused(&stack, &["lacks a right", right, table, "order_store.url"]).await;
        mysql(&stack, &[&format!("GRANT {right} ON flashgate.* TO 'worker'@'127.0.0.1'")]).await;
    }
    mysql(&stack, &["ALTER USER 'worker'@'127.0.0.1' REQUIRE X509"]).await;
    serve().assert_refused(&stack, &["user or password refused"]).await;
    mysql(&stack, &["ALTER USER 'worker'@'127.0.0.1' REQUIRE NONE"]).await;
    stack.give_certificate("mysql", "expired").await;
    serve().assert_refused(&stack, &["has expired", "the clock of this host"]).await;
}

/// What the readiness of a process says now.
async fn status(operator: std::net::SocketAddr) -> Result<StatusCode, String> {
    Ok(door::get(operator, "/healthz/ready").await?.status())
}

async fn until(operator: std::net::SocketAddr, what: &str, expected: StatusCode) {
    eventually(what, NOTICE_TIME, async || {
        let status = status(operator).await?;
        (status == expected).then_some(()).ok_or(format!("{status}"))
    })
    .await;
}

/// The client certificate of the stack.
fn set_client(login: &mut Vec<(String, String)>, section: &str, access: &Secure) {
    let [certificate, key] = access.client();
    login.push((format!("{section}__TLS__CERTIFICATE_FILE"), certificate.to_owned()));
    login.push((format!("{section}__TLS__KEY_FILE"), key.to_owned()));
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_on_secure_servers_outlives_a_lockout() {
    let prefix = format!("secure-{}", process::id());
    let stack = OwnStack::secure("redis,mysql,rocketmq", &prefix).await;
    let access = stack.access();
    let folder = TempDir::with_prefix("flashgate-secure-").unwrap();
    let (file, before) = (folder.path().join("password"), access.password("redis-gateway"));
    write(&file, &before);
    let password_file = ("FLASHGATE_GATEWAY__REDIS__PASSWORD_FILE".to_owned(), file.display().to_string());
    let mut clients = vec![password_file];
    set_client(&mut clients, "FLASHGATE_GATEWAY__REDIS", &access);
    set_client(&mut clients, "FLASHGATE_WORKER__ORDER_STORE", &access);
    let mut plan = Deployment::of("secure").on(stack.stack());
    for (variable, value) in &clients {
        plan = plan.variable(variable, value);
    }
    let mut demand = redis::cmd("CONFIG");
    demand.arg("SET").arg("tls-auth-clients").arg("yes");
    let _ok: String = redis(&stack, demand).await;
    mysql(&stack, &["ALTER USER 'worker'@'127.0.0.1' REQUIRE X509"]).await;
    let shop = plan.start().await;

    let sale = shop.open_sale(SaleForm::of_stock(STOCK).limit(1)).await;
    let wish = |number: u32| Purchase::new(sale, format!("buyer-{number}"), "key", 1);
    let door = shop.gateways[0].door();
    let mut heard = ask_all((0..20).map(wish).collect::<Vec<_>>(), 8, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");

    // Redis gets another password: the gateway is locked out until its file has it as well.
    let gateway = shop.gateways[0].operator();
    set_user(&stack, &["resetpass", ">changed-password"]).await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("USER").arg("gateway");
    let _killed: u64 = redis(&stack, kill).await;
    until(gateway, "the gateway is locked out", StatusCode::SERVICE_UNAVAILABLE).await;
    let refused = door.buy(&wish(20)).await;
    assert_eq!(refused, Answer::of_code("ledger_unavailable", true));
    write(&file, "changed-password\n");
    until(gateway, "the gateway is let in again", StatusCode::OK).await;

    // Redis and MySQL get certificates that have expired, and then others.
    let worker = shop.workers[0].address();
    stack.give_certificate("redis", "expired").await;
    stack.give_certificate("mysql", "expired").await;
    until(gateway, "the gateway refuses Redis", StatusCode::SERVICE_UNAVAILABLE).await;
    until(worker, "the worker refuses MySQL", StatusCode::SERVICE_UNAVAILABLE).await;
    stack.give_certificate("redis", "valid").await;
    stack.give_certificate("mysql", "valid").await;
    // A restarted Redis has its users from its file.
    write(&file, &before);
    until(gateway, "the gateway accepts Redis", StatusCode::OK).await;
    until(worker, "the worker accepts MySQL", StatusCode::OK).await;

    // A right goes and comes back: one without which no script begins, for a script that is refused half-way pauses its
    // sale.
    set_user(&stack, &["-evalsha"]).await;
    until(gateway, "the gateway lacks a right", StatusCode::SERVICE_UNAVAILABLE).await;
    set_user(&stack, &["+evalsha"]).await;
    until(gateway, "the gateway has it again", StatusCode::OK).await;

    let later = (20..60).map(wish).collect::<Vec<_>>();
    heard.extend(ask_all(later, 8, async |purchase: &Purchase| door.buy(purchase).await).await);
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), STOCK);
    for process in [&shop.gateways[0].process, &shop.workers[0].process] {
        for secret in [&*before, "changed-password", &access.password("mysql-worker")] {
            assert!(!process.log().contains(secret), "{} logs a password", process.name());
        }
    }
    shop.stop().await;
}

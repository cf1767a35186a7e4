//! Orders of a deployment in one process are paid and refunded through a payment provider.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    door::{ask, buy, cancel, open_sale},
    process::Serve,
    selling::{becomes, decided},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "token-of-the-merchant";

/// A payment provider that runs until it is dropped.
struct Provider {
    address: SocketAddr,
    _child: Child,
}

impl Provider {
    /// Starts it, with callbacks to that address.
    async fn start(folder: &Path, callbacks: SocketAddr) -> Self {
        let (secret, token) = (folder.join("secret"), folder.join("token"));
        fs::write(&secret, SECRET).unwrap();
        fs::write(&token, TOKEN).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_flashgate")).with_file_name("payment-provider");
        let mut command = Command::new(&program);
        command.args(["--listen", "127.0.0.1:0", "--retry-schedule", "1s,1s,1s,1s", "--callback-url"]);
        command.arg(format!("http://{callbacks}/v1/payments/callbacks"));
        command.arg("--secret-file").arg(secret).arg("--token-file").arg(token);
        let child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.unwrap_or_else(|why| panic!("{}: {why}; run scripts/test", program.display()));
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).await.unwrap();
        let address = told.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { address, _child: child }
    }

    /// The configuration of a merchant.
    fn settings(&self, callbacks: SocketAddr) -> String {
        let Self { address, .. } = self;
        format!(
            "[payment]\nlisten = \"{callbacks}\"\npage_url = \"http://{address}/pay?attempt={{attempt_id}}\"\n\
             check_first_ms = 1000\nrefund_backoff_min_ms = 100\n\
             [payment.provider]\nurl = \"http://{address}\"\ntoken = \"{TOKEN}\"\n\
             signing_secrets = [\"{SECRET}\"]\n"
        )
    }

    /// A buyer pays the attempt.
    async fn pay(&self, attempt: &Value, behaviour: &str) {
        let [id, currency] =
            ["attempt_id", "currency"].map(|field| attempt[field].as_str().unwrap().to_owned());
        let body = format!(
            "{{\"attempt_id\":\"{id}\",\"amount_minor\":{},\"currency\":\"{currency}\",\"behaviour\":\"{behaviour}\"}}",
            attempt["amount_minor"]
        );
        let (status, answer) = ask(self.address, "POST", "/pay", "", &body).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

/// Buys, and opens a payment.
async fn bought(serve: &Serve, sale: u64, buyer: &str) -> (String, Value) {
    let (status, accepted) = buy(serve.http, sale, buyer, "key").await.unwrap();
    assert_eq!(status, 202, "{accepted}");
    let order = accepted["order_id"].as_str().unwrap().to_owned();
    assert_eq!(decided(serve, &order, buyer).await, "confirmed");
    let headers = format!("X-Buyer-Id: {buyer}\r\n");
    let path = format!("/v1/orders/{order}/payment");
    let (status, attempt) = ask(serve.http, "POST", &path, &headers, "").await.unwrap();
    assert_eq!(status, 200, "{attempt}");
    (order, attempt)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_paid_by_callback_or_check_and_money_of_cancelled_ones_is_refunded() {
    let folder = tempfile::tempdir().unwrap();
    let callbacks = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = Provider::start(folder.path(), callbacks).await;
    let config = folder.path().join("serve.toml");
    fs::write(&config, provider.settings(callbacks)).unwrap();
    let data = folder.path().join("data");
    let serve = Serve::start_with(&data, &config).await;
    assert!(serve.told.contains(&format!("http://{callbacks}/v1/payments/callbacks")), "{}", serve.told);
    let sale = open_sale(&serve, 3, 1).await;

    let (by_callback, attempt) = bought(&serve, sale, "ada").await;
    provider.pay(&attempt, "prompt").await;
    becomes(&serve, &by_callback, "ada", |state| state == "paid").await;
    // Its callback is lost.
    let (by_check, attempt) = bought(&serve, sale, "bob").await;
    provider.pay(&attempt, "lost").await;
    becomes(&serve, &by_check, "bob", |state| state == "paid").await;

    // An operator takes the paid order back: its money follows, also after a restart.
    let (status, answer) = cancel(serve.http, &by_check, "bob").await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("order_state_conflict")), "it is paid");
    let path = format!("/v1/orders/{by_check}/cancel");
    let body = "{\"operator\":\"ops\",\"cause\":\"asked\"}";
    let (status, cancelled) = ask(serve.operator, "POST", &path, "", body).await.unwrap();
    assert_eq!(status, 200, "{cancelled}");
    assert_eq!(serve.stop().await, Some(0));
    let serve = Serve::start_with(&data, &config).await;
    becomes(&serve, &by_check, "bob", |state| state == "refunded").await;
    becomes(&serve, &by_callback, "ada", |state| state == "paid").await;
    assert_eq!(serve.stop().await, Some(0));
}

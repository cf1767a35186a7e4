//! The payment provider of the demo: that of the program `payment-provider`, in this process and on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use flashgate_access::Secret;
use flashgate_domain::{AttemptId, Money, RefundId, RefundState, SystemClock, non_zero};
use flashgate_order_worker::{config::PaymentConfig, payments::CALLBACKS_PATH};
use flashgate_output::exit::CliError;
use flashgate_payment_provider::{
    app::{self, CallbackSettings, Settings},
    behaviour::{Behaviour, RefundBehaviour},
};
use flashgate_payments::{
    http::HttpProviderConfig,
    provider::AttemptStatus,
    signature::{Profile, SignatureScheme, SigningSecret, SigningSecrets, TOLERANCE},
    wire::{AmountBody, AttemptBody, RefundBody},
};
use flashgate_supervision::Supervisor;
use http::Method;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use crate::serve::part::Part;

/// Pause before each retry of a callback.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Number of retries: those of 15 s.
const RETRIES: usize = 30;
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum attempts, and maximum refunds: more than a demo has orders.
const RECORDS_MAX: usize = 10_000_000;
/// Records of a page.
const PAGE_RECORDS: usize = 10_000;

/// A provider that listens and does not answer yet: the order worker needs its address before it starts, and it needs
/// the order worker's.
pub(super) struct ProviderSocket {
    listener: TcpListener,
    address: SocketAddr,
    token: Secret,
    secret: SigningSecret,
    run: u64,
}

/// A running provider.
pub(super) struct PaymentProvider {
    address: SocketAddr,
    token: Secret,
    part: Part<()>,
}

/// Everything that the provider has recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct ProviderRecords {
    pub(super) attempts: Vec<(AttemptId, AttemptStatus)>,
    pub(super) refunds: Vec<ProviderRefund>,
}

/// A refund that the provider has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderRefund {
    pub(super) id: RefundId,
    pub(super) attempt: AttemptId,
    pub(super) money: Money,
    pub(super) state: RefundState,
}

impl ProviderSocket {
    /// Binds a free port, and generates the secrets that order worker and provider share.
    pub(super) async fn bind() -> Result<Self, CliError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(CliError::other)?;
        let address = listener.local_addr().map_err(CliError::other)?;
        let (token, secret, run) = random();
        // Hexadecimal digits are base64 as well: 64 of them are 48 bytes.
        let secret = format!("whsec_{secret}").parse().map_err(CliError::other)?;
        Ok(Self { listener, address, token: Secret::from(token), secret, run })
    }

    /// The configuration of the order worker. Its pauses are short, because the demo waits for what they delay.
    pub(super) fn config(&self) -> Result<PaymentConfig, CliError> {
        let base = format!("http://{}", self.address);
        let page = format!("{base}/pay?attempt={{attempt_id}}").parse().map_err(CliError::other)?;
        let url = base.parse().map_err(CliError::other)?;
        let provider = HttpProviderConfig::new(url, self.token.clone(), self.secret.clone());
        Ok(PaymentConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            check_first_ms: non_zero!(1_000),
            check_max_ms: non_zero!(2_000),
            refund_backoff_min_ms: non_zero!(100),
            ..PaymentConfig::new(page, provider)
        })
    }

    /// Starts the provider, with callbacks to that address.
    pub(super) fn start(self, callbacks: SocketAddr) -> Result<PaymentProvider, CliError> {
        let Self { listener, address, token, secret, run } = self;
        let secrets = SigningSecrets::new(vec![secret]);
        let secrets = secrets.ok_or_else(|| CliError::other("the payment provider has no secret"))?;
        let settings = Settings {
            callbacks: CallbackSettings {
                url: format!("http://{callbacks}{CALLBACKS_PATH}").parse().map_err(CliError::other)?,
                scheme: SignatureScheme::new(Profile::default(), secrets, TOLERANCE),
                retry_schedule: vec![RETRY_PAUSE; RETRIES],
                timeout: CALLBACK_TIMEOUT,
                run,
            },
            token: token.clone(),
            behaviour: Behaviour::default(),
            refund_behaviour: RefundBehaviour::default(),
            records_max: RECORDS_MAX,
        };
        let leave = CancellationToken::new();
        let supervisor = Supervisor::new(leave.clone());
        let part = Part::spawn(leave, async move {
            let served = app::serve(settings, listener, Arc::new(SystemClock), &supervisor).await;
            supervisor.check()?;
            served.map_err(|why| CliError::Other(format!("the payment provider: {why:#}")))
        });
        Ok(PaymentProvider { address, token, part })
    }
}

impl PaymentProvider {
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads its records. Nothing may change them meanwhile.
    pub(super) async fn records(&self) -> Result<ProviderRecords, CliError> {
        let unreadable =
            |why: &dyn std::fmt::Display| CliError::Other(format!("the provider's records: {why}"));
        let mut records = ProviderRecords::default();
        for body in self.list::<AttemptBody>("/attempts").await? {
            let id: AttemptId = body.attempt_id.parse().map_err(|why| unreadable(&why))?;
            records.attempts.push((id, body.parse(id).map_err(|why| unreadable(&why))?));
        }
        for RefundEntry { refund, amount } in self.list("/refunds").await? {
            let id = RefundId::new(&refund.refund_id).map_err(|why| unreadable(&why))?;
            let (attempt, money) = amount.parse().map_err(|why| unreadable(&why))?;
            let state = refund.parse(&id).map_err(|why| unreadable(&why))?;
            records.refunds.push(ProviderRefund { id, attempt, money, state });
        }
        Ok(records)
    }

    /// Every page of a list.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CliError> {
        let mut client = Client::connect(self.address).await?;
        let bearer = format!("Bearer {}", self.token.expose());
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("{path}?limit={PAGE_RECORDS}{after}");
            let answer = client.ask(Method::GET, &query, Some(("authorization", &bearer)), "").await?;
            if !answer.status.is_success() {
                return Err(CliError::Other(format!("the provider's records: {}", answer.code())));
            }
            let page: Page<T> = serde_json::from_value(answer.body).map_err(CliError::other)?;
            items.extend(page.items);
            // Ids need no escaping.
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    pub(super) async fn stop(self) -> Result<(), CliError> {
        self.part.stop("payment provider").await
    }
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A refund in a list.
#[derive(Deserialize)]
struct RefundEntry {
    #[serde(flatten)]
    refund: RefundBody,
    #[serde(flatten)]
    amount: AmountBody,
}

/// A token, a secret and a number: other processes of the machine reach both listeners, and must not guess them.
#[expect(clippy::disallowed_methods, reason = "secrets of this run alone; nothing is repeated with them")]
fn random() -> (String, String, u64) {
    let digits = || format!("{:032x}", rand::random::<u128>());
    (digits(), format!("{}{}", digits(), digits()), rand::random())
}

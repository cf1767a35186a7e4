//! The payment provider as a process, and buyers who pay there.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use flashgate_domain::{OrderId, SaleId};
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    deployment::Deployment,
    door::Door,
    eventually::eventually,
    operator::{CURRENCY, PRICE_MINOR},
    ports::free_address,
    process::{Process, program},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "token-of-the-merchant";

/// Timeout for the last refunds.
const AGREEMENT_TIME: Duration = Duration::from_secs(90);

/// A provider that runs. Dropping it kills it.
#[derive(Debug)]
pub struct PaymentProvider {
    /// The process.
    pub process: Process,
    address: SocketAddr,
    callbacks: Vec<SocketAddr>,
}

impl PaymentProvider {
    /// A provider in `folder` that is not started yet. It sends its callbacks to the first of `workers` workers.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn new(folder: &Path, workers: usize) -> Self {
        let address = free_address();
        let callbacks: Vec<SocketAddr> = (0..workers).map(|_worker| free_address()).collect();
        let (secrets, token) = (folder.join("secrets"), folder.join("token"));
        fs::write(&secrets, SECRET).unwrap();
        fs::write(&token, TOKEN).unwrap();
        let arguments = [
            "--listen",
            &address.to_string(),
            "--callback-url",
            &format!("http://{}/v1/payments/callbacks", callbacks[0]),
            "--secret-file",
            &secrets.display().to_string(),
            "--token-file",
            &token.display().to_string(),
            "--retry-schedule",
            "1s,1s,2s,2s,4s,4s,8s,8s,8s,8s",
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        let process = Process::new("payment-provider", program("payment-provider"), arguments, folder);
        Self { process, address, callbacks }
    }

    /// The settings of the workers of a deployment that is not started yet: payments with this provider.
    pub fn configure(&self, shop: &mut Deployment) {
        for (worker, callbacks) in shop.workers.iter_mut().zip(&self.callbacks) {
            for (key, value) in [
                ("listen", callbacks.to_string()),
                ("page_url", format!("http://{}/pay?attempt={{attempt_id}}", self.address)),
                ("check_first_ms", "2000".to_owned()),
                ("check_max_ms", "4000".to_owned()),
                ("refund_backoff_min_ms", "200".to_owned()),
                ("refund_backoff_max_ms", "2000".to_owned()),
                ("provider.url", format!("http://{}", self.address)),
                ("provider.token", TOKEN.to_owned()),
                ("provider.signing_secrets", format!("[{SECRET}]")),
                ("provider.call_timeout_ms", "2000".to_owned()),
            ] {
                worker.set(&format!("payment.{key}"), value);
            }
        }
    }

    /// A buyer pays an attempt, and the provider behaves so. Returns the status.
    ///
    /// # Panics
    /// If the provider does not answer.
    pub async fn pay(&self, attempt: &Payment, behaviour: &str) -> u16 {
        let body = json!({
            "attempt_id": attempt.attempt_id, "amount_minor": attempt.amount_minor,
            "currency": attempt.currency, "behaviour": behaviour
        });
        self.ask(Request::post("/pay"), &body.to_string()).await.0
    }

    /// The provider behaves so about the refunds of an attempt.
    ///
    /// # Panics
    /// If it does not.
    pub async fn script_refunds(&self, attempt_id: &str, behaviour: &str) {
        let body = json!({"attempt_id": attempt_id, "behaviour": behaviour});
        assert_eq!(self.ask(Request::post("/refunds/behaviour"), &body.to_string()).await.0, 204);
    }

    /// All records of a kind: `attempts` or `refunds`.
    ///
    /// # Panics
    /// If the provider does not answer.
    pub async fn records(&self, kind: &str) -> Vec<Value> {
        let (status, page) = self.ask(Request::get(format!("/{kind}?limit=10000")), "").await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until the provider holds the price of each paid order of the sale, and nothing else.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn agrees(&self, shop: &Deployment, sale: SaleId) {
        let rows = shop.store.orders(sale).await;
        let paid = rows.iter().filter(|row| matches!(row.state.as_str(), "paid" | "shipped" | "finished"));
        let owed = i64::try_from(PRICE_MINOR).unwrap() * i64::try_from(paid.count()).unwrap();
        eventually("the money agrees with the orders", AGREEMENT_TIME, async || {
            let held = self.held().await;
            let expected = BTreeMap::from([(CURRENCY.to_owned(), owed)]);
            let agrees = held == expected || (owed == 0 && held.is_empty());
            agrees.then_some(()).ok_or(format!("{held:?}, not {owed}"))
        })
        .await;
    }

    /// Money that the provider took and has not returned, in minor units, by currency.
    async fn held(&self) -> BTreeMap<String, i64> {
        let mut held = BTreeMap::<String, i64>::new();
        let amount = |record: &Value| i64::try_from(record["amount_minor"].as_u64().unwrap()).unwrap();
        let currency = |record: &Value| record["currency"].as_str().unwrap().to_owned();
        for attempt in self.records("attempts").await {
            if attempt["state"] == "paid" {
                *held.entry(currency(&attempt)).or_default() += amount(&attempt);
            }
        }
        for refund in self.records("refunds").await {
            if refund["state"] == "succeeded" {
                *held.entry(currency(&refund)).or_default() -= amount(&refund);
            }
        }
        held.retain(|_currency, minor| *minor != 0);
        held
    }

    async fn ask(&self, request: http::request::Builder, body: &str) -> (u16, Value) {
        let request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let request = request.body(Full::from(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let response = Door::new(self.address, self.address).http(request).await.unwrap();
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }
}

/// What a buyer needs to pay an order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Payment {
    /// The attempt.
    pub attempt_id: String,
    /// The amount.
    pub amount_minor: u64,
    /// Its currency.
    pub currency: String,
    /// The state of the attempt.
    pub state: String,
    /// Where to pay.
    pub pay_url: String,
    /// When the order is cancelled.
    pub pay_by_ms: Option<u64>,
}

impl Door {
    /// What the buyer needs to pay the order, over HTTP; the code of the problem if it cannot be paid.
    ///
    /// # Errors
    /// The code.
    ///
    /// # Panics
    /// If the answer is not one of the interface.
    pub async fn payment(&self, order: OrderId, buyer: &str) -> Result<Payment, String> {
        let request = Request::post(format!("/v1/orders/{order}/payment")).header("x-buyer-id", buyer);
        let response = self.http(request.body(Full::default()).unwrap()).await?;
        if response.status() != http::StatusCode::OK {
            return Err(crate::door::problem(&response).code);
        }
        Ok(serde_json::from_slice(response.body()).unwrap())
    }
}

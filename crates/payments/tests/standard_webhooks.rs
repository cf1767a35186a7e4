//! The libraries of Standard Webhooks for Python and JavaScript against ours: each signs, and the other verifies.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

use std::{env, process::Stdio};

use flashgate_domain::{CallbackId, Clock, SystemClock, Timestamp};
use flashgate_payments::signature::{Profile, SignatureScheme, SigningSecret, SigningSecrets, TOLERANCE};
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{"type":"payment.paid","name":"Zoë & Ωmega 💶"}"#;

/// An interpreter with its library, as `scripts/test` installs them, and the script for it.
struct Peer {
    variable: &'static str,
    script: &'static str,
}

const PYTHON: Peer = Peer {
    variable: "FLASHGATE_STANDARD_WEBHOOKS_PYTHON",
    script: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/peer.py"),
};
const NODE: Peer = Peer {
    variable: "FLASHGATE_STANDARD_WEBHOOKS_NODE",
    script: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/peer.js"),
};

impl Peer {
    async fn ask(&self, request: Value) -> Value {
        let program = env::var_os(self.variable).unwrap_or_else(|| {
            panic!(
                "{} is not set: run `scripts/test --suite standard_webhooks`, which installs the libraries",
                self.variable
            )
        });
        let mut peer = Command::new(program)
            .arg(self.script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = peer.stdin.take().unwrap();
        input.write_all(request.to_string().as_bytes()).await.unwrap();
        drop(input);
        let output = peer.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}: {}", self.script, output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn sign(&self, at: Timestamp) -> String {
        let seconds = at.as_millis() / 1_000;
        let request =
            json!({"verb": "sign", "secret": SECRET, "id": "msg_1", "timestamp": seconds, "body": BODY});
        self.ask(request).await["signature"].as_str().unwrap().to_owned()
    }

    async fn verifies(&self, secret: &str, headers: &HeaderMap, body: &str) -> bool {
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        let request = json!({"verb": "verify", "secret": secret, "headers": headers, "body": body});
        self.ask(request).await["verified"].as_bool().unwrap()
    }
}

fn scheme(secrets: &[&str]) -> SignatureScheme {
    let secrets: Vec<SigningSecret> = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
    let secrets = SigningSecrets::new(secrets).unwrap();
    SignatureScheme::new(Profile::StandardWebhooks, secrets, TOLERANCE)
}

fn signed(secrets: &[&str], at: Timestamp) -> HeaderMap {
    scheme(secrets).sign(&CallbackId::new("msg_1").unwrap(), BODY.as_bytes(), at).into_iter().collect()
}

async fn each_verifies_what_the_other_signs(peer: Peer) {
    // The libraries read the system's clock.
    let now = SystemClock.now();
    let ours = signed(&[SECRET], now);
    assert!(peer.verifies(SECRET, &ours, BODY).await);
    assert!(!peer.verifies(OTHER_SECRET, &ours, BODY).await);
    assert!(!peer.verifies(SECRET, &ours, &BODY.replace("paid", "lost")).await);
    for secret in [SECRET, OTHER_SECRET] {
        assert!(peer.verifies(secret, &signed(&[OTHER_SECRET, SECRET], now), BODY).await, "both are valid");
    }
    let old = now.saturating_sub(TOLERANCE * 2);
    assert!(!peer.verifies(SECRET, &signed(&[SECRET], old), BODY).await);

    let theirs = peer.sign(now).await;
    assert_eq!(theirs, ours["webhook-signature"].to_str().unwrap());
    let mut headers = ours.clone();
    headers.insert(HeaderName::from_static("webhook-signature"), theirs.parse().unwrap());
    scheme(&[OTHER_SECRET, SECRET]).verify(&headers, BODY.as_bytes(), now).unwrap();
}

#[tokio::test]
async fn python_and_this_crate_verify_each_other() {
    each_verifies_what_the_other_signs(PYTHON).await;
}

#[tokio::test]
async fn javascript_and_this_crate_verify_each_other() {
    each_verifies_what_the_other_signs(NODE).await;
}

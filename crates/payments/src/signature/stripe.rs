//! The header of Stripe (`https://docs.stripe.com/webhooks#verify-manually`).

use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Claim, Profile, SignatureError, SigningSecrets, header, seconds};

const SIGNATURE: &str = "stripe-signature";
const TIMESTAMP: &str = "t";
/// The only version of live webhooks.
const VERSION: &str = "v1";

fn head(seconds: u64) -> String {
    format!("{seconds}.")
}

pub(super) fn sign(secrets: &SigningSecrets, seconds: u64, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
    let head = head(seconds);
    let mut value = format!("{TIMESTAMP}={seconds}");
    for secret in secrets.iter() {
        let mac = secret.mac(Profile::Stripe).chain_update(&head).chain_update(body);
        value.push_str(&format!(",{VERSION}={}", hex::encode(mac.finalize().into_bytes())));
    }
    // Visible ASCII: the value is not left out.
    let value = HeaderValue::try_from(value).ok();
    value.map(|value| (HeaderName::from_static(SIGNATURE), value)).into_iter().collect()
}

pub(super) fn read(headers: &HeaderMap) -> Result<Claim, SignatureError> {
    const MALFORMED: SignatureError = SignatureError::Malformed(SIGNATURE);
    let (mut time, mut signatures) = (None, Vec::new());
    for entry in header(headers, SIGNATURE)?.split(',') {
        match entry.split_once('=').ok_or(MALFORMED)? {
            (TIMESTAMP, text) => {
                let seconds = seconds(text).ok_or(MALFORMED)?;
                // With two times it would be open which of them is signed.
                if time.replace(seconds).is_some() {
                    return Err(MALFORMED);
                }
            }
            (VERSION, text) => signatures.extend(hex::decode(text)),
            _other_version => {}
        }
    }
    let seconds = time.ok_or(MALFORMED)?;
    Ok(Claim { id: None, time_header: SIGNATURE, seconds, head: head(seconds), signatures })
}

//! The headers of Standard Webhooks 1.0.0 (`spec/standard-webhooks.md`, "Webhook headers").

use base64::{Engine, engine::general_purpose::STANDARD};
use flashgate_domain::CallbackId;
use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Claim, Profile, SignatureError, SigningSecrets, header, seconds};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// The only version with a shared secret; `v1a` is a signature with a key pair.
const VERSION: &str = "v1";

fn head(id: &CallbackId, seconds: u64) -> String {
    format!("{id}.{seconds}.")
}

pub(super) fn sign(
    secrets: &SigningSecrets,
    id: &CallbackId,
    seconds: u64,
    body: &[u8],
) -> Vec<(HeaderName, HeaderValue)> {
    let head = head(id, seconds);
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let mac = secret.mac(Profile::StandardWebhooks).chain_update(&head).chain_update(body);
            format!("{VERSION},{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    let headers = [(ID, id.to_string()), (TIMESTAMP, seconds.to_string()), (SIGNATURE, signatures.join(" "))];
    // All are visible ASCII: no value is left out.
    let value = |text: String| HeaderValue::try_from(text).ok();
    headers
        .into_iter()
        .filter_map(|(name, text)| Some((HeaderName::from_static(name), value(text)?)))
        .collect()
}

pub(super) fn read(headers: &HeaderMap) -> Result<Claim, SignatureError> {
    let id = CallbackId::new(header(headers, ID)?).map_err(|_invalid| SignatureError::Malformed(ID))?;
    let seconds = header(headers, TIMESTAMP).map(seconds)?.ok_or(SignatureError::Malformed(TIMESTAMP))?;
    let signatures = header(headers, SIGNATURE)?.split(' ').map(entry).collect::<Option<Vec<_>>>();
    let signatures = signatures.ok_or(SignatureError::Malformed(SIGNATURE))?;
    let head = head(&id, seconds);
    let signatures = signatures.into_iter().flatten().collect();
    Ok(Claim { id: Some(id), time_header: TIMESTAMP, seconds, head, signatures })
}

/// An entry of the list: the bytes of its signature; nothing for another version, or where base64 is wrong. `None` if
/// it has no version.
fn entry(text: &str) -> Option<Option<Vec<u8>>> {
    let (version, signature) = text.split_once(',')?;
    Some((version == VERSION).then(|| STANDARD.decode(signature).ok()).flatten())
}

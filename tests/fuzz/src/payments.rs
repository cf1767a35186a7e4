//! Callbacks of payment providers.

use flashgate_domain::{AttemptId, Timestamp};
use flashgate_payments::{
    callback,
    signature::{Profile, SignatureError, SignatureScheme, SigningSecret, TOLERANCE, Verified},
};

use crate::requests::head_and_body;

/// The secret of the corpus.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// When the corpus is signed.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// The scheme of the corpus.
pub(crate) fn scheme(profile: Profile, secret: SigningSecret) -> SignatureScheme {
    SignatureScheme::new(profile, secret.into(), TOLERANCE)
}

/// The profile in the first line, headers in the next ones, an empty line, the body. Taken if the headers have the form
/// of the profile. What is authentic has a signature that we make ourselves.
pub fn webhook(bytes: &[u8]) -> bool {
    let (first, headers, body) = head_and_body(bytes);
    let profile = if first == b"stripe" { Profile::Stripe } else { Profile::StandardWebhooks };
    let Ok(secret) = SECRET.parse() else { return false };
    let scheme = scheme(profile, secret);
    match scheme.verify(&headers, body, NOW) {
        Ok(Verified { id, signed_at }) => {
            let id = id.or_else(|| flashgate_domain::CallbackId::new("msg").ok());
            let ours = id.map(|id| scheme.sign(&id, body, signed_at)).unwrap_or_default();
            let tag = ours.last().and_then(|(_name, value)| value.to_str().ok()?.rsplit("v1").next());
            let tag = tag.map(|tag| tag.trim_start_matches([',', '=']).to_ascii_lowercase());
            let has_it = headers.values().any(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
                tag.as_ref().is_some_and(|tag| text.contains(tag))
            });
            assert!(has_it, "authentic without a signature of ours");
            true
        }
        Err(SignatureError::Missing(_) | SignatureError::Repeated(_) | SignatureError::Malformed(_)) => false,
        Err(SignatureError::TooOld { .. } | SignatureError::TooNew { .. } | SignatureError::BadSignature) => {
            true
        }
    }
}

/// The body of an authentic callback: what was read is read again from what is written of it.
pub fn body(bytes: &[u8]) -> bool {
    let verified = || Verified { id: None, signed_at: NOW };
    let Ok(callback) = callback::decode(verified(), bytes) else { return false };
    let again = callback::decode(verified(), &callback::encode(&callback));
    assert_eq!(again.as_ref(), Ok(&callback));
    true
}

/// The text of an attempt id: there is only one.
pub fn attempt_id(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(attempt) = text.parse::<AttemptId>() else { return false };
    assert_eq!(attempt.to_string(), text);
    true
}

//! HMAC-SHA-256 signatures of webhooks, made and verified, in two header profiles.
//!
//! | profile | headers | signed content | key |
//! |---|---|---|---|
//! | Standard Webhooks 1.0.0 | `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64> v1,<base64>` | `id.timestamp.body` | the decoded secret |
//! | Stripe | `Stripe-Signature: t=<timestamp>,v1=<hex>,v1=<hex>` | `timestamp.body` | the text of the secret |
//!
//! The timestamp is in seconds since 1970. A webhook is authentic if one of its signatures is that of one of the
//! secrets: several secrets are valid while one replaces another. The body is signed as it was sent, byte for byte, so
//! verify before decoding.
//!
//! Signatures are compared in constant time and with their whole length: an empty or truncated one never matches.

mod error;
mod secret;
mod standard;
mod stripe;

use std::{str::FromStr, time::Duration};

use flashgate_domain::{CallbackId, Timestamp, named};
use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::{
    error::SignatureError,
    secret::{InvalidSecret, SECRETS_MAX, SigningSecret, SigningSecrets},
};

/// Maximum difference between the time of a signature and the present, in both directions: that of the specification's
/// own libraries, and Stripe's.
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Maximum length of a header of signatures, in bytes: some 80 signatures.
pub const SIGNATURES_BYTES_MAX: usize = 4_096;

named! {
    /// Which headers have the signature, and what is signed.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Profile {
        /// Standard Webhooks 1.0.0.
        #[default]
        StandardWebhooks = "standard-webhooks",
        /// The header of Stripe.
        Stripe = "stripe",
    }
}

/// The name of no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be standard-webhooks or stripe")]
pub struct InvalidProfile;

impl FromStr for Profile {
    type Err = InvalidProfile;

    fn from_str(name: &str) -> Result<Self, InvalidProfile> {
        Self::parse(name).ok_or(InvalidProfile)
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

/// An authentic webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its id. `None` for Stripe, whose id is in the body.
    pub id: Option<CallbackId>,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Signs and verifies webhooks of one profile with the same secrets.
#[derive(Clone, Debug)]
pub struct SignatureScheme {
    profile: Profile,
    secrets: SigningSecrets,
    tolerance: Duration,
}

impl SignatureScheme {
    /// A scheme. A webhook is verified within `tolerance` of the time in it.
    pub const fn new(profile: Profile, secrets: SigningSecrets, tolerance: Duration) -> Self {
        Self { profile, secrets, tolerance }
    }

    /// The headers of a webhook that is sent at `now`: a signature with each secret. To be made again at each attempt,
    /// since the receiver's tolerance counts from `now`.
    pub fn sign(&self, id: &CallbackId, body: &[u8], now: Timestamp) -> Vec<(HeaderName, HeaderValue)> {
        let seconds = now.as_millis() / 1_000;
        match self.profile {
            Profile::StandardWebhooks => standard::sign(&self.secrets, id, seconds, body),
            Profile::Stripe => stripe::sign(&self.secrets, seconds, body),
        }
    }

    /// Verifies a webhook that arrived at `now`.
    ///
    /// # Errors
    /// A header is missing, repeated or malformed; the webhook was signed too long ago or in the future; no signature
    /// is that of one of the secrets.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        let claim = match self.profile {
            Profile::StandardWebhooks => standard::read(headers)?,
            Profile::Stripe => stripe::read(headers)?,
        };
        let signed_at = claim.signed_at().ok_or(SignatureError::Malformed(claim.time_header))?;
        if now.saturating_since(signed_at) > self.tolerance {
            return Err(SignatureError::TooOld { tolerance: self.tolerance });
        }
        if signed_at.saturating_since(now) > self.tolerance {
            return Err(SignatureError::TooNew { tolerance: self.tolerance });
        }
        let is_authentic = self.secrets.iter().any(|secret| {
            // The body is hashed once for a secret; each signature is compared with a copy of the state.
            let mac = secret.mac(self.profile).chain_update(&claim.head).chain_update(body);
            claim.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
        });
        is_authentic.then_some(Verified { id: claim.id, signed_at }).ok_or(SignatureError::BadSignature)
    }
}

/// What the headers of a webhook say, unverified.
struct Claim {
    id: Option<CallbackId>,
    /// The header with the time.
    time_header: &'static str,
    seconds: u64,
    /// What is signed before the body.
    head: String,
    /// Those of the known version; each of any length.
    signatures: Vec<Vec<u8>>,
}

impl Claim {
    fn signed_at(&self) -> Option<Timestamp> {
        self.seconds.checked_mul(1_000).map(Timestamp::from_millis)
    }
}

/// The value of a header that must be there once, as visible ASCII.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(SignatureError::Missing(name))?;
    if values.next().is_some() {
        return Err(SignatureError::Repeated(name));
    }
    let text = value.to_str().map_err(|_not_ascii| SignatureError::Malformed(name))?;
    if text.is_empty() || text.len() > SIGNATURES_BYTES_MAX {
        return Err(SignatureError::Malformed(name));
    }
    Ok(text)
}

/// Whole seconds since 1970: digits only, no leading zero.
fn seconds(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_seconds| is_plain)
}

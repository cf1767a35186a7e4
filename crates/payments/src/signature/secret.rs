//! The secrets that webhooks are signed with.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use flashgate_access::{FileError, Secret, read_file};
use hmac::{Hmac, KeyInit};
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::Sha256;
use thiserror::Error;

use super::Profile;

/// Maximum number of secrets that are valid at once. Two are enough to replace one without a gap.
pub const SECRETS_MAX: usize = 8;

const PREFIX: &str = "whsec_";
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret that webhooks are signed with: `whsec_` and the base64 of 24 to 64 bytes. `Debug` omits it; the text is
/// not kept.
#[derive(Clone)]
pub struct SigningSecret {
    /// Keyed with the decoded bytes.
    of_bytes: Hmac<Sha256>,
    /// Keyed with the whole text, with its prefix.
    of_text: Hmac<Sha256>,
}

/// A text that is no secret. The text is omitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be {PREFIX} and the base64 of {BYTES_MIN} to {BYTES_MAX} bytes")]
pub struct InvalidSecret;

impl SigningSecret {
    /// The keyed HMAC of a profile.
    pub(super) fn mac(&self, profile: Profile) -> Hmac<Sha256> {
        match profile {
            Profile::StandardWebhooks => self.of_bytes.clone(),
            Profile::Stripe => self.of_text.clone(),
        }
    }
}

impl FromStr for SigningSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        // The cause is omitted: it quotes a part of the secret.
        let decoded = STANDARD.decode(encoded).map_err(|_cause| InvalidSecret)?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&decoded.len()) {
            return Err(InvalidSecret);
        }
        // HMAC takes keys of any length.
        let keyed = |key: &[u8]| Hmac::new_from_slice(key).map_err(|_never| InvalidSecret);
        Ok(Self { of_bytes: keyed(&decoded)?, of_text: keyed(text.as_bytes())? })
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for SigningSecret {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        // The errors of this type do not quote the value either.
        Secret::deserialize(source)?.expose().parse().map_err(D::Error::custom)
    }
}

/// 1 to [`SECRETS_MAX`] secrets. A webhook is signed with each, and is authentic if it was signed with any.
#[derive(Clone, Debug)]
pub struct SigningSecrets(Arc<[SigningSecret]>);

impl SigningSecrets {
    /// The secrets; `None` if there are none, or too many.
    pub fn new(secrets: Vec<SigningSecret>) -> Option<Self> {
        (1..=SECRETS_MAX).contains(&secrets.len()).then(|| Self(secrets.into()))
    }

    /// Reads a file with one secret per line. `key` names the file in errors.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold 1 to [`SECRETS_MAX`] secrets, one per line.
    pub fn read(key: &'static str, path: &Path) -> Result<Self, FileError> {
        let content = String::from_utf8(read_file(key, path)?).unwrap_or_default();
        let secrets: Result<Vec<SigningSecret>, _> = content.lines().map(str::parse).collect();
        secrets.ok().and_then(Self::new).ok_or_else(|| {
            let expected =
                format!("1 to {SECRETS_MAX} lines, each {PREFIX} and the base64 of 24 to 64 bytes");
            FileError::unusable(key, path, expected)
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SigningSecret> {
        self.0.iter()
    }
}

impl From<SigningSecret> for SigningSecrets {
    fn from(secret: SigningSecret) -> Self {
        Self([secret].into())
    }
}

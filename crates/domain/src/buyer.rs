//! Buyers, and the idempotency keys of their purchases.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// Maximum length of a buyer id, in bytes.
pub const BUYER_ID_BYTES_MAX: usize = 128;
/// Maximum length of an idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Why a text is neither a buyer id nor an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidToken {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// It exceeds the maximum length.
    #[error("must be at most {bytes_max} bytes long")]
    TooLong {
        /// The maximum length.
        bytes_max: usize,
    },
    /// A blank, a control character, or a character outside ASCII.
    #[error("must be visible ASCII characters (0x21 to 0x7e) only")]
    NotVisibleAscii,
}

fn visible_ascii(text: &[u8], bytes_max: usize) -> Result<Arc<str>, InvalidToken> {
    if text.is_empty() {
        return Err(InvalidToken::Empty);
    }
    if text.len() > bytes_max {
        return Err(InvalidToken::TooLong { bytes_max });
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(InvalidToken::NotVisibleAscii);
    }
    std::str::from_utf8(text).map(Arc::from).map_err(|_not_utf8| InvalidToken::NotVisibleAscii)
}

/// Identifies a buyer, as the authenticator returned it: 1 to [`BUYER_ID_BYTES_MAX`] visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BuyerId(Arc<str>);

impl BuyerId {
    /// Validates the bytes of a header.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidToken> {
        visible_ascii(bytes.as_ref(), BUYER_ID_BYTES_MAX).map(Self)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that the ledger stores instead of the id.
    pub fn digest(&self) -> BuyerDigest {
        BuyerDigest(truncated(blake3::hash(self.0.as_bytes())))
    }
}

/// Omits the id: buyer ids stay out of logs above debug level, and a derived `Debug` would leak them.
impl fmt::Debug for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BuyerId(…)")
    }
}

/// Identifies one purchase of a buyer: 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Validates the bytes of a header.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidToken> {
        visible_ascii(bytes.as_ref(), IDEMPOTENCY_KEY_BYTES_MAX).map(Self)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that the ledger stores instead of the key. Two buyers with the same key have different digests.
    pub fn digest(&self, buyer: &BuyerId) -> KeyDigest {
        let mut hasher = blake3::Hasher::new();
        // A zero byte separates them: neither can contain one.
        hasher.update(buyer.0.as_bytes()).update(&[0]).update(self.0.as_bytes());
        KeyDigest(truncated(hasher.finalize()))
    }
}

/// The first 128 bits. The probability that two of a billion buyers share them is 1 in 10^20.
fn truncated(hash: blake3::Hash) -> [u8; 16] {
    let (head, _tail) = hash.as_bytes().split_at(16);
    head.try_into().unwrap_or_default()
}

/// 128 bits of the BLAKE3 hash of a buyer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuyerDigest(pub [u8; 16]);

/// 128 bits of the BLAKE3 hash of a buyer id and one of its idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 16]);

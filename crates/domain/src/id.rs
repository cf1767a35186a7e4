//! Ids of sales, orders and batches, and how an order's id determines its shard and its batch.
//!
//! An order id has 63 bits, so that it fits a signed column:
//!
//! ```text
//! | 40 bits: ms since 2026-01-01 | 6 bits: shard | 7 bits: node | 10 bits: index in its batch |
//! ```
//!
//! With the index cleared it is the *base* of the batch. The ledger keeps one log entry per batch under the
//! base, so an order is found from its id alone and needs no entry of its own (`docs/adr/0005`).

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::clock::Timestamp;

/// 2026-01-01T00:00:00Z in milliseconds since 1970: the zero of the time in an order id.
const EPOCH_MS: u64 = 1_767_225_600_000;
const TIME_BITS: u32 = 40;
const SHARD_BITS: u32 = 6;
const NODE_BITS: u32 = 7;
const INDEX_BITS: u32 = 10;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Maximum intents of a batch: the index has 10 bits.
pub const BATCH_INTENTS_MAX: usize = 1 << INDEX_BITS;
/// Maximum shards of a ledger: the shard has 6 bits.
pub const SHARDS_MAX: u16 = 1 << SHARD_BITS;
/// The number of node numbers; they are assigned in turn and reused after that many starts.
pub const NODES_MAX: u16 = 1 << NODE_BITS;

/// Why a text or a number is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// Not a plain decimal number in the range of the id.
    #[error("must be a decimal number from 1 to {}", i64::MAX)]
    NotANumber,
    /// Not 32 hexadecimal digits.
    #[error("must be 32 hexadecimal digits")]
    NotABatchId,
    /// Not the 16 bytes of a batch id.
    #[error("must be 16 bytes of a batch id")]
    NotBatchBytes,
    /// A shard or node beyond its range.
    #[error("must be below {limit}")]
    OutOfRange {
        /// The first number beyond the range.
        limit: u16,
    },
}

/// Parses a decimal number from 1 to `i64::MAX`: digits only, no sign, no blank, no leading zero.
fn parse_positive(text: &str) -> Result<u64, InvalidId> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if !plain {
        return Err(InvalidId::NotANumber);
    }
    text.parse().ok().and_then(positive).ok_or(InvalidId::NotANumber)
}

/// The bits that 32 hexadecimal digits write.
pub(crate) fn bits_of_hex(text: &str) -> Option<u128> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn positive(number: u64) -> Option<u64> {
    (number > 0 && i64::try_from(number).is_ok()).then_some(number)
}

/// Identifies a sale. From 1 to `i64::MAX`, chosen by the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaleId(u64);

impl SaleId {
    /// The sale with that number; [`InvalidId`] if it is 0 or above `i64::MAX`.
    pub fn new(number: u64) -> Result<Self, InvalidId> {
        positive(number).map(Self).ok_or(InvalidId::NotANumber)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The shard that holds the sale in a ledger with `shards` shards.
    ///
    /// Fibonacci hashing: consecutive ids spread evenly.
    pub fn shard(self, shards: ShardCount) -> Shard {
        let hash = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Shard(u16::try_from(hash % u64::from(shards.get())).unwrap_or(0))
    }
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SaleId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_positive(text).map(Self)
    }
}

/// The number of shards of the ledger: from 1 to [`SHARDS_MAX`]. Fixed for the life of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCount(u16);

impl ShardCount {
    /// One shard: all sales share one hash tag.
    pub const ONE: Self = Self(1);

    /// `count` shards; [`InvalidId::OutOfRange`] unless it is from 1 to [`SHARDS_MAX`].
    pub fn new(count: u16) -> Result<Self, InvalidId> {
        let in_range = (1..=SHARDS_MAX).contains(&count);
        in_range.then_some(Self(count)).ok_or(InvalidId::OutOfRange { limit: SHARDS_MAX + 1 })
    }

    /// The number of shards.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Every shard, in ascending order.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.0).map(Shard)
    }
}

/// One shard of the ledger: all data that one script can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// Shard number `number`; [`InvalidId::OutOfRange`] at [`SHARDS_MAX`] or more.
    pub fn new(number: u16) -> Result<Self, InvalidId> {
        (number < SHARDS_MAX).then_some(Self(number)).ok_or(InvalidId::OutOfRange { limit: SHARDS_MAX })
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Distinguishes gateways in the ids that they generate. The ledger assigns numbers in turn, one per start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(u16);

impl Node {
    /// The node of the `start`-th start of a gateway, counted over the whole deployment.
    pub fn of_start(start: u64) -> Self {
        Self(u16::try_from(start % u64::from(NODES_MAX)).unwrap_or(0))
    }

    /// The number, below [`NODES_MAX`].
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Identifies an order. See the module for its layout; on the wire it is a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(u64);

impl OrderId {
    /// The order with that number; [`InvalidId`] if it is 0 or above `i64::MAX`.
    pub fn new(number: u64) -> Result<Self, InvalidId> {
        positive(number).map(Self).ok_or(InvalidId::NotANumber)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The shard that holds the order's sale.
    pub fn shard(self) -> Shard {
        let bits = (self.0 >> (NODE_BITS + INDEX_BITS)) & u64::from(SHARDS_MAX - 1);
        Shard(u16::try_from(bits).unwrap_or(0))
    }

    /// The id of the first order of the same batch.
    pub const fn base(self) -> Self {
        Self(self.0 & !INDEX_MASK)
    }

    /// The index in its batch, from 0.
    pub fn index(self) -> usize {
        usize::try_from(self.0 & INDEX_MASK).unwrap_or(0)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OrderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_positive(text).map(Self)
    }
}

/// Identifies a batch: the base of its orders' ids, and 64 random bits that distinguish two batches if two
/// gateways generate the same base. 32 hexadecimal digits as text; the key of its message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    base: OrderId,
    nonce: u64,
}

impl BatchId {
    /// The id of a batch made at `at` for `shard` by `node`. `nonce` must be random.
    ///
    /// Times before 2026 count as its first millisecond, and the time wraps after 34 years.
    pub fn new(at: Timestamp, shard: Shard, node: Node, nonce: u64) -> Self {
        let time = at.as_millis().saturating_sub(EPOCH_MS).max(1) & ((1 << TIME_BITS) - 1);
        let head = (time << SHARD_BITS) | u64::from(shard.0);
        let base = ((head << NODE_BITS) | u64::from(node.0)) << INDEX_BITS;
        Self { base: OrderId(base), nonce }
    }

    /// The id with that base and nonce, as a store kept them. The index bits of `base` are ignored.
    pub const fn from_parts(base: OrderId, nonce: u64) -> Self {
        Self { base: base.base(), nonce }
    }

    /// The id of the batch's first order.
    pub const fn base(self) -> OrderId {
        self.base
    }

    /// The random half.
    pub const fn nonce(self) -> u64 {
        self.nonce
    }

    /// The shard of every sale in the batch.
    pub fn shard(self) -> Shard {
        self.base.shard()
    }

    /// The id of the order at `index`; `None` at [`BATCH_INTENTS_MAX`] or more.
    pub fn order(self, index: usize) -> Option<OrderId> {
        let index = u64::try_from(index).ok().filter(|index| *index <= INDEX_MASK)?;
        Some(OrderId(self.base.0 | index))
    }

    /// 16 bytes: base, then nonce, each big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.base.0) << 64) | u128::from(self.nonce)).to_be_bytes()
    }

    /// The inverse of [`BatchId::to_bytes`], for a column or a field of a message.
    ///
    /// # Errors
    /// [`InvalidId::NotBatchBytes`] if there are not 16 bytes, or the base is not an order id with index 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidId> {
        let bytes = bytes.try_into().map_err(|_length| InvalidId::NotBatchBytes)?;
        Self::from_bits(u128::from_be_bytes(bytes)).ok_or(InvalidId::NotBatchBytes)
    }

    fn from_bits(bits: u128) -> Option<Self> {
        let [base, nonce] =
            [bits >> 64, bits & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
        let base = OrderId::new(base).ok()?;
        (base.index() == 0).then_some(Self { base, nonce })
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.base.0, self.nonce)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BatchId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        bits_of_hex(text).and_then(Self::from_bits).ok_or(InvalidId::NotABatchId)
    }
}

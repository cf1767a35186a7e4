//! Authentication of buyers. The purchase code gets a [`BuyerId`], independent of how it was proved.

use flashgate_domain::{BuyerId, verdict::Violation};
use flashgate_service::error::ApiError;
use http::HeaderMap;

/// The header that names the buyer in [`AuthMode::TrustedHeader`](crate::config::AuthMode::TrustedHeader).
pub const BUYER_HEADER: &str = "x-buyer-id";

/// Finds the sender of a request in its headers (HTTP) or its metadata (gRPC), which are the same map type.
pub trait Authenticator: Send + Sync + 'static {
    /// The buyer, or [`ApiError::Unauthenticated`].
    fn buyer(&self, headers: &HeaderMap) -> Result<BuyerId, ApiError>;

    /// Succeeds if the caller may name any buyer: back ends that send for many buyers.
    /// [`ApiError::PermissionDenied`] if not.
    fn may_act_for_anyone(&self, headers: &HeaderMap) -> Result<(), ApiError>;
}

/// Trusts [`BUYER_HEADER`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TrustedHeader;

impl Authenticator for TrustedHeader {
    fn buyer(&self, headers: &HeaderMap) -> Result<BuyerId, ApiError> {
        let wrong = |expected: &dyn std::fmt::Display| {
            ApiError::Unauthenticated(Violation::new(BUYER_HEADER, expected))
        };
        let mut values = headers.get_all(BUYER_HEADER).iter();
        let value = values.next().ok_or_else(|| wrong(&"is required"))?;
        if values.next().is_some() {
            return Err(wrong(&"must come once"));
        }
        BuyerId::new(value.as_bytes()).map_err(|invalid| wrong(&invalid))
    }

    fn may_act_for_anyone(&self, _headers: &HeaderMap) -> Result<(), ApiError> {
        Ok(())
    }
}

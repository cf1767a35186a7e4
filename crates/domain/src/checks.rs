//! The checks before any remote call: an ordered chain, cheapest first, that ends at the first refusal.
//!
//! To add a check, write a function `fn(&Request<'_>) -> Result<(), Refusal>` and put it into [`CHAIN`]. Identity
//! and key are checked by their types: [`BuyerId`](crate::BuyerId) and
//! [`IdempotencyKey`](crate::IdempotencyKey) are always valid. A sale that has ended or is closed passes:
//! a purchase that was accepted before the end is still answered with its order, and only the ledger has the order.

use crate::{
    clock::Timestamp,
    intent::Quantity,
    sale::{Sale, SaleState},
    verdict::{Refusal, Violation},
};

/// The input of the chain.
#[derive(Debug)]
pub struct Request<'a> {
    /// The sale, if this gateway knows it.
    pub sale: Option<&'a Sale>,
    /// Whether the ledger is known to have lost the sale, or to have lost acknowledged data.
    pub paused: bool,
    /// The requested number of units.
    pub quantity: Quantity,
    /// The gateway's own time. Its error is at most [`CLOCK_SKEW_MS_MAX`]; within that, the ledger decides.
    pub now: Timestamp,
}

/// Maximum error of a gateway's clock. Within it of an edge of the window, the ledger decides.
pub const CLOCK_SKEW_MS_MAX: u64 = 60_000;

/// One check.
pub type Check = fn(&Request<'_>) -> Result<(), Refusal>;

/// The checks in their order.
pub const CHAIN: [Check; 4] = [sale_is_known, quantity_is_allowed, sale_is_preheated, window_is_near];

/// Runs [`CHAIN`] and returns the first refusal.
pub fn check(request: &Request<'_>) -> Result<(), Refusal> {
    CHAIN.iter().try_for_each(|check| check(request))
}

fn known<'a>(request: &Request<'a>) -> Result<&'a Sale, Refusal> {
    request.sale.filter(|sale| sale.state != SaleState::Created).ok_or(Refusal::SaleNotFound)
}

fn sale_is_known(request: &Request<'_>) -> Result<(), Refusal> {
    known(request).map(|_sale| ())
}

fn quantity_is_allowed(request: &Request<'_>) -> Result<(), Refusal> {
    let max = known(request)?.draft.quantity_max();
    if request.quantity > max {
        let expected = format!("must be at most {} for this sale", max.get());
        return Err(Refusal::Malformed(Violation::new("quantity", expected)));
    }
    Ok(())
}

fn sale_is_preheated(request: &Request<'_>) -> Result<(), Refusal> {
    match known(request)?.state {
        _ if request.paused => Err(Refusal::SalePaused),
        SaleState::Created | SaleState::Preheating => Err(Refusal::SaleNotReady),
        SaleState::Preheated | SaleState::Closed => Ok(()),
    }
}

/// Refuses only if the sale is not yet open on every clock with an error of at most [`CLOCK_SKEW_MS_MAX`].
fn window_is_near(request: &Request<'_>) -> Result<(), Refusal> {
    let opens_at = known(request)?.draft.window().opens_at();
    let too_early = request.now.as_millis().saturating_add(CLOCK_SKEW_MS_MAX) < opens_at.as_millis();
    if too_early { Err(Refusal::NotOpen { opens_at }) } else { Ok(()) }
}

//! What operators see, as JSON: the same fields at every interface, without formatting for people.
//!
//! Ids are strings: some readers round numbers above 2^53. Times are milliseconds since 1970.
//!
//! | module | subject |
//! |---|---|
//! | [`sale`] | a sale, and pages of sales |
//! | [`order`] | an order, and its transitions |
//! | [`payment`] | the payment attempts and the refunds of an order |
//! | [`audit`] | the reports of an audit |
//! | [`drift`] | compensating steps |
//! | [`rebuild`] | a rebuild of a ledger |
//! | [`redrive`] | re-driven batches |
//! | [`repair`] | recorded repairs |
//! | [`dead_letter`] | dead letters, and decisions about them |

pub mod audit;
pub mod dead_letter;
pub mod drift;
pub mod order;
pub mod payment;
pub mod rebuild;
pub mod redrive;
pub mod repair;
pub mod sale;

pub use audit::AuditView;
pub use dead_letter::{DecidedLetterView, DecidedLettersView, LetterView, LetterWithBodyView, LettersView};
pub use drift::DriftView;
pub use order::{OrderEventView, OrderEventsView, OrderView, StoredOrderView, StoredOrdersView};
pub use payment::{AttemptView, PaymentsView, RefundView};
pub use rebuild::RebuildView;
pub use redrive::RedriveView;
pub use repair::RepairView;
pub use sale::{RestockView, RestocksView, SaleView, SalesView};

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

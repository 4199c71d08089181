//! Payment attempts: what the provider is known to have done. Whose a payment is, its order knows; it is looked up when
//! somebody asks, so that the fold needs no other stream.

mod fold;
mod queries;
mod row;
#[cfg(test)]
mod tests;

pub use fold::Payments;
pub use queries::{OwnedPayment, find, on_hold};
pub use row::{
    BankActKind, BankActRow, IntegrityProposalRow, PaymentFailureRow, PaymentRefundRow, PaymentRefundStatus,
    PaymentRow, PaymentUse, RefundProposalRow,
};

//! Orders as the API shows them: one document per order, folded from that order's own stream alone. So the stream's
//! version names the document, and is its ETag; how the bank sees a payment is said by the payments.

mod fold;
mod queries;
mod row;
#[cfg(test)]
mod tests;

pub use fold::Orders;
pub(crate) use fold::status_name;
pub use queries::{OrderFilter, active_by_status, find, list};
pub use row::{
    AttemptStatus, CancellationRow, OrderDisputeRow, OrderRow, PaymentSummary, PayoutRow, RatingRow, RefundRow,
    RefundStatus,
};

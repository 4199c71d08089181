//! Gifts as the API shows them: one document per gift, folded from that gift's own stream alone. No document holds a
//! code, or its HMAC: only the last four symbols, by which people tell their gifts apart.

mod fold;
mod queries;
mod row;
#[cfg(test)]
mod tests;

pub use fold::Gifts;
pub use queries::{GiftSide, find, list};
pub use row::{GiftAttemptRow, GiftAttemptStatus, GiftRefundRow, GiftRefundStatus, GiftRow, GiftUseRow, GiftUseStatus};

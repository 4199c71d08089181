//! The books: every event that moves money as a balanced set of postings, double entry.
//!
//! An [`Entry`] says both of its sides at once, so that nothing unbalanced can be written down; a [`PostingSet`] is what
//! one event posts. Where a posting needs to know what happened before (whose share it is, whether the share was given
//! out, whether held money was taken), the [`Flow`] of that order or gift remembers it: one small state for each, fed
//! with its own events and those of its payments ([`flow_of`] names it without looking into the payload).
//!
//! ```text
//!  event                                        debit                               credit
//!  payment_succeeded                            psp_clearing                        unapplied[p]
//!  order_paid                                   unapplied[p]                        escrow[o]
//!  gift_issued                                  unapplied[p]                        gift_liability[g]
//!  gift_reserved                                gift_liability[g]                   gift_reserved
//!  gift_reservation_released                    gift_reserved                       gift_liability[g]
//!  gift_redeemed                                gift_reserved                       escrow[o]
//!  order_refund_authorized                      escrow[o], after the payout         refund_due[r]
//!                                               producer_payable[pr] by the cook's
//!                                               fault, else platform_loss
//!  payment_refund_requested (UNAPPLIED)         unapplied[p]                        refund_due[r]
//!  gift_refund_requested                        gift_liability[g]                   refund_due[r]
//!  gift_refund_reverted                         refund_due[r]                       gift_liability[g]
//!  payment_refund_succeeded                     refund_due[r]                       psp_clearing
//!  gift_credited                                refund_due[r]                       gift_liability[g]
//!  payment_chargeback_recorded                  chargeback_loss                     psp_clearing
//!  payment_external_refund_recorded             chargeback_loss                     psp_clearing
//!  the same, standing for a refund of ours      refund_due[r]                       chargeback_loss
//!  order_refund_settled (by the bank alone)     refund_due[r]                       chargeback_loss
//!  order_payout_released                        escrow[o]                           producer_payable[pr], platform_revenue
//! ```
//!
//! Money that is only held is a memo, and so is what an order says that it owes of it: both are posted when it is taken.
//! Should the cook's share be given out although the held money never came, the platform lost it. What a bank
//! gives back without us is gone at that moment; the order that it is about owes it afterwards, if it does, and so the
//! loss becomes its own.

mod account;
mod balances;
mod flow;
mod posting;

pub use account::{Account, AccountKind, Side};
pub use balances::{Balances, Ledger};
pub use flow::{Flow, flow_of};
pub use posting::{Entry, Posting, PostingSet};

use super::MoneyError;

/// Why an event cannot be posted. It is a defect of whoever wrote the event, or of these books.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An amount that moves is negative.
    #[error("{event_type} moves a negative amount")]
    Negative {
        /// The event's type.
        event_type: &'static str,
    },
    /// The order of the event is not known.
    #[error("{event_type} is about an order that was not placed")]
    NotPlaced {
        /// The event's type.
        event_type: &'static str,
    },
    /// Amounts of one event do not go together.
    #[error("the amounts do not add up: {0}")]
    Money(#[from] MoneyError),
    /// A balance is beyond what can be counted.
    #[error("the balance of {0} is out of range")]
    Overflow(Account),
}

#[cfg(test)]
mod tests;

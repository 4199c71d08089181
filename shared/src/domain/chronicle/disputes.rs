//! Events of disputes, and of the orders they are about.

use super::*;
use crate::domain::dispute::{
    DecidedBy, DisputeClaim, DisputeOpened, DisputeOutcome, DisputeReason, DisputeResolved, OpenedBy,
};

/// A claim to so much of the order's share.
pub(crate) fn frozen(number: u32, kopecks: i64) -> OrderPayoutFrozen {
    OrderPayoutFrozen {
        dispute_id: dispute(number),
        payout_was: PayoutWas::Held,
        opened_by: OpenedBy::Customer,
        refundable: rub(kopecks),
        claim: claim(kopecks),
    }
}

fn claim(kopecks: i64) -> DisputeClaim {
    DisputeClaim {
        reason_code: DisputeReason::Late,
        description_sealed: None,
        claimed_amount: Some(rub(kopecks)),
        evidence: vec![],
        appeal_of: None,
    }
}

pub(crate) fn opened(number: u32, kopecks: i64) -> DisputeOpened {
    DisputeOpened {
        dispute_id: dispute(number),
        order_id: ORDER,
        customer_id: CUSTOMER,
        producer_id: KITCHEN,
        opened_by: OpenedBy::Customer,
        claim: claim(kopecks),
        refundable: rub(kopecks),
        escalate_from: minute(120),
        response_due: minute(1_540),
    }
}

pub(crate) fn resolved(kopecks: i64) -> DisputeResolved {
    DisputeResolved {
        order_id: ORDER,
        outcome: if kopecks > 0 { DisputeOutcome::RefundPartial } else { DisputeOutcome::Rejected },
        refund_amount: rub(kopecks),
        fault: Fault::Producer,
        decided_by: DecidedBy::Admin,
        comment: None,
        proposed_by: None,
    }
}

pub(crate) fn unfrozen(number: u32, kopecks: i64) -> OrderPayoutUnfrozen {
    OrderPayoutUnfrozen {
        dispute_id: dispute(number),
        refund_amount: rub(kopecks),
        appeal_before: minute(20_000),
        auto_complete_at: None,
        payout_due_at: None,
    }
}

/// What dispute number `number` granted.
pub(crate) fn granted(number: u32, card: i64) -> OrderRefundAuthorized {
    let (source, source_id) = (RefundSource::Dispute, dispute(number).0);
    OrderRefundAuthorized { source, source_id, fault: Fault::Producer, ..owed(u128::from(number), card, 0) }
}

//! Events of gifts, and logs with one.

use super::*;

pub(crate) fn gift_created(kopecks: i64) -> GiftCreated {
    GiftCreated {
        buyer_id: CUSTOMER,
        kind: GiftKind::Amount,
        value: rub(kopecks),
        dish: None,
        recipient_user_id: None,
        deliver_at: None,
        payment_deadline: minute(30),
        pii_sealed: None,
    }
}

pub(crate) fn gift_requested(kopecks: i64) -> GiftPaymentRequested {
    GiftPaymentRequested {
        payment_id: gift_pay(),
        attempt_no: 1,
        amount: rub(kopecks),
        provider: None,
        return_url: "https://shop.test".into(),
        expires_at: minute(30),
    }
}

pub(crate) fn gift_issued(kopecks: i64) -> GiftIssued {
    GiftIssued {
        payment_id: gift_pay(),
        value: rub(kopecks),
        code_ref: CodeRef("7".repeat(64)),
        last4: "7777".into(),
        deliver_at: minute(0),
        remind_at: minute(400_000),
        expires_at: minute(500_000),
    }
}

pub(crate) fn gift_activated() -> GiftActivated {
    GiftActivated { activated_by: CUSTOMER, order_id: None, delivery_type: None, pii_sealed: None }
}

pub(crate) fn reserved(kopecks: i64) -> GiftReserved {
    GiftReserved {
        reservation_id: GIFT.reservation_for(ORDER),
        order_id: ORDER,
        amount: rub(kopecks),
        until: minute(100),
        available_after: rub(0),
    }
}

pub(crate) fn redeemed(kopecks: i64) -> GiftRedeemed {
    let (reservation_id, amount, available_after) = (GIFT.reservation_for(ORDER), rub(kopecks), rub(0));
    GiftRedeemed { reservation_id, order_id: ORDER, amount, available_after }
}

pub(crate) fn let_go(kopecks: i64) -> GiftReservationReleased {
    GiftReservationReleased {
        reservation_id: GIFT.reservation_for(ORDER),
        order_id: ORDER,
        amount: rub(kopecks),
        cause: ReleaseCause::OrderCancelled,
        available_after: rub(0),
    }
}

pub(crate) fn credited(number: u128, kopecks: i64) -> GiftCredited {
    GiftCredited { refund_id: refund(number), order_id: ORDER, amount: rub(kopecks), available_after: rub(0) }
}

/// A gift of so much that somebody took.
pub(crate) fn gift_in_hand(kopecks: i64) -> Chronicle {
    let initiated = PaymentInitiated {
        purpose: Purpose::Gift { gift_id: GIFT },
        provider_order_ref: gift_pay().provider_order_ref(1),
        ..initiated(1, kopecks)
    };
    Chronicle::default()
        .gift(gift_created(kopecks))
        .gift(gift_requested(kopecks))
        .gift_pay(initiated)
        .gift_pay(succeeded(kopecks))
        .gift(gift_issued(kopecks))
        .gift_pay(PaymentApplied { target: Purpose::Gift { gift_id: GIFT } })
        .gift(gift_activated())
}

/// An order of so much that the gift paid a part of and the card the rest.
pub(crate) fn paid_by_both(face: i64, total: i64, share: i64) -> Chronicle {
    let due = total - share;
    gift_in_hand(face)
        .gift(reserved(share))
        .order(created_with_gift(total, share))
        .order(requested(1, due))
        .pay(1, initiated(1, due))
        .pay(1, succeeded(due))
        .order(paid(1, due, share))
        .gift(redeemed(share))
        .pay(1, applied())
}

//! The transition table: what each command does in each status.

use super::*;

type Outcome = Result<Vec<&'static str>, &'static str>;

/// A command, and what it leads to in each status, in the order of `GiftStatus::ALL`.
fn table() -> Vec<(&'static str, Asked, [Outcome; 7])> {
    let yes = |name| Ok(vec![name]);
    let no = Err;
    let nothing = || Ok(vec![]);
    let pay = GiftCommand::RequestPayment(RequestGiftPayment {
        gift_id: GIFT,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: String::new(),
        policy: policy(),
    });
    let lost = GiftCommand::RecordPaymentFailure { payment_id: attempt(1), reason: FailureReason::Declined };
    let told = GiftCommand::RecordDelivery { channel: DeliveryChannel::Feed };
    let remind = GiftCommand::Remind { policy: policy() };
    vec![
        (
            "pay again while an attempt is open",
            (customer(BUYER), minute(5), pay),
            [
                nothing(),
                no("gift_not_payable"),
                no("gift_not_payable"),
                no("gift_not_payable"),
                no("gift_not_payable"),
                no("gift_not_payable"),
                no("gift_not_payable"),
            ],
        ),
        (
            "lose the attempt",
            (system(), minute(50), lost),
            [yes("gift_payment_attempt_failed"), nothing(), nothing(), nothing(), nothing(), nothing(), nothing()],
        ),
        (
            "issue for the first attempt",
            issue(attempt(1), rub(1_000)),
            [yes("gift_issued"), nothing(), nothing(), nothing(), nothing(), nothing(), nothing()],
        ),
        (
            "tell the recipient",
            (system(), minute(50), told),
            [
                no("invalid_transition"),
                yes("gift_delivered"),
                yes("gift_delivered"),
                yes("gift_delivered"),
                yes("gift_delivered"),
                nothing(),
                nothing(),
            ],
        ),
        (
            "remind the holder",
            (system(), minute(END - 29 * 24 * 60), remind),
            [
                no("invalid_transition"),
                yes("gift_reminded"),
                yes("gift_reminded"),
                yes("gift_reminded"),
                nothing(),
                nothing(),
                nothing(),
            ],
        ),
        (
            "cancel as the buyer",
            cancel(customer(BUYER), None, 50),
            [
                yes("gift_cancelled"),
                Ok(vec!["gift_cancelled", "gift_refund_requested"]),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_expired"),
                no("gift_already_cancelled"),
            ],
        ),
        (
            "cancel as an administrator",
            cancel(admin(), None, 50),
            [
                yes("gift_cancelled"),
                no("invalid_transition"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_expired"),
                no("gift_already_cancelled"),
            ],
        ),
        (
            "cancel for want of money",
            cancel(system(), Some(GiftCancelReason::PaymentTimeout), 50),
            [
                yes("gift_cancelled"),
                no("invalid_transition"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_expired"),
                no("gift_already_cancelled"),
            ],
        ),
        (
            "activate",
            activate(HOLDER, 50),
            // Before it is paid there is no code that could be right.
            [
                no("gift_not_found"),
                yes("gift_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_expired"),
                no("gift_not_found"),
            ],
        ),
        (
            "reserve as the holder",
            reserve(order(3), rub(100), 50),
            [
                no("gift_not_found"),
                no("gift_not_found"),
                yes("gift_reserved"),
                yes("gift_reserved"),
                no("gift_insufficient_balance"),
                no("gift_expired"),
                no("gift_not_found"),
            ],
        ),
        (
            "reserve with the code",
            reserve_with(order(3), rub(100), 50, |it| it.code_ref = Some(code_ref())),
            [
                no("gift_not_found"),
                Ok(vec!["gift_activated", "gift_reserved"]),
                yes("gift_reserved"),
                yes("gift_reserved"),
                no("gift_insufficient_balance"),
                no("gift_expired"),
                no("gift_not_found"),
            ],
        ),
        (
            "expire",
            expire(END),
            [
                no("invalid_transition"),
                yes("gift_expired"),
                yes("gift_expired"),
                yes("gift_expired"),
                nothing(),
                nothing(),
                nothing(),
            ],
        ),
        (
            "refund as the buyer",
            refund(customer(BUYER), 1, None, 50),
            [
                no("invalid_transition"),
                yes("gift_refund_requested"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_already_activated"),
                no("gift_nothing_to_refund"),
                no("gift_already_cancelled"),
            ],
        ),
        (
            "refund as an administrator",
            refund(admin(), 1, None, 50),
            [
                no("invalid_transition"),
                yes("gift_refund_requested"),
                yes("gift_refund_requested"),
                yes("gift_refund_requested"),
                no("gift_nothing_to_refund"),
                yes("gift_refund_requested"),
                no("gift_nothing_to_refund"),
            ],
        ),
        (
            "refund at the end",
            refund(system(), 1, None, END),
            [
                no("invalid_transition"),
                no("too_early"),
                no("too_early"),
                no("too_early"),
                no("too_early"),
                yes("gift_refund_requested"),
                no("gift_already_cancelled"),
            ],
        ),
        (
            "credit the first order",
            credit(order(1), 1, rub(100), 50),
            [
                no("gift_reservation_not_found"),
                no("gift_reservation_not_found"),
                no("gift_reservation_not_found"),
                yes("gift_credited"),
                yes("gift_credited"),
                no("gift_reservation_not_found"),
                no("gift_reservation_not_found"),
            ],
        ),
        (
            "block",
            (admin(), minute(50), GiftCommand::Block { reason: "chargeback".into() }),
            std::array::from_fn(|_| yes("gift_blocked")),
        ),
        (
            "unblock what is not blocked",
            (admin(), minute(50), GiftCommand::Unblock { reason: "all is well".into() }),
            std::array::from_fn(|_| nothing()),
        ),
    ]
}

#[test]
fn every_row_of_the_table_holds_and_nothing_beside_it() {
    for (name, asked, outcomes) in table() {
        for (status, expected) in GiftStatus::ALL.into_iter().zip(outcomes) {
            assert_eq!(names(&history(status), asked.clone()), expected, "{name} from {status:?}");
        }
    }
}

#[test]
fn each_history_leads_to_its_status() {
    for status in GiftStatus::ALL {
        assert_eq!(replay(&history(status)).status(), Some(status));
    }
}

#[test]
fn nothing_but_the_purchase_can_be_asked_of_what_nobody_chose() {
    for (name, asked, _) in table() {
        assert_eq!(names(&[], asked), Err("gift_not_found"), "{name}");
    }
    assert_eq!(names(&bought(), purchase(|_| {})), Ok(vec![]), "the same gift again");
}

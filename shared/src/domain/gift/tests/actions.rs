//! What viewers are told that they may do is what they may do.

use super::*;

fn situation(log: &[GiftEvent], viewer: GiftViewer, at: i64) -> GiftSituation {
    let gift = replay(log);
    GiftSituation {
        status: gift.status().unwrap(),
        viewer,
        kind: gift.kind().unwrap(),
        is_blocked: gift.is_blocked(),
        available: gift.available().unwrap(),
        has_active_attempt: gift.active_payment().is_some(),
        attempts_lost: gift.payment_attempts_lost(),
        attempts_opened: gift.attempts().len(),
        payment_deadline: gift.terms().unwrap().payment_deadline,
        expires_at: gift.issue().map(|issue| issue.expires_at),
        now: minute(at),
        policy: policy(),
    }
}

#[test]
fn what_is_told_is_what_the_gift_allows() {
    let actions: [(&str, GiftViewer, Asked); 9] = [
        ("pay", GiftViewer::Buyer, (customer(BUYER), minute(50), pay())),
        ("cancel", GiftViewer::Buyer, cancel(customer(BUYER), None, 50)),
        ("refund", GiftViewer::Buyer, refund(customer(BUYER), 1, None, 50)),
        ("activate", GiftViewer::Recipient, activate(HOLDER, 50)),
        ("spend", GiftViewer::Recipient, reserve(order(9), rub(10), 50)),
        ("cancel", GiftViewer::Admin, cancel(admin(), None, 50)),
        ("refund", GiftViewer::Admin, refund(admin(), 1, None, 50)),
        ("block", GiftViewer::Admin, (admin(), minute(50), GiftCommand::Block { reason: String::new() })),
        ("unblock", GiftViewer::Admin, (admin(), minute(50), GiftCommand::Unblock { reason: String::new() })),
    ];
    for status in GiftStatus::ALL {
        for is_blocked in [false, true] {
            let mut log = history(status);
            if is_blocked {
                log = after(&log, (admin(), minute(45), GiftCommand::Block { reason: "fraud".into() }));
            }
            for (name, viewer, asked) in &actions {
                let told = allowed_gift_actions(&situation(&log, *viewer, 50)).contains(name);
                // Paying on with the open attempt is allowed and records nothing; doing nothing else is no act.
                let does = ask(&log, asked.clone()).is_ok_and(|events| *name == "pay" || !events.is_empty());
                assert_eq!(told, does, "{name} as {viewer:?} in {status:?}, blocked: {is_blocked}");
            }
        }
    }
}

fn pay() -> GiftCommand {
    GiftCommand::RequestPayment(RequestGiftPayment {
        gift_id: GIFT,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: String::new(),
        policy: policy(),
    })
}

#[test]
fn only_the_buyer_of_a_waiting_gift_sees_its_code_and_only_a_dish_is_converted() {
    for viewer in [GiftViewer::Buyer, GiftViewer::Recipient, GiftViewer::Admin] {
        for status in GiftStatus::ALL {
            let actions = allowed_gift_actions(&situation(&history(status), viewer, 50));
            let expected = viewer == GiftViewer::Buyer && status == GiftStatus::Issued;
            assert_eq!(actions.contains(&"code"), expected, "{viewer:?} {status:?}");
            assert!(!actions.contains(&"convert"));
        }
    }
    assert!(allowed_gift_actions(&situation(&dish_issued(), GiftViewer::Recipient, 50)).contains(&"convert"));
}

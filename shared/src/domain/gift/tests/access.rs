//! Who may ask what, and what strangers get to hear.

use super::*;

#[test]
fn a_buyers_commands_are_nobody_elses() {
    let pay = RequestGiftPayment {
        gift_id: GIFT,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: String::new(),
        policy: policy(),
    };
    for command in [
        GiftCommand::RequestPayment(pay),
        GiftCommand::Cancel { reason_code: None, reason_text: None },
        refund(customer(STRANGER), 1, None, 50).2,
    ] {
        let asked = (customer(STRANGER), minute(20), command);
        assert_eq!(ask(&issued(), asked), Err(GiftError::NotFound));
    }
    let mut purchase = purchase(|_| {});
    purchase.0 = customer(STRANGER);
    assert_eq!(names(&[], purchase), Err("permission_denied"));
}

#[test]
fn wrong_code_foreign_and_blocked_gift_sound_the_same() {
    let mut wrong = activate(HOLDER, 20);
    if let GiftCommand::Activate(request) = &mut wrong.2 {
        request.code_ref = Some(CodeRef("wrong".into()));
    }
    let blocked = after(&issued(), (admin(), minute(15), GiftCommand::Block { reason: "fraud".into() }));
    let named = after(&[], purchase(|it| it.recipient_user_id = Some(HOLDER)));
    let named = after(&named, issue(attempt(1), rub(1_000)));
    for (given, asked) in [
        (issued(), wrong),
        (activated(), activate(STRANGER, 30)),
        (blocked.clone(), activate(HOLDER, 30)),
        (named.clone(), activate(STRANGER, 30)),
        (blocked, reserve_with(order(1), rub(100), 30, |it| it.code_ref = Some(code_ref()))),
        (activated(), reserve_with(order(1), rub(100), 30, |it| it.customer_id = STRANGER)),
        (named.clone(), reserve_with(order(1), rub(100), 30, |it| it.customer_id = STRANGER)),
    ] {
        let error = ask(&given, asked).unwrap_err();
        assert_eq!(error, GiftError::NotFound);
        assert_eq!(error.to_string(), "there is no such gift");
    }
    assert_eq!(names(&named, activate(BUYER, 30)), Err("gift_restricted"), "the buyer knows that it is not his");
    assert_eq!(names(&named, activate(HOLDER, 30)), Ok(vec!["gift_activated"]));
    let without_code = reserve(order(1), rub(100), 30);
    assert_eq!(names(&named, without_code), Ok(vec!["gift_activated", "gift_reserved"]), "who is named needs no code");
}

#[test]
fn only_the_system_moves_the_money_of_a_gift() {
    for (_, at, command) in [
        issue(attempt(1), rub(1_000)),
        reserve(order(1), rub(100), 30),
        redeem(order(1), 30),
        release(order(1), ReleaseCause::OrderCancelled, 30),
        credit(order(1), 1, rub(1), 30),
        expire(END),
        (system(), minute(1), GiftCommand::SettleRefund { refund_id: refund_id(1) }),
        (system(), minute(1), GiftCommand::RevertRefund { refund_id: refund_id(1), reason: String::new() }),
    ] {
        let kitchen = Actor::Producer { producer_id: ProducerId(Uuid::from_u128(7)), user_id: COOK };
        for actor in [customer(BUYER), customer(HOLDER), admin(), kitchen, Actor::Provider("TBANK".into())] {
            assert_eq!(names(&activated(), (actor, at, command.clone())), Err("permission_denied"));
        }
    }
}

#[test]
fn people_block_only_as_administrators() {
    let block = GiftCommand::Block { reason: "lost".into() };
    assert_eq!(names(&issued(), (customer(BUYER), minute(20), block.clone())), Err("permission_denied"));
    assert_eq!(names(&issued(), (system(), minute(20), block)), Ok(vec!["gift_blocked"]));
    let unblock = GiftCommand::Unblock { reason: "found".into() };
    assert_eq!(names(&issued(), (system(), minute(20), unblock)), Err("permission_denied"));
}

#[test]
fn the_balance_is_shown_to_whom_the_gift_belongs() {
    let shown = |log: &[GiftEvent], user, code: &str| replay(log).is_shown_to(user, &CodeRef(code.into()));
    assert!(shown(&issued(), BUYER, "right") && shown(&issued(), STRANGER, "right"), "whoever has the code");
    assert!(!shown(&issued(), BUYER, "wrong"));
    assert!(shown(&activated(), HOLDER, "right"));
    assert!(!shown(&activated(), BUYER, "right") && !shown(&activated(), STRANGER, "right"));
    assert!(!shown(&history(GiftStatus::Cancelled), BUYER, "right"));
    assert!(shown(&history(GiftStatus::Expired), HOLDER, "right"));
    let blocked = after(&activated(), (admin(), minute(15), GiftCommand::Block { reason: "fraud".into() }));
    assert!(!shown(&blocked, HOLDER, "right"));
}

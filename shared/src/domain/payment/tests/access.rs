//! Who may ask what of a payment.

use super::*;

#[test]
fn people_ask_nothing_of_a_payment_but_an_administrator_may_capture() {
    let id = || BANK_ID.to_owned();
    let commands = [
        (PaymentCommand::Initiate(Box::new(request())), "system"),
        (
            PaymentCommand::RecordSession { provider_payment_id: id(), payment_url: id(), init_try: 1 },
            "system provider",
        ),
        (hearing(ProviderStatus::Confirmed), "system provider"),
        (PaymentCommand::FailInit { reason: FailureReason::ProviderRejected, code: None }, "system provider"),
        (PaymentCommand::Capture { amount: price(), operation_id: Uuid::nil() }, "system admin"),
        (PaymentCommand::PostponeCapture { because: id() }, "system provider"),
        (PaymentCommand::Abort { cause: id() }, "system"),
        (PaymentCommand::RecordAbortOutcome(AbortOutcome::Voided), "system provider"),
        (PaymentCommand::MarkApplied, "system"),
        (PaymentCommand::MarkUnapplied { cause: UnappliedCause::Late }, "system"),
        (bank::charged_back(1, "r"), "system admin"),
        (bank::refunded(1, "r"), "system admin"),
        (PaymentCommand::ResolveIntegrity { decision: IntegrityDecision::RefundAll }, "admin"),
        (resolutions::finding(), "admin"),
        (refunds::requesting(1, 100), "system"),
        (refunds::result(1, 1, RefundOutcome::Succeeded), "system provider"),
    ];
    let user = Uuid::nil().into();
    let actors = [
        system(),
        Actor::Provider("tbank".into()),
        Actor::Admin(user),
        Actor::Customer(user),
        Actor::Producer { producer_id: Uuid::nil().into(), user_id: user },
    ];
    for (command, who) in commands {
        for actor in &actors {
            let may = who.split(' ').any(|kind| kind == actor.kind());
            for given in [vec![], history(PaymentStatus::Authorized)] {
                let intent = Intent { actor: actor.clone(), now: minute(5), command: command.clone() };
                let denied = replay(&given).decide(&intent) == Err(PaymentError::PermissionDenied);
                assert_eq!(denied, !may, "{} asks {command:?}", actor.kind());
            }
        }
    }
}

#[test]
fn what_nobody_initiated_does_not_exist() {
    check(&[], PaymentCommand::MarkApplied, Err(PaymentError::NotFound));
    assert_eq!(PaymentError::NotFound.kind(), RejectionKind::NotFound);
    assert_eq!(PaymentError::OnHold.kind(), RejectionKind::Rule);
    assert_eq!(PaymentError::InvalidValue { pointer: "/amount" }.pointer(), Some("/amount".into()));
}

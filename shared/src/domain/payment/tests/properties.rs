//! What holds whatever is asked and told, in whatever order.

use proptest::prelude::*;

use super::*;

pub(super) fn any_command() -> impl Strategy<Value = PaymentCommand> {
    let outcomes = [
        RefundOutcome::Submitted,
        RefundOutcome::Submitted,
        RefundOutcome::Succeeded,
        RefundOutcome::Unknown,
        RefundOutcome::Failed { code: None, retry_at: Some(minute(0)) },
    ];
    let session = PaymentCommand::RecordSession {
        provider_payment_id: BANK_ID.into(),
        payment_url: "https://bank.test".into(),
        init_try: 1,
    };
    let returned = AbortOutcome::Returned {
        provider_payment_id: BANK_ID.into(),
        amount: price(),
        source: EvidenceSource::Response,
    };
    prop_oneof![
        6 => prop::sample::select(ProviderStatus::ALL.to_vec()).prop_map(hearing),
        1 => Just(session),
        1 => prop::sample::select(vec![
            PaymentCommand::Abort { cause: "x".into() },
            PaymentCommand::RecordAbortOutcome(AbortOutcome::Cancelled),
            PaymentCommand::RecordAbortOutcome(AbortOutcome::Voided),
            PaymentCommand::RecordAbortOutcome(returned),
            PaymentCommand::PostponeCapture { because: "x".into() },
            PaymentCommand::FailInit { reason: FailureReason::ProviderUnavailable, code: None },
        ]),
        2 => prop::sample::select(vec![
            PaymentCommand::MarkApplied,
            PaymentCommand::MarkUnapplied { cause: UnappliedCause::Duplicate },
            PaymentCommand::Capture { amount: price(), operation_id: Uuid::nil() },
        ]),
        1 => (0u32..3, 1i64..12_000).prop_map(|(act, kopecks)| bank::charged_back(kopecks, &format!("c{act}"))),
        1 => (0u32..3, 1i64..12_000).prop_map(|(act, kopecks)| bank::refunded(kopecks, &format!("r{act}"))),
        1 => Just(PaymentCommand::RecordAbortOutcome(AbortOutcome::NotYet { because: "x".into() })),
        4 => (0u128..5, 1i64..12_000).prop_map(|(id, kopecks)| refunds::requesting(id, kopecks)),
        12 => (0u128..5, 1u32..4, prop::sample::select(outcomes.to_vec()))
            .prop_map(|(id, epoch, outcome)| refunds::result(id, epoch, outcome)),
    ]
}

pub(super) fn live(commands: Vec<PaymentCommand>) -> Vec<PaymentEvent> {
    let mut log = vec![initiated()];
    let mut payment = replay(&log);
    for command in commands {
        for event in payment.decide(&intent(command)).unwrap_or_default() {
            cqrs_es::Aggregate::apply(&mut payment, event.clone());
            log.push(event);
        }
    }
    log
}

/// What went back or may yet go back, and what was taken, at the end of the log.
fn claimed_and_captured(log: &[PaymentEvent]) -> (i64, i64) {
    let (mut claims, mut captured) = (std::collections::HashMap::new(), 0);
    let mut amounts = std::collections::HashMap::new();
    for event in log {
        match event {
            PaymentEvent::PaymentSucceeded(succeeded) => captured = succeeded.amount.minor(),
            PaymentEvent::PaymentRefundRequested(refund) => {
                amounts.insert(refund.refund_id, refund.amount.minor());
                claims.insert(refund.refund_id, refund.amount.minor());
            }
            PaymentEvent::PaymentRefundFailed(refund) => drop(claims.remove(&refund.refund_id)),
            PaymentEvent::PaymentRefundSubmitted(PaymentRefundSubmitted { refund_id, .. })
            | PaymentEvent::PaymentRefundUnknown(PaymentRefundUnknown { refund_id, .. })
            | PaymentEvent::PaymentRefundSucceeded(PaymentRefundSucceeded { refund_id, .. }) => {
                claims.insert(*refund_id, amounts[refund_id]);
            }
            _ => {}
        }
    }
    (claims.values().sum(), captured)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn money_stays_within_its_bounds(commands in prop::collection::vec(any_command(), 0..80)) {
        let log = live(commands);
        let count = |name: &str| log.iter().filter(|event| event.type_name() == name).count();
        prop_assert!(count("payment_succeeded") <= 1);
        prop_assert!(count("payment_applied") + count("payment_unapplied") <= 1);
        for until in 0..=log.len() {
            let (claimed, captured) = claimed_and_captured(&log[..until]);
            prop_assert!(claimed <= captured, "{claimed} of {captured} after {until} events");
        }
        let gone = log.iter().filter_map(|event| match event {
            PaymentEvent::PaymentRefundSucceeded(refund) => Some(refund.refund_id),
            _ => None,
        });
        let gone: Vec<_> = gone.collect();
        let once: std::collections::HashSet<_> = gone.iter().collect();
        prop_assert_eq!(gone.len(), once.len(), "a refund went back twice");
        let flying = replay(&log).refunds().iter().filter(|refund| {
            matches!(refund.state, RefundState::Submitted { .. } | RefundState::Unknown { .. })
        }).count();
        prop_assert!(flying <= 1);
    }

    #[test]
    fn a_snapshot_is_as_good_as_the_history(commands in prop::collection::vec(any_command(), 0..60)) {
        let payment = replay(&live(commands));
        let snapshot = serde_json::to_vec(&payment).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Payment>(&snapshot).unwrap(), payment);
    }

    #[test]
    fn every_history_can_be_applied_in_any_order(
        commands in prop::collection::vec(any_command(), 0..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        birth_first in any::<bool>(),
        asked in any_command(),
    ) {
        let log = [live(commands), STATUSES.map(history).concat()].concat();
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&log).clone()).collect();
        if birth_first {
            shuffled.insert(0, initiated());
        }
        let payment = replay(&shuffled);
        let answer = payment.decide(&intent(asked));
        prop_assert!(answer.is_ok() || answer.is_err(), "neither applying nor deciding panics");
    }
}

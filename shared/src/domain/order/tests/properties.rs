//! What holds whatever is asked, in whatever order.

use proptest::prelude::*;

use super::*;
use crate::domain::dispute::{DisputeClaim, DisputeReason};

/// How long after the one before, and what: any command at all, or the one that leads on from where the order stands.
pub(super) type Step = (i64, Option<OrderCommand>);

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    (0i64..40, prop_oneof![1 => Just(None), 1 => any_command().prop_map(Some)])
}

/// The command of an undisturbed life.
fn next_command(status: OrderStatus, attempts: usize) -> OrderCommand {
    match status {
        OrderStatus::WaitingForPayment => OrderCommand::MarkPaid(MarkPaid {
            payment_id: u32::try_from(attempts).ok().map(attempt),
            card_amount: Money::rub(15_000),
            gift_amount: Money::rub(5_000),
            funds: Funds::Captured,
            policy: policy(),
        }),
        OrderStatus::Paid => OrderCommand::Accept { eta_minutes: 20 },
        OrderStatus::Accepted => OrderCommand::StartPreparation { note: None },
        OrderStatus::Preparing => OrderCommand::MarkReady { note: None },
        OrderStatus::Ready => OrderCommand::Dispatch { note: None },
        OrderStatus::OutForDelivery => OrderCommand::MarkDelivered { proof_ref: None, policy: policy() },
        OrderStatus::Delivered => OrderCommand::Complete { policy: policy() },
        OrderStatus::Completed | OrderStatus::Cancelled => OrderCommand::ReleasePayout,
    }
}

fn any_command() -> impl Strategy<Value = OrderCommand> {
    let reasons = [FailureReason::Declined, FailureReason::ProviderUnavailable, FailureReason::Expired];
    let cancel_reasons = [
        None,
        None,
        Some(CancelReason::PaymentTimeout),
        Some(CancelReason::PaymentFailed),
        Some(CancelReason::ProducerTimeout),
        Some(CancelReason::Dispute),
    ];
    let request = RequestPayment {
        order_id: ORDER,
        provider: ProviderChoice::own(Provider::DevFake),
        return_url: String::new(),
        capture_mode: None,
        policy: policy(),
    };
    let refund_id = |cause: u128| RefundId(Uuid::from_u128(cause));
    let parts = prop::sample::select(vec![RefundPart::Card, RefundPart::Gift]);
    prop_oneof![
        4 => Just(OrderCommand::RequestPayment(request)),
        2 => (1u32..4, prop::sample::select(reasons.to_vec()))
            .prop_map(|(no, reason)| OrderCommand::RecordPaymentFailure { payment_id: attempt(no), reason }),
        3 => (1u32..4, any::<bool>()).prop_map(|(no, held)| OrderCommand::MarkPaid(MarkPaid {
            payment_id: Some(attempt(no)),
            card_amount: Money::rub(15_000),
            gift_amount: Money::rub(5_000),
            funds: if held { Funds::Authorized } else { Funds::Captured },
            policy: policy(),
        })),
        4 => prop::sample::select(vec![
            OrderCommand::Accept { eta_minutes: 20 },
            OrderCommand::StartPreparation { note: None },
            OrderCommand::MarkReady { note: None },
            OrderCommand::Dispatch { note: None },
            OrderCommand::MarkDelivered { proof_ref: None, policy: policy() },
            OrderCommand::Complete { policy: policy() },
            OrderCommand::ReleasePayout,
            OrderCommand::AdjustEta { eta_minutes: 9 },
            OrderCommand::Rate(Rate { rating: 3, per_item: vec![], comment: None, policy: policy() }),
        ]),
        1 => prop::sample::select(cancel_reasons.to_vec())
            .prop_map(|reason_code| OrderCommand::Cancel { reason_code, reason_text: None }),
        3 => (0u128..6, prop::option::of(1i64..12_000)).prop_map(move |(cause, amount)| {
            OrderCommand::AuthorizeRefund(AuthorizeRefund {
                refund_id: refund_id(cause),
                source: RefundSource::Admin,
                source_id: Uuid::from_u128(cause),
                amount: amount.map_or(RefundAmount::Rest, |minor| RefundAmount::Exactly(Money::rub(minor))),
                fault: Fault::None,
            })
        }),
        2 => prop::option::of(1i64..12_000).prop_map(|claimed| {
            let claimed_amount = claimed.map(Money::rub);
            dispute::claiming(DisputeClaim { claimed_amount, ..dispute::claim(DisputeReason::Late) })
        }),
        2 => (1u32..3, 0i64..25_000).prop_map(|(number, kopecks)| dispute::settling(number, kopecks)),
        2 => (0u128..6, parts.clone()).prop_map(move |(cause, part)| {
            OrderCommand::SettleRefund { refund_id: refund_id(cause), part }
        }),
        1 => (0u128..6, parts).prop_map(move |(cause, part)| {
            OrderCommand::RecordRefundFailure { refund_id: refund_id(cause), part, reason: "no".into() }
        }),
    ]
}

/// Lets the steps happen, as far as anybody may take them.
pub(super) fn live(steps: Vec<Step>) -> Vec<OrderEvent> {
    let mut now = minute(0);
    let mut log = vec![created_for(Money::rub(20_000), Money::rub(15_000), DeliveryType::Building)];
    let mut order = replay(&log);
    for (later, command) in steps {
        // Now and then two days pass, so that the long deadlines are reached too.
        now += if later == 39 { TimeDelta::hours(48) } else { TimeDelta::minutes(later / 20) };
        let command = command.unwrap_or_else(|| next_command(order.status().unwrap(), order.attempts().len()));
        let asked = [system(), customer(), cook(), admin()]
            .into_iter()
            .find_map(|actor| order.decide(&Intent { actor, now, command: command.clone() }).ok());
        for event in asked.unwrap_or_default() {
            cqrs_es::Aggregate::apply(&mut order, event.clone());
            log.push(event);
        }
    }
    log
}

fn count(log: &[OrderEvent], name: &str) -> usize {
    log.iter().filter(|event| event.type_name() == name).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn money_and_attempts_stay_within_their_bounds(steps in prop::collection::vec(any_step(), 0..120)) {
        let log = live(steps);
        prop_assert!(count(&log, "order_paid") <= 1);
        prop_assert!(count(&log, "order_cancelled") <= 1);
        prop_assert!(count(&log, "order_rated") <= 1);
        prop_assert!(count(&log, "order_payout_released") <= 1);
        let (mut card_paid, mut gift_paid, mut card_back, mut gift_back) = (0, 0, 0, 0);
        let (mut open_attempts, mut closed) = (0i32, false);
        let (mut open_dispute, mut disputes) = (None, 0);
        let mut causes = std::collections::HashSet::new();
        for event in &log {
            prop_assert!(disputes <= 2);
            match event {
                OrderEvent::OrderPayoutFrozen(frozen) => {
                    prop_assert!(open_dispute.replace(frozen.dispute_id).is_none(), "two disputes at once");
                    disputes += 1;
                }
                OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
                    prop_assert_eq!(open_dispute.take(), Some(unfrozen.dispute_id));
                }
                OrderEvent::OrderPaymentRequested(_) => {
                    open_attempts += 1;
                    prop_assert!(!closed, "an attempt was opened on a closed order");
                }
                OrderEvent::OrderPaymentAttemptFailed(_) => open_attempts -= 1,
                OrderEvent::OrderPaid(paid) => {
                    (card_paid, gift_paid) = (paid.card_amount.minor(), paid.gift_amount.minor());
                    closed = true;
                }
                OrderEvent::OrderCancelled(_) => closed = true,
                OrderEvent::OrderRefundAuthorized(refund) => {
                    card_back += refund.card_amount.minor();
                    gift_back += refund.gift_amount.minor();
                    prop_assert!(causes.insert(refund.source_id), "one cause, two refunds");
                }
                OrderEvent::OrderPayoutReleased(payout) => {
                    prop_assert!(open_dispute.is_none(), "released under a dispute");
                    let net = card_paid + gift_paid - card_back - gift_back;
                    prop_assert_eq!(payout.commission.minor() + payout.producer_net.minor(), net);
                    prop_assert_eq!(payout.commission, Money::rub(net).basis_points(1_000));
                }
                _ => {}
            }
            prop_assert!((0..=1).contains(&open_attempts));
            prop_assert!(card_back <= card_paid && gift_back <= gift_paid);
        }
    }

    #[test]
    fn a_snapshot_is_as_good_as_the_history(steps in prop::collection::vec(any_step(), 0..80)) {
        let order = replay(&live(steps));
        let snapshot = serde_json::to_value(&order).unwrap();
        prop_assert_eq!(serde_json::from_value::<Order>(snapshot).unwrap(), order);
    }

    #[test]
    fn every_history_can_be_applied_in_any_order(
        steps in prop::collection::vec(any_step(), 0..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        birth_first in any::<bool>(),
    ) {
        let log = [live(steps), history(OrderStatus::Completed), history(OrderStatus::Cancelled)].concat();
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&log).clone()).collect();
        if birth_first {
            shuffled.insert(0, created());
        }
        let order = replay(&shuffled);
        let asked = order.decide(&Intent { actor: system(), now: minute(9_999), command: OrderCommand::ReleasePayout });
        prop_assert!(asked.is_ok() || asked.is_err(), "neither applying nor deciding panics");
    }
}

#[test]
fn a_long_history_leaves_a_small_order() {
    let eta = OrderEtaChanged { eta_minutes: 5, ready_by: minute(5) };
    let mut log = history(OrderStatus::Preparing);
    log.extend(std::iter::repeat_n(OrderEvent::from(eta), 10_000));
    assert!(serde_json::to_vec(&replay(&log)).unwrap().len() < 2_000);
}

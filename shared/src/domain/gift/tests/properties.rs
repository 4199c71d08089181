//! What holds whatever is asked, in whatever order.

use proptest::prelude::*;

use super::*;

/// Minutes after the step before, who asks, and what.
pub(super) type Step = (i64, usize, GiftCommand);

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    (0i64..40, 0usize..5, any_command())
}

fn any_command() -> impl Strategy<Value = GiftCommand> {
    let order_id = |no: u128| order(no);
    let of = move |no: u128| reservation(order_id(no));
    let causes = [GiftRefundCause::BuyerRequest, GiftRefundCause::Admin, GiftRefundCause::Expiry];
    prop_oneof![
        1 => (1u32..3, prop::bool::ANY).prop_map(|(no, all)| {
            issue(attempt(no), if all { rub(1_000) } else { rub(999) }).2
        }),
        1 => Just(activate(HOLDER, 0).2),
        1 => Just(convert(HOLDER, None, false).2),
        6 => (0u128..8, 1i64..90_000, prop::option::of(1i64..50_000)).prop_map(move |(no, total, wanted)| {
            let wanted = wanted.map(Money::rub);
            reserve_with(order_id(no), Money::rub(total), 0, |it| {
                it.purpose = ReservePurpose::Order { wanted };
                it.code_ref = Some(code_ref());
            }).2
        }),
        4 => (0u128..8).prop_map(move |no| GiftCommand::Redeem { reservation_id: of(no) }),
        2 => (0u128..8).prop_map(move |no| {
            GiftCommand::Release { reservation_id: of(no), cause: ReleaseCause::OrderCancelled }
        }),
        4 => (0u128..8, 0u128..12, 1i64..50_000).prop_map(move |(no, refund, amount)| {
            credit(order_id(no), refund, Money::rub(amount), 0).2
        }),
        1 => Just(GiftCommand::Expire),
        2 => (0u128..6, prop::option::of(1i64..50_000), prop::sample::select(causes.to_vec())).prop_map(
            |(no, amount, cause)| GiftCommand::RequestRefund(RequestGiftRefund {
                refund_id: refund_id(no), amount: amount.map(Money::rub), cause,
            })
        ),
        2 => (0u128..6).prop_map(|no| GiftCommand::SettleRefund { refund_id: refund_id(no) }),
        1 => (0u128..6).prop_map(|no| GiftCommand::RevertRefund { refund_id: refund_id(no), reason: "no".into() }),
        1 => prop::sample::select(vec![
            GiftCommand::Cancel { reason_code: None, reason_text: None },
            GiftCommand::Block { reason: "fraud".into() },
            GiftCommand::Unblock { reason: "checked".into() },
        ]),
    ]
}

/// Lets the steps happen, as far as anybody may take them.
pub(super) fn live(steps: Vec<Step>) -> Vec<GiftEvent> {
    let mut now = minute(0);
    let mut log = bought();
    let mut gift = replay(&log);
    let actors = [system(), customer(HOLDER), customer(BUYER), admin(), system()];
    for (later, who, mut command) in steps {
        // Now and then half a year passes, so that the end is reached too.
        now += if later == 39 { TimeDelta::days(183) } else { TimeDelta::minutes(later) };
        if let GiftCommand::Reserve(request) = &mut command {
            request.payment_deadline = now + TimeDelta::minutes(30);
        }
        let mine = actors.iter().cycle().skip(who).take(actors.len());
        let decided = mine
            .filter_map(|actor| gift.decide(&Intent { actor: actor.clone(), now, command: command.clone() }).ok())
            .next();
        for event in decided.unwrap_or_default() {
            cqrs_es::Aggregate::apply(&mut gift, event.clone());
            log.push(event);
        }
    }
    log
}

/// How an event moves money between pots; `None` for what comes from outside, and for events without money.
fn movement(event: &GiftEvent) -> Option<(Pot, Pot, Money)> {
    match event {
        GiftEvent::GiftReserved(it) => Some((Pot::Available, Pot::Reserved, it.amount)),
        GiftEvent::GiftRedeemed(it) => Some((Pot::Reserved, Pot::Redeemed, it.amount)),
        GiftEvent::GiftReservationReleased(it) => Some((Pot::Reserved, Pot::Available, it.amount)),
        GiftEvent::GiftCredited(it) => Some((Pot::Redeemed, Pot::Available, it.amount)),
        GiftEvent::GiftRefundRequested(it) => Some((Pot::Available, Pot::Refunding, it.amount)),
        GiftEvent::GiftRefundSettled(it) => Some((Pot::Refunding, Pot::Refunded, it.amount)),
        GiftEvent::GiftRefundReverted(it) => Some((Pot::Refunding, Pot::Available, it.amount)),
        _ => None,
    }
}

fn count(log: &[GiftEvent], name: &str) -> usize {
    log.iter().filter(|event| event.type_name() == name).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_pot_falls_below_nothing_and_nothing_is_lost(steps in prop::collection::vec(any_step(), 0..150)) {
        let mut gift = Gift::default();
        // The pots as the events alone tell them, with no clamping.
        let mut pots = [0_i64; 5];
        let mut face = 0;
        for event in live(steps) {
            if let GiftEvent::GiftIssued(issued) = &event {
                face = issued.value.minor();
                pots[0] += face;
            }
            if let Some((from, to, amount)) = movement(&event) {
                prop_assert!(amount.is_positive(), "{:?} moves nothing", event);
                pots[from as usize] -= amount.minor();
                pots[to as usize] += amount.minor();
            }
            prop_assert!(pots.iter().all(|pot| *pot >= 0), "{:?} after {:?}", pots, event);
            prop_assert_eq!(pots.iter().sum::<i64>(), face);
            cqrs_es::Aggregate::apply(&mut gift, event);
            let purse = gift.purse().unwrap();
            prop_assert_eq!(Pot::ALL.map(|pot| purse.amount(pot).minor()), pots);
        }
    }

    #[test]
    fn what_happens_once_happens_once(steps in prop::collection::vec(any_step(), 0..150)) {
        let log = live(steps);
        for name in ["gift_created", "gift_issued", "gift_activated", "gift_expired", "gift_cancelled"] {
            prop_assert!(count(&log, name) <= 1, "{} twice", name);
        }
        let mut open = std::collections::HashMap::new();
        let (mut refunds, mut credits) = (std::collections::HashSet::new(), std::collections::HashSet::new());
        let mut is_expired = false;
        for event in &log {
            match event {
                GiftEvent::GiftExpired(_) => is_expired = true,
                GiftEvent::GiftReserved(it) => {
                    prop_assert!(!is_expired, "spent after the end");
                    prop_assert!(open.insert(it.reservation_id, Some(it.amount)).is_none(), "reserved twice");
                }
                GiftEvent::GiftRedeemed(it) => {
                    prop_assert_eq!(open.insert(it.reservation_id, None).flatten(), Some(it.amount));
                }
                GiftEvent::GiftReservationReleased(it) => {
                    prop_assert_eq!(open.insert(it.reservation_id, None).flatten(), Some(it.amount));
                }
                GiftEvent::GiftRefundRequested(it) => prop_assert!(refunds.insert(it.refund_id), "one refund twice"),
                GiftEvent::GiftCredited(it) => {
                    prop_assert!(credits.insert((it.order_id, it.refund_id)), "one credit twice");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_snapshot_is_as_good_as_the_history(steps in prop::collection::vec(any_step(), 0..80)) {
        let gift = replay(&live(steps));
        let snapshot = serde_json::to_value(&gift).unwrap();
        prop_assert_eq!(serde_json::from_value::<Gift>(snapshot).unwrap(), gift);
    }

    #[test]
    fn every_history_can_be_applied_in_any_order(
        steps in prop::collection::vec(any_step(), 0..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        birth_first in any::<bool>(),
    ) {
        let log = [live(steps), history(GiftStatus::Redeemed), history(GiftStatus::Cancelled), dish_activated()];
        let log = log.concat();
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&log).clone()).collect();
        if birth_first {
            shuffled.insert(0, bought().remove(0));
        }
        let gift = replay(&shuffled);
        if let Some(purse) = gift.purse() {
            let sum: i64 = Pot::ALL.iter().map(|pot| purse.amount(*pot).minor()).sum();
            prop_assert_eq!(sum, purse.face().minor(), "whatever happened, nothing is lost");
        }
        let asked = gift.decide(&Intent { actor: system(), now: minute(END), command: GiftCommand::Expire });
        prop_assert!(asked.is_ok() || asked.is_err(), "neither applying nor deciding panics");
    }
}

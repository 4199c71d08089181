//! What process managers leave to people, and whom they do not trouble: reactions alone, without anything around them.

use std::borrow::Cow;

use shared::{
    domain::{
        DishId, DomainEvent, GiftId, ProducerId, UserId,
        gift::{CodeRef, Gift, GiftCommand, GiftCreated, GiftIssued, GiftKind},
        order::{
            DeliveryType, Funds, GiftUse, Order, OrderCreated, OrderItem, OrderPaid, OrderPaymentRequested, PriceSource,
        },
        payment::{
            CaptureMode, IntegrityDecision, PaymentApplied, PaymentChargebackRecorded, PaymentEvent,
            PaymentExternalRefundRecorded, PaymentInitiated, PaymentIntegrityResolved, PaymentSucceeded, Purpose,
        },
    },
    log::{Metadata, RecordedEvent},
};

use super::*;

const GIFT: GiftId = GiftId(Uuid::from_u128(0x61));

fn rub(kopecks: i64) -> Money {
    Money::rub(kopecks)
}

fn recorded(aggregate_id: Uuid, domain: DomainEvent) -> RecordedEvent {
    let command_id = Uuid::from_u128(0x91);
    RecordedEvent {
        position: 1,
        event_id: Uuid::from_u128(0x81),
        aggregate_type: domain.aggregate_type(),
        aggregate_id,
        sequence: 1,
        event_type: Cow::Borrowed(domain.type_name()),
        schema_version: domain.schema_version(),
        occurred_at: now(),
        recorded_at: now(),
        correlation_id: aggregate_id,
        causation_id: command_id,
        actor: Actor::system("test"),
        metadata: Metadata { command_id, request_id: None, traceparent: None },
        payload: Arc::from("{}"),
        event: Ok(domain),
    }
}

fn of<A: cqrs_es::Aggregate>(events: impl IntoIterator<Item = A::Event>) -> A {
    events.into_iter().fold(A::default(), |mut aggregate, event| {
        aggregate.apply(event);
        aggregate
    })
}

fn situation() -> Situation {
    Situation {
        now: now(),
        order: None,
        payment: None,
        gift: None,
        dish: None,
        overdue: Vec::new(),
        policies: policies(),
    }
}

/// A payment whose money was taken, and what happened to it since.
fn taken(payment_id: PaymentId, purpose: Purpose, more: impl IntoIterator<Item = PaymentEvent>) -> Payment {
    let initiated = PaymentInitiated {
        purpose,
        amount: rub(PRICE_KOPECKS),
        provider: Provider::DevFake,
        provider_order_ref: payment_id.provider_order_ref(1),
        return_url: "http://localhost/paid".to_owned(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: now(),
    };
    let succeeded = PaymentSucceeded {
        provider_payment_id: "bank-1".to_owned(),
        amount: rub(PRICE_KOPECKS),
        source: EvidenceSource::Poll,
        late: false,
    };
    of([initiated.into(), succeeded.into()].into_iter().chain(more))
}

/// A gift that its first payment bought.
fn bought() -> Gift {
    let created = GiftCreated {
        buyer_id: CUSTOMER,
        kind: GiftKind::Amount,
        value: rub(PRICE_KOPECKS),
        dish: None,
        recipient_user_id: None,
        deliver_at: None,
        payment_deadline: now(),
        pii_sealed: None,
    };
    let issued = GiftIssued {
        payment_id: PaymentId::of_gift_attempt(GIFT, 1),
        value: rub(PRICE_KOPECKS),
        code_ref: CodeRef("7".repeat(64)),
        last4: "7777".to_owned(),
        deliver_at: now(),
        remind_at: now() + TimeDelta::days(300),
        expires_at: now() + TimeDelta::days(365),
    };
    of([created.into(), issued.into()])
}

/// What follows from an act of the bank about that attempt to pay the gift.
fn about_the_gift(attempt_no: u32, act: impl Into<PaymentEvent>) -> Vec<Step> {
    let payment_id = PaymentId::of_gift_attempt(GIFT, attempt_no);
    let payment = taken(payment_id, Purpose::Gift { gift_id: GIFT }, []);
    let situation = Situation { payment: Some(payment), gift: Some(bought()), ..situation() };
    let event = recorded(payment_id.0, DomainEvent::Payment(act.into()));
    PROCESS_MANAGERS.iter().flat_map(|manager| (manager.react)(&event, &situation)).collect()
}

fn blocks(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Gift { act: GiftAct::Ask(command), .. } => matches!(**command, GiftCommand::Block { .. }),
        _ => false,
    })
}

fn alarms(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().filter_map(|step| if let Step::Alarm { kind } = step { Some(*kind) } else { None }).collect()
}

#[test]
fn a_gift_is_blocked_for_the_money_that_bought_it_and_for_no_other() {
    let chargeback = || PaymentChargebackRecorded { amount: rub(PRICE_KOPECKS), registry_ref: "CB-1".to_owned() };
    let external = || PaymentExternalRefundRecorded {
        amount: rub(PRICE_KOPECKS),
        registry_ref: "EX-1".to_owned(),
        stands_for: None,
    };
    for steps in [about_the_gift(1, chargeback()), about_the_gift(1, external())] {
        assert!(blocks(&steps), "{steps:?}");
    }
    let surplus = about_the_gift(2, chargeback());
    assert_eq!((blocks(&surplus), alarms(&surplus)), (false, vec!["payment_chargeback"]));
    let surplus = about_the_gift(2, external());
    assert_eq!((blocks(&surplus), alarms(&surplus)), (false, vec!["external_refund_of_unused_money"]));
}

fn created(gift: Option<GiftUse>) -> OrderCreated {
    let share = gift.as_ref().map_or(0, |gift| gift.amount.minor());
    OrderCreated {
        customer_id: CUSTOMER,
        producer_id: ProducerId(Uuid::from_u128(4)),
        items: vec![OrderItem {
            line_no: 1,
            dish_id: DishId(Uuid::from_u128(5)),
            dish_name: "borscht".to_owned(),
            unit_price: rub(PRICE_KOPECKS),
            quantity: 1,
            line_total: rub(PRICE_KOPECKS),
            price_version: 1,
            price_source: PriceSource::Catalog,
        }],
        delivery_type: DeliveryType::Building,
        delivery_fee: rub(0),
        total_price: rub(PRICE_KOPECKS),
        gift,
        amount_due: rub(PRICE_KOPECKS - share),
        commission_bps: 1_000,
        payment_deadline: now(),
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    }
}

fn paid(payment_id: Option<PaymentId>, funds: Funds, share: i64) -> OrderPaid {
    let (card_amount, gift_amount) = (rub(PRICE_KOPECKS - share), rub(share));
    OrderPaid { payment_id, card_amount, gift_amount, funds, accept_deadline: now() }
}

/// The alarms that a refusal of the one command that fits leads to.
fn if_refused(steps: &[Step], fits: impl Fn(&Step) -> bool) -> Vec<&'static str> {
    let asked: Vec<&Step> = steps.iter().filter(|step| fits(step)).collect();
    match asked[..] {
        [Step::Order { otherwise, .. } | Step::Payment { otherwise, .. } | Step::Gift { otherwise, .. }] => {
            alarms(otherwise)
        }
        _ => panic!("{steps:?}"),
    }
}

#[test]
fn money_that_paid_an_order_and_is_refused_by_now_is_looked_at_by_a_person() {
    let (order_id, payment_id) = order(1);
    for (funds, expected) in [(Funds::Captured, vec!["order_paid_with_refused_money"]), (Funds::Authorized, vec![])] {
        let event = paid(Some(payment_id), funds, 0);
        let order = of::<Order>([created(None).into(), event.clone().into()]);
        let situation = Situation { order: Some(order), ..situation() };
        let event = recorded(order_id.0, DomainEvent::Order(event.into()));
        let steps = order_payment::react(&event, &situation);
        let applies =
            |step: &Step| matches!(step, Step::Payment { command, .. } if *command == PaymentCommand::MarkApplied);
        assert_eq!(if_refused(&steps, applies), expected);
    }
}

#[test]
fn a_share_of_a_gift_that_is_not_redeemed_for_a_paid_order_is_looked_at_by_a_person() {
    let (order_id, _) = order(1);
    let share = GiftUse { gift_id: GIFT, reservation_id: GIFT.reservation_for(order_id), amount: rub(PRICE_KOPECKS) };
    let event = paid(None, Funds::Captured, PRICE_KOPECKS);
    let order = of::<Order>([created(Some(share)).into(), event.clone().into()]);
    let situation = Situation { order: Some(order), ..situation() };
    let steps = gift_use::react(&recorded(order_id.0, DomainEvent::Order(event.into())), &situation);
    assert_eq!(if_refused(&steps, |step| matches!(step, Step::Gift { .. })), ["gift_share_not_redeemed"]);
}

#[test]
fn a_refund_that_two_administrators_decided_and_the_order_refuses_is_looked_at_by_a_person() {
    let (order_id, payment_id) = order(1);
    let purpose = Purpose::Order { order_id };
    let resolved = PaymentIntegrityResolved {
        decision: IntegrityDecision::RefundAll,
        proposed_by: UserId(Uuid::from_u128(71)),
        approved_by: UserId(Uuid::from_u128(72)),
    };
    let payment = taken(payment_id, purpose, [PaymentApplied { target: purpose }.into(), resolved.clone().into()]);
    let requested = OrderPaymentRequested {
        payment_id,
        attempt_no: 1,
        amount_due: rub(PRICE_KOPECKS),
        provider: None,
        return_url: "http://localhost/paid".to_owned(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: now(),
    };
    let paid = paid(Some(payment_id), Funds::Captured, 0);
    let order = of::<Order>([created(None).into(), requested.into(), paid.into()]);
    let situation = Situation { order: Some(order), payment: Some(payment), ..situation() };
    let steps = order_payment::react(&recorded(payment_id.0, DomainEvent::Payment(resolved.into())), &situation);
    assert_eq!(if_refused(&steps, |step| matches!(step, Step::Order { .. })), ["order_to_be_refunded"]);
}

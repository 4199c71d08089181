//! Gifts as their process managers treat them, played by the test: redeem what a paid order reserved, release what an
//! unpaid one did, credit what goes back, and send expired money to the buyer.

use shared::{
    domain::{
        Actor, DomainEvent, GiftId, Money, OrderId, PaymentId,
        gift::{
            ActivateGift, CodeRef, Gift, GiftCommand, GiftEvent, GiftPolicy, GiftWish, IssueGift, PurchaseGift,
            ReleaseCause,
        },
        order::{OrderCommand, OrderEvent, OrderStatus, RefundPart},
        payment::{
            CaptureMode, EvidenceSource, InitiatePayment, Payment, PaymentCommand, PaymentEvent, PaymentPolicy,
            PaymentRefundSource, Provider, ProviderReport, ProviderStatus, Purpose, RecordProviderStatus,
        },
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use command_service::process_managers::Step;

use crate::{
    managers::{Do, order_of},
    people::CUSTOMER,
    world::World,
};

/// What follows from the event.
pub fn react(event: &RecordedEvent, world: &World) -> Vec<Do> {
    match &event.event {
        Ok(DomainEvent::Order(order_event)) => on_order(order_of(event), order_event, world),
        Ok(DomainEvent::Gift(GiftEvent::GiftRefundRequested(refund))) => {
            let (refund_id, amount, source) = (refund.refund_id, refund.amount, PaymentRefundSource::GiftRefund);
            let command = PaymentCommand::RequestRefund { refund_id, amount, source };
            vec![Do::Step(Step::payment(refund.payment_id, command))]
        }
        Ok(DomainEvent::Payment(PaymentEvent::PaymentRefundSucceeded(refund))) => {
            let payment = world.payments.get(&event.aggregate_id).map(|held| &held.state);
            match payment.and_then(Payment::purpose) {
                Some(Purpose::Gift { gift_id }) => {
                    vec![Do::Gift(gift_id.0, GiftCommand::SettleRefund { refund_id: refund.refund_id }, vec![])]
                }
                Some(Purpose::Order { .. }) | None => Vec::new(),
            }
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn on_order(order_id: OrderId, event: &OrderEvent, world: &World) -> Vec<Do> {
    let Some(gift) = world.orders.get(&order_id.0).and_then(|held| held.state.gift()) else { return Vec::new() };
    let (gift_id, reservation_id) = (gift.gift_id.0, gift.reservation_id);
    match event {
        OrderEvent::OrderPaid(_) => vec![Do::Gift(gift_id, GiftCommand::Redeem { reservation_id }, vec![])],
        OrderEvent::OrderCancelled(cancelled) if cancelled.from_status == OrderStatus::WaitingForPayment => {
            let cause = ReleaseCause::OrderCancelled;
            vec![Do::Gift(gift_id, GiftCommand::Release { reservation_id, cause }, vec![])]
        }
        OrderEvent::OrderRefundAuthorized(refund) if refund.gift_amount.is_positive() => {
            let refund_id = refund.refund_id;
            let settle = OrderCommand::SettleRefund { refund_id, part: RefundPart::Gift };
            let credit = GiftCommand::Credit { refund_id, order_id, amount: refund.gift_amount };
            vec![Do::Gift(gift_id, credit, vec![Do::Step(Step::order(order_id, settle))])]
        }
        _ => Vec::new(),
    }
}

/// A gift that was bought, paid and taken before the sequence begins.
pub fn give(world: &mut World, kopecks: i64) -> GiftId {
    let gift_id = GiftId(world.fresh_id());
    let (amount, policy) = (Money::rub(kopecks), GiftPolicy { value_min_minor: 100, ..GiftPolicy::default() });
    let from = world.by_somebody(Actor::Customer(CUSTOMER), gift_id.0);
    let purchase = PurchaseGift {
        gift_id,
        buyer_id: CUSTOMER,
        wish: GiftWish::Amount(amount),
        recipient_user_id: Some(CUSTOMER),
        deliver_at: None,
        pii_sealed: None,
        return_url: "https://shop.test".into(),
        provider: None,
        policy,
    };
    world.submit::<Gift>(gift_id.0, &from, GiftCommand::Purchase(Box::new(purchase)));
    let payment_id = PaymentId::of_gift_attempt(gift_id, 1);
    pay(world, gift_id, payment_id, amount);
    let issue = IssueGift { payment_id, amount, code_ref: CodeRef("0".repeat(64)), last4: "0000".into(), policy };
    system::<Gift>(world, gift_id.0, gift_id.0, GiftCommand::Issue(issue));
    system::<Payment>(world, payment_id.0, gift_id.0, PaymentCommand::MarkApplied);
    let activate = ActivateGift { gift_id, code_ref: None, delivery: None };
    let from = world.by_somebody(Actor::Customer(CUSTOMER), gift_id.0);
    world.submit::<Gift>(gift_id.0, &from, GiftCommand::Activate(Box::new(activate)));
    gift_id
}

fn pay(world: &mut World, gift_id: GiftId, payment_id: PaymentId, amount: Money) {
    let initiate = InitiatePayment {
        payment_id,
        purpose: Purpose::Gift { gift_id },
        amount,
        provider: Provider::DevFake,
        provider_enabled: true,
        return_url: "https://shop.test".into(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: world.clock.now(),
        policy: PaymentPolicy { amount_min_minor: 100, ..PaymentPolicy::default() },
    };
    system::<Payment>(world, payment_id.0, gift_id.0, PaymentCommand::Initiate(Box::new(initiate)));
    let report = ProviderReport {
        provider_payment_id: world.bank.seed_taken(payment_id, amount),
        order_ref: payment_id.provider_order_ref(1),
        status: ProviderStatus::Confirmed,
        provider_word: "CONFIRMED".into(),
        amount: Some(amount),
        source: EvidenceSource::Poll,
        error_code: None,
        customer_retryable: false,
    };
    let record = RecordProviderStatus { report, policy: PaymentPolicy::default() };
    system::<Payment>(world, payment_id.0, gift_id.0, PaymentCommand::RecordProviderStatus(record));
}

fn system<A: crate::world::Kept>(world: &mut World, id: Uuid, flow: Uuid, command: A::Action) {
    let from = world.by_somebody(Actor::system("gifts"), flow);
    world.submit::<A>(id, &from, command);
}

/// Its time is over, if it is.
pub fn expire(world: &mut World, gift_id: Uuid) {
    let from = world.by_somebody(Actor::system("gifts"), gift_id);
    world.submit::<Gift>(gift_id, &from, GiftCommand::Expire);
}

//! Gifts that exist before a sequence begins; from then on their own process managers treat them.

use shared::domain::{
    Actor, GiftId, Money, PaymentId,
    gift::{ActivateGift, CodeRef, Gift, GiftCommand, GiftPolicy, GiftWish, IssueGift, PurchaseGift},
    payment::{
        CaptureMode, EvidenceSource, InitiatePayment, Payment, PaymentCommand, PaymentPolicy, Provider, ProviderChoice,
        ProviderReport, ProviderStatus, Purpose, RecordProviderStatus,
    },
};
use uuid::Uuid;

use crate::{people::CUSTOMER, world::World};

/// What the executor tells a gift whose money is there, without a vault: a code that nobody reads.
pub fn issue(payment_id: PaymentId, amount: Money, policy: GiftPolicy) -> GiftCommand {
    GiftCommand::Issue(IssueGift {
        payment_id,
        amount,
        code_ref: CodeRef("0".repeat(64)),
        last4: "0000".into(),
        policy,
    })
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
        provider: ProviderChoice::own(Provider::DevFake),
        policy,
    };
    world.submit::<Gift>(gift_id.0, &from, GiftCommand::Purchase(Box::new(purchase)));
    let payment_id = PaymentId::of_gift_attempt(gift_id, 1);
    pay(world, gift_id, payment_id, amount);
    system::<Gift>(world, gift_id.0, gift_id.0, issue(payment_id, amount, policy));
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

//! Lives of orders and gifts as far as money goes, and logs in which many of them are mixed.

use chrono::Utc;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shared::domain::{
    DomainEvent, GiftId, Money, OrderId, PaymentId, ProducerId, RefundId, UserId,
    gift::{CodeRef, GiftCredited, GiftEvent, GiftIssued, GiftRedeemed, GiftReserved},
    order::{
        Fault, Funds, OrderEvent, OrderPaid, OrderPayoutReleased, OrderRefundAuthorized, OrderRefundSettled,
        RefundPart, RefundSource,
    },
    payment::{
        EvidenceSource, PaymentChargebackRecorded, PaymentEvent, PaymentRefundRequested, PaymentRefundSource,
        PaymentRefundSucceeded, PaymentSucceeded,
    },
};
use uuid::Uuid;

use crate::projections::samples::{self, Log};

/// What an order costs and is paid, in kopecks.
pub(super) const PRICE: i64 = 20_000;
/// What of that the gift pays, where there is one.
pub(super) const SHARE: i64 = 5_000;
/// The commission of an order of which nothing was given back.
pub(super) const COMMISSION: i64 = 2_000;

/// An event of a stream, in its flow.
pub(super) type Happening = ((Uuid, Uuid), DomainEvent);

/// What is special about an order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    /// Its money is held before it is taken.
    pub(super) is_held: bool,
    /// A gift pays a part of it.
    pub(super) has_gift: bool,
    /// What goes back to the card before the payout.
    pub(super) back_before: i64,
    /// What goes back to the card after it.
    pub(super) back_after: i64,
    /// The bank takes the later part back by itself.
    pub(super) is_disputed_at_bank: bool,
}

pub(super) fn kitchen() -> ProducerId {
    ProducerId(Uuid::from_u128(0xF0))
}

fn of_order(order: OrderId, event: impl Into<OrderEvent>) -> Happening {
    ((order.0, order.0), DomainEvent::Order(event.into()))
}

fn of_payment(payment: PaymentId, flow: Uuid, event: impl Into<PaymentEvent>) -> Happening {
    ((payment.0, flow), DomainEvent::Payment(event.into()))
}

fn of_gift(gift: GiftId, event: impl Into<GiftEvent>) -> Happening {
    ((gift.0, gift.0), DomainEvent::Gift(event.into()))
}

fn succeeded(kopecks: i64) -> PaymentSucceeded {
    PaymentSucceeded {
        provider_payment_id: "bank-1".to_owned(),
        amount: Money::rub(kopecks),
        source: EvidenceSource::Poll,
        late: false,
    }
}

fn owed(refund_id: RefundId, kopecks: i64, fault: Fault) -> OrderRefundAuthorized {
    OrderRefundAuthorized {
        refund_id,
        source: RefundSource::Admin,
        source_id: refund_id.0,
        card_amount: Money::rub(kopecks),
        gift_amount: Money::rub(0),
        fault,
        payment_id: None,
    }
}

/// A gift is bought.
fn bought(gift: GiftId) -> Vec<Happening> {
    let (payment_id, now) = (PaymentId::of_gift_attempt(gift, 1), Utc::now());
    let issued = GiftIssued {
        payment_id,
        value: Money::rub(SHARE),
        code_ref: CodeRef("00".to_owned()),
        last4: "ABCD".to_owned(),
        deliver_at: now,
        remind_at: now,
        expires_at: now,
    };
    vec![of_payment(payment_id, gift.0, succeeded(SHARE)), of_gift(gift, issued)]
}

/// Money goes back to the card, decided, asked for, arrived, known.
fn goes_back(order: OrderId, kopecks: i64, (fault, is_by_bank): (Fault, bool)) -> Vec<Happening> {
    let payment = PaymentId::of_order_attempt(order, 1);
    let (refund_id, amount) = (RefundId(Uuid::now_v7()), Money::rub(kopecks));
    let mut story = vec![of_order(order, owed(refund_id, kopecks, fault))];
    if is_by_bank {
        let registry_ref = "registry-1".to_owned();
        story.push(of_payment(payment, order.0, PaymentChargebackRecorded { amount, registry_ref }));
    } else {
        let source = PaymentRefundSource::OrderRefund;
        story.push(of_payment(payment, order.0, PaymentRefundRequested { refund_id, amount, source }));
        story.push(of_payment(payment, order.0, PaymentRefundSucceeded { refund_id, amount, epoch: 1 }));
    }
    story.push(of_order(order, OrderRefundSettled { refund_id, part: RefundPart::Card }));
    story
}

/// The whole life of an order, with the gift that pays a part of it.
pub(super) fn story(order: OrderId, plan: Plan) -> Vec<Happening> {
    let (gift, share) = (GiftId(Uuid::now_v7()), if plan.has_gift { SHARE } else { 0 });
    let (payment, card) = (PaymentId::of_order_attempt(order, 1), PRICE - share);
    let reservation_id = gift.reservation_for(order);
    let mut story = if plan.has_gift { bought(gift) } else { Vec::new() };
    story.push(of_order(order, samples::created(UserId(Uuid::from_u128(2)), kitchen())));
    if plan.has_gift {
        let (amount, available_after) = (Money::rub(share), Money::rub(0));
        let reserved = GiftReserved { reservation_id, order_id: order, amount, until: Utc::now(), available_after };
        story.push(of_gift(gift, reserved));
    }
    let funds = if plan.is_held { Funds::Authorized } else { Funds::Captured };
    let (card_amount, gift_amount) = (Money::rub(card), Money::rub(share));
    let taken = of_payment(payment, order.0, succeeded(card));
    let paid = of_order(order, OrderPaid { card_amount, gift_amount, funds, ..samples::paid(order.0) });
    story.extend(if plan.is_held { [paid, taken] } else { [taken, paid] });
    if plan.has_gift {
        let (amount, available_after) = (Money::rub(share), Money::rub(0));
        story.push(of_gift(gift, GiftRedeemed { reservation_id, order_id: order, amount, available_after }));
    }
    // Nothing of this moves money.
    story.extend([of_order(order, samples::accepted()), of_order(order, samples::delivered())]);
    if plan.back_before > 0 {
        story.extend(goes_back(order, plan.back_before, (Fault::Producer, false)));
    }
    let (refunded, commission) = (Money::rub(plan.back_before), Money::rub(COMMISSION));
    let producer_net = Money::rub(PRICE - plan.back_before - COMMISSION);
    story.push(of_order(order, OrderPayoutReleased { gross: Money::rub(PRICE), refunded, commission, producer_net }));
    if plan.back_after > 0 {
        story.extend(goes_back(order, plan.back_after, (Fault::Platform, plan.is_disputed_at_bank)));
    }
    story
}

/// An order that a gift paid a part of, and all of that part goes back to it.
pub(super) fn credited(order: OrderId) -> Vec<Happening> {
    let mut story = story(order, Plan { has_gift: true, ..Plan::default() });
    let payout = story.len() - 1;
    let gift = story.iter().find(|(_, event)| matches!(event, DomainEvent::Gift(_))).map(|((id, _), _)| GiftId(*id));
    let refund_id = RefundId(Uuid::now_v7());
    let owed = OrderRefundAuthorized { gift_amount: Money::rub(SHARE), ..owed(refund_id, 0, Fault::None) };
    let (amount, available_after) = (Money::rub(SHARE), Money::rub(SHARE));
    let credited = GiftCredited { refund_id, order_id: order, amount, available_after };
    story.truncate(payout);
    story.extend([of_order(order, owed), of_gift(gift.unwrap(), credited)]);
    story
}

/// Many lives at once, each in its own order, mixed at random.
pub(super) fn mixed(seed: u64, orders: usize) -> Log {
    let mut random = StdRng::seed_from_u64(seed);
    let mut open: Vec<std::vec::IntoIter<Happening>> = Vec::new();
    for n in 0..orders {
        let (back_before, back_after) = (random.random_range(0..3) * 4_000, random.random_range(0..3) * 1_000);
        let (is_held, has_gift) = (random.random_range(0..3) == 0, random.random_range(0..3) == 0);
        let is_disputed_at_bank = random.random_range(0..2) == 0;
        let plan = Plan { is_held, has_gift, back_before, back_after, is_disputed_at_bank };
        let order = OrderId(Uuid::now_v7());
        open.push(if n % 7 == 6 { credited(order) } else { story(order, plan) }.into_iter());
    }
    let mut log = Log::new();
    while !open.is_empty() {
        let n = random.random_range(0..open.len());
        match open[n].next() {
            Some((stream, event)) => drop(log.push_in_flow(stream, event)),
            None => drop(open.swap_remove(n)),
        }
    }
    log
}

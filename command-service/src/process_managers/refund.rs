//! What an order owes back is paid back through the payment and the gift that brought it.

use shared::{
    domain::{
        DomainEvent, GiftId, Money, OrderId, PaymentId, RefundId,
        gift::{GiftCommand, GiftEvent},
        order::{
            AuthorizeRefund, Fault, Order, OrderCommand, OrderEvent, OrderRefundAuthorized, RefundAmount, RefundPart,
            RefundSource,
        },
        payment::{
            BankActKind, Payment, PaymentCommand, PaymentEvent, PaymentExternalRefundRecorded, PaymentRefundSource,
            PaymentStatus, RefundState,
        },
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::step::{Effect, GiftAct, Situation, Step};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(OrderEvent::OrderRefundAuthorized(authorized))) => {
            let order_id = OrderId(event.aggregate_id);
            let card = to_card(order_id, authorized, situation);
            let gift = situation.order.as_ref().and_then(Order::gift).filter(|_| authorized.gift_amount.is_positive());
            let gift = gift.map(|gift| credit(order_id, gift.gift_id, authorized.refund_id, authorized.gift_amount));
            card.into_iter().chain(gift).collect()
        }
        Ok(DomainEvent::Gift(GiftEvent::GiftCredited(credited))) => {
            let settle = OrderCommand::SettleRefund { refund_id: credited.refund_id, part: RefundPart::Gift };
            vec![Step::order(credited.order_id, settle)]
        }
        Ok(DomainEvent::Payment(payment_event)) => {
            on_payment(event.event_id, PaymentId(event.aggregate_id), payment_event, situation)
        }
        _ => Vec::new(),
    }
}

/// What is owed of money that is only held waits for its end: taken, it goes back (`pay_back_what_waited`); let go, the
/// customer has it (`forget_what_was_never_taken`).
fn to_card(order_id: OrderId, authorized: &OrderRefundAuthorized, situation: &Situation) -> Option<Step> {
    let payment_id = authorized.payment_id.filter(|_| authorized.card_amount.is_positive())?;
    let (refund_id, part) = (authorized.refund_id, RefundPart::Card);
    // All of it was given back at the bank before the order heard of that: what the order owed by then was in it.
    if situation.payment.as_ref().is_some_and(is_all_back_from_the_bank) {
        return Some(Step::order(order_id, OrderCommand::SettleRefund { refund_id, part }));
    }
    match situation.payment.as_ref().and_then(Payment::status) {
        Some(
            PaymentStatus::Initiated
            | PaymentStatus::AwaitingCustomer
            | PaymentStatus::Processing
            | PaymentStatus::Authorized,
        ) => None,
        Some(PaymentStatus::Failed) => Some(Step::order(order_id, OrderCommand::SettleRefund { refund_id, part })),
        Some(PaymentStatus::Succeeded | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded) | None => {
            Some(pay_back(order_id, payment_id, refund_id, authorized.card_amount))
        }
    }
}

fn is_all_back_from_the_bank(payment: &Payment) -> bool {
    let by_bank = payment.bank_acts().iter().any(|act| act.kind == BankActKind::Refund);
    by_bank && payment.status() == Some(PaymentStatus::Refunded)
}

fn pay_back(order_id: OrderId, payment_id: PaymentId, refund_id: RefundId, amount: Money) -> Step {
    let source = PaymentRefundSource::OrderRefund;
    let refused = OrderCommand::RecordRefundFailure {
        refund_id,
        part: RefundPart::Card,
        reason: "the payment refused the refund".to_owned(),
    };
    Step::Payment {
        payment_id,
        command: PaymentCommand::RequestRefund { refund_id, amount, source },
        otherwise: vec![Step::order(order_id, refused)],
    }
}

fn credit(order_id: OrderId, gift_id: GiftId, refund_id: RefundId, amount: Money) -> Step {
    let refused = OrderCommand::RecordRefundFailure {
        refund_id,
        part: RefundPart::Gift,
        reason: "the gift refused the credit".to_owned(),
    };
    Step::Gift {
        gift_id,
        act: GiftAct::Ask(Box::new(GiftCommand::Credit { refund_id, order_id, amount })),
        otherwise: vec![Step::order(order_id, refused)],
    }
}

fn on_payment(event_id: Uuid, payment_id: PaymentId, event: &PaymentEvent, situation: &Situation) -> Vec<Step> {
    let next = Step::Effect(Effect::Refund(payment_id));
    let told = |refund_id, command| {
        let order_id = situation.order_of_payment().filter(|_| is_the_orders(situation.payment.as_ref(), refund_id));
        order_id.map(|order_id| Step::order(order_id, command))
    };
    match event {
        PaymentEvent::PaymentRefundRequested(_) => vec![next],
        PaymentEvent::PaymentRefundSucceeded(succeeded) => {
            let refund_id = succeeded.refund_id;
            let settle = told(refund_id, OrderCommand::SettleRefund { refund_id, part: RefundPart::Card });
            settle.into_iter().chain([next]).collect()
        }
        PaymentEvent::PaymentRefundFailed(failed) if failed.retry_at.is_none() => {
            let refund_id = failed.refund_id;
            let reason = failed.code.clone().unwrap_or_else(|| "the provider refused".to_owned());
            let record = OrderCommand::RecordRefundFailure { refund_id, part: RefundPart::Card, reason };
            told(refund_id, record).into_iter().chain([next]).collect()
        }
        PaymentEvent::PaymentRefundFailed(_) => vec![next],
        // Two people found that the customer has it from the bank: nothing is owed any more.
        PaymentEvent::PaymentRefundResolved(resolved) if resolved.back_already.is_some() => {
            let refund_id = resolved.refund_id;
            told(refund_id, OrderCommand::SettleRefund { refund_id, part: RefundPart::Card }).into_iter().collect()
        }
        PaymentEvent::PaymentSucceeded(_) => pay_back_what_waited(payment_id, situation),
        PaymentEvent::PaymentFailed(_) => forget_what_was_never_taken(payment_id, situation),
        // It was ours after all: it is settled, not sent again, and the next one has its turn.
        PaymentEvent::PaymentExternalRefundRecorded(PaymentExternalRefundRecorded {
            stands_for: Some(refund_id),
            ..
        }) => {
            let alarm = situation.order_of_payment().map(|_| Step::Alarm { kind: "external_refund" });
            let settle = OrderCommand::SettleRefund { refund_id: *refund_id, part: RefundPart::Card };
            alarm.into_iter().chain(told(*refund_id, settle)).chain([next]).collect()
        }
        PaymentEvent::PaymentExternalRefundRecorded(refund) => book(event_id, payment_id, refund.amount, situation),
        _ => Vec::new(),
    }
}

/// Money that bought nothing goes back without the order knowing of it.
fn is_the_orders(payment: Option<&Payment>, refund_id: RefundId) -> bool {
    let refunds = payment.map_or(&[][..], Payment::refunds);
    refunds.iter().any(|refund| refund.refund_id == refund_id && refund.source == PaymentRefundSource::OrderRefund)
}

/// The card's parts that the order owes through this payment: refund and amount.
fn owed_by_card(payment_id: PaymentId, situation: &Situation) -> Vec<(RefundId, Money)> {
    let order = situation.order.as_ref().filter(|order| order.paid_by() == Some(payment_id));
    let pending = order.into_iter().flat_map(Order::pending_refunds);
    pending.filter(|(_, part, _)| *part == RefundPart::Card).map(|(refund_id, _, amount)| (refund_id, amount)).collect()
}

/// What was owed before the held money was taken was refused then.
fn pay_back_what_waited(payment_id: PaymentId, situation: &Situation) -> Vec<Step> {
    let Some(order_id) = situation.order_of_payment() else { return Vec::new() };
    let owed = owed_by_card(payment_id, situation);
    owed.into_iter().map(|(refund_id, amount)| pay_back(order_id, payment_id, refund_id, amount)).collect()
}

/// The hold was lifted: the customer has the money, and nothing is left to pay back.
fn forget_what_was_never_taken(payment_id: PaymentId, situation: &Situation) -> Vec<Step> {
    let Some(order_id) = situation.order_of_payment() else { return Vec::new() };
    let settle =
        |(refund_id, _)| Step::order(order_id, OrderCommand::SettleRefund { refund_id, part: RefundPart::Card });
    owed_by_card(payment_id, situation).into_iter().map(settle).collect()
}

/// Money was given back at the bank: it is what the order owes and could not pay itself, or a refund of its own.
fn book(event_id: Uuid, payment_id: PaymentId, amount: Money, situation: &Situation) -> Vec<Step> {
    let (Some(order_id), Some(payment)) = (situation.order_of_payment(), &situation.payment) else { return Vec::new() };
    let is_ours = situation.order.as_ref().is_some_and(|order| order.paid_by() == Some(payment_id));
    if !is_ours {
        return vec![Step::Alarm { kind: "external_refund_of_unused_money" }];
    }
    let cannot_pay = |refund_id: RefundId| match payment.refunds().iter().find(|it| it.refund_id == refund_id) {
        Some(refund) => matches!(refund.state, RefundState::Failed { .. }),
        None => true,
    };
    let owed = owed_by_card(payment_id, situation);
    let same = owed.into_iter().find(|(refund_id, owed)| *owed == amount && cannot_pay(*refund_id));
    let command = match same {
        Some((refund_id, _)) => OrderCommand::SettleRefund { refund_id, part: RefundPart::Card },
        None => OrderCommand::AuthorizeRefund(AuthorizeRefund {
            refund_id: RefundId::of_source(order_id, "external", event_id),
            source: RefundSource::External,
            source_id: event_id,
            amount: RefundAmount::Exactly(amount),
            fault: Fault::Platform,
        }),
    };
    vec![Step::Alarm { kind: "external_refund" }, Step::order(order_id, command)]
}

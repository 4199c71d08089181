//! What an order owes back is paid back through the payment and the gift that brought it.

use shared::{
    domain::{
        DomainEvent, GiftId, Money, OrderId, PaymentId, RefundId,
        gift::{GiftCommand, GiftEvent},
        order::{Order, OrderCommand, OrderEvent, RefundPart},
        payment::{Payment, PaymentCommand, PaymentEvent, PaymentRefundSource},
    },
    log::RecordedEvent,
};

use super::step::{Effect, GiftAct, Situation, Step};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(OrderEvent::OrderRefundAuthorized(authorized))) => {
            let order_id = OrderId(event.aggregate_id);
            let card = authorized.payment_id.filter(|_| authorized.card_amount.is_positive());
            let card = card.map(|id| pay_back(order_id, id, authorized.refund_id, authorized.card_amount));
            let gift = situation.order.as_ref().and_then(Order::gift).filter(|_| authorized.gift_amount.is_positive());
            let gift = gift.map(|gift| credit(order_id, gift.gift_id, authorized.refund_id, authorized.gift_amount));
            card.into_iter().chain(gift).collect()
        }
        Ok(DomainEvent::Gift(GiftEvent::GiftCredited(credited))) => {
            let settle = OrderCommand::SettleRefund { refund_id: credited.refund_id, part: RefundPart::Gift };
            vec![Step::order(credited.order_id, settle)]
        }
        Ok(DomainEvent::Payment(payment_event)) => on_payment(PaymentId(event.aggregate_id), payment_event, situation),
        _ => Vec::new(),
    }
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

fn on_payment(payment_id: PaymentId, event: &PaymentEvent, situation: &Situation) -> Vec<Step> {
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
        _ => Vec::new(),
    }
}

/// Money that bought nothing goes back without the order knowing of it.
fn is_the_orders(payment: Option<&Payment>, refund_id: RefundId) -> bool {
    let refunds = payment.map_or(&[][..], Payment::refunds);
    refunds.iter().any(|refund| refund.refund_id == refund_id && refund.source == PaymentRefundSource::OrderRefund)
}

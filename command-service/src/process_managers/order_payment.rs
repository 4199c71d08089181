//! An order and its money: from the wish to pay to the paid order, and what to do with money nobody wanted.

use shared::{
    domain::{
        DomainEvent, Money, OrderId, PaymentId, RefundId,
        order::{
            AuthorizeRefund, CancelReason, Fault, Funds, MarkPaid, Order, OrderCommand, OrderEvent,
            OrderPaymentRequested, OrderStatus, RefundAmount, RefundSource,
        },
        payment::{
            CaptureMode, FailureReason, InitiatePayment, IntegrityDecision, Payment, PaymentCommand, PaymentEvent,
            PaymentIntegrityResolved, PaymentRefundSource, PaymentStatus, Purpose, UnappliedCause,
        },
    },
    log::RecordedEvent,
};
use uuid::Uuid;

use super::step::{Effect, Situation, Step};

pub(super) fn react(event: &RecordedEvent, situation: &Situation) -> Vec<Step> {
    match &event.event {
        Ok(DomainEvent::Order(order_event)) => on_order(OrderId(event.aggregate_id), order_event, situation),
        Ok(DomainEvent::Payment(payment_event)) => {
            on_payment(event.event_id, PaymentId(event.aggregate_id), payment_event, situation)
        }
        Ok(DomainEvent::Dispute(_) | DomainEvent::Gift(_)) | Err(_) => Vec::new(),
    }
}

fn on_order(order_id: OrderId, event: &OrderEvent, situation: &Situation) -> Vec<Step> {
    match event {
        OrderEvent::OrderCreated(created) if created.amount_due.is_zero() => {
            let paid = MarkPaid {
                payment_id: None,
                card_amount: created.amount_due,
                gift_amount: created.total_price,
                funds: Funds::Captured,
                policy: situation.policies.order,
            };
            vec![Step::order(order_id, OrderCommand::MarkPaid(paid))]
        }
        OrderEvent::OrderPaymentRequested(requested) => vec![initiate(order_id, requested, situation)],
        OrderEvent::OrderPaymentAttemptFailed(_) => give_up_if_exhausted(order_id, situation),
        OrderEvent::OrderPaid(paid) => {
            let applied = paid.payment_id.map(|payment_id| apply(payment_id, paid.funds));
            let others = situation.order.as_ref().map_or(&[][..], Order::attempts);
            let others = others.iter().filter(|attempt| Some(attempt.payment_id) != paid.payment_id);
            applied.into_iter().chain(others.map(|attempt| abort(attempt.payment_id, "another attempt paid"))).collect()
        }
        _ => Vec::new(),
    }
}

/// Money that was taken and is refused by now paid an order all the same: a person has to look. A hold that was lifted
/// meanwhile calls the order off.
fn apply(payment_id: PaymentId, funds: Funds) -> Step {
    let otherwise = match funds {
        Funds::Captured => vec![Step::Alarm { kind: "order_paid_with_refused_money" }],
        Funds::Authorized => Vec::new(),
    };
    Step::Payment { payment_id, command: PaymentCommand::MarkApplied, otherwise }
}

fn initiate(order_id: OrderId, requested: &OrderPaymentRequested, situation: &Situation) -> Step {
    let provider = requested.provider.unwrap_or(situation.policies.default_provider);
    let initiate = InitiatePayment {
        payment_id: requested.payment_id,
        purpose: Purpose::Order { order_id },
        amount: requested.amount_due,
        provider,
        provider_enabled: situation.policies.enabled_providers.contains(&provider),
        return_url: requested.return_url.clone(),
        capture_mode: requested.capture_mode,
        expires_at: requested.expires_at,
        policy: situation.policies.payment,
    };
    let refused = OrderCommand::RecordPaymentFailure {
        payment_id: requested.payment_id,
        reason: FailureReason::ProviderRejected,
    };
    Step::Payment {
        payment_id: requested.payment_id,
        command: PaymentCommand::Initiate(Box::new(initiate)),
        otherwise: vec![Step::order(order_id, refused)],
    }
}

fn give_up_if_exhausted(order_id: OrderId, situation: &Situation) -> Vec<Step> {
    let exhausted = situation.order.as_ref().is_some_and(|order| {
        order.status() == Some(OrderStatus::WaitingForPayment)
            && order.payment_attempts_lost() >= situation.policies.order.payment_attempts_max
    });
    if !exhausted {
        return Vec::new();
    }
    let cancel = OrderCommand::Cancel { reason_code: Some(CancelReason::PaymentFailed), reason_text: None };
    vec![Step::order(order_id, cancel)]
}

fn on_payment(event_id: Uuid, payment_id: PaymentId, event: &PaymentEvent, situation: &Situation) -> Vec<Step> {
    let (Some(order_id), Some(payment)) = (situation.order_of_payment(), situation.payment.as_ref()) else {
        return Vec::new();
    };
    match event {
        PaymentEvent::PaymentInitiated(_) => vec![Step::Effect(Effect::OpenSession(payment_id))],
        PaymentEvent::PaymentAuthorized(authorized) if authorized.late => {
            vec![Step::payment(payment_id, PaymentCommand::MarkUnapplied { cause: UnappliedCause::Late })]
        }
        PaymentEvent::PaymentAuthorized(authorized) => {
            let holds = payment.terms().is_some_and(|terms| terms.capture_mode == CaptureMode::OnAccept);
            if holds {
                use_money(payment_id, order_id, authorized.amount, Funds::Authorized, situation)
            } else {
                vec![]
            }
        }
        PaymentEvent::PaymentSucceeded(succeeded) => {
            use_money(payment_id, order_id, succeeded.amount, Funds::Captured, situation)
        }
        // It will not pay the order whatever comes of it, so it does not stand in the way of another attempt.
        PaymentEvent::PaymentUnapplied(_) => {
            let reason = FailureReason::Cancelled;
            let release = Step::order(order_id, OrderCommand::RecordPaymentFailure { payment_id, reason });
            [release].into_iter().chain(send_back(payment_id, payment)).collect()
        }
        PaymentEvent::PaymentFailed(failed) => {
            let command = OrderCommand::RecordPaymentFailure { payment_id, reason: failed.reason };
            vec![Step::order(order_id, command)]
        }
        PaymentEvent::PaymentIntegrityResolved(resolved) => on_looked_at(payment_id, resolved, event_id, situation),
        PaymentEvent::PaymentAbortRequested(_) => vec![Step::Effect(Effect::Abort(payment_id))],
        _ => Vec::new(),
    }
}

/// The money pays the order, or else it is nobody's and goes back.
fn use_money(id: PaymentId, order_id: OrderId, amount: Money, funds: Funds, situation: &Situation) -> Vec<Step> {
    if situation.payment.as_ref().is_some_and(|payment| payment.is_unapplied() || payment.is_on_hold()) {
        return Vec::new();
    }
    let order = situation.order.as_ref();
    let gift_part = order.and_then(|order| order.total()?.sub(order.amount_due()?).ok());
    let command = OrderCommand::MarkPaid(MarkPaid {
        payment_id: Some(id),
        card_amount: amount,
        gift_amount: gift_part.unwrap_or_else(|| Money::zero(amount.currency())),
        funds,
        policy: situation.policies.order,
    });
    let cause = match order.and_then(Order::status) {
        Some(OrderStatus::Cancelled) => UnappliedCause::OrderClosed,
        Some(OrderStatus::WaitingForPayment) | None => UnappliedCause::Amount,
        Some(_) => UnappliedCause::Duplicate,
    };
    let otherwise = vec![Step::payment(id, PaymentCommand::MarkUnapplied { cause })];
    vec![Step::Order { order_id, command, otherwise }]
}

/// Two administrators looked at a contradiction: what stood still goes on, from what the provider says now.
fn on_looked_at(
    payment_id: PaymentId,
    resolved: &PaymentIntegrityResolved,
    event_id: Uuid,
    situation: &Situation,
) -> Vec<Step> {
    let (Some(order_id), Some(payment)) = (situation.order_of_payment(), &situation.payment) else { return Vec::new() };
    let mut steps = match (resolved.decision, payment.captured()) {
        // The order has this money booked: it owes it, as an administrator's refund.
        (IntegrityDecision::RefundAll, _) if payment.is_applied() => {
            let command = OrderCommand::AuthorizeRefund(AuthorizeRefund {
                refund_id: RefundId::of_source(order_id, "admin", event_id),
                source: RefundSource::Admin,
                source_id: event_id,
                amount: RefundAmount::Rest,
                fault: Fault::Platform,
            });
            // A dispute is open, or so many refunds were made: two administrators decided it, and a person carries it out.
            vec![Step::Order { order_id, command, otherwise: vec![Step::Alarm { kind: "order_to_be_refunded" }] }]
        }
        (IntegrityDecision::AcceptAsProvider, Some(captured)) if !payment.is_applied() => {
            use_money(payment_id, order_id, captured, Funds::Captured, situation)
        }
        (IntegrityDecision::RefundAll | IntegrityDecision::AcceptAsProvider, _) => Vec::new(),
    };
    steps.extend(go_on(payment_id, resolved.decision));
    steps
}

/// What stood still while the payment was on hold. Nobody may pay on the page of money that is refused.
pub(super) fn go_on(payment_id: PaymentId, decision: IntegrityDecision) -> Vec<Step> {
    let withdraw = match decision {
        IntegrityDecision::RefundAll => Some(abort(payment_id, "its money is refused")),
        IntegrityDecision::AcceptAsProvider => None,
    };
    let ask = Step::Effect(Effect::Ask(payment_id));
    [ask].into_iter().chain(withdraw).chain([Step::Effect(Effect::Refund(payment_id))]).collect()
}

/// Money that had nothing to buy: let go if it is only held, else sent back.
pub(super) fn send_back(payment_id: PaymentId, payment: &Payment) -> Vec<Step> {
    match (payment.status(), payment.captured()) {
        (Some(PaymentStatus::Authorized), _) => vec![abort(payment_id, "the money had nothing to buy")],
        (_, Some(captured)) => {
            let command = PaymentCommand::RequestRefund {
                refund_id: RefundId::of_unapplied(payment_id),
                amount: captured,
                source: PaymentRefundSource::Unapplied,
            };
            vec![Step::payment(payment_id, command)]
        }
        (_, None) => Vec::new(),
    }
}

/// Calls an attempt off; one that is over already says no, which is fine.
pub(super) fn abort(payment_id: PaymentId, cause: &str) -> Step {
    Step::payment(payment_id, PaymentCommand::Abort { cause: cause.to_owned() })
}

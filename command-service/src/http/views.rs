//! What commands answer with: the thing as the command left it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::{
    Actor, DishId, GiftId, Money, OrderId, PaymentId, ProducerId,
    order::{AttemptOutcome, DeliveryType, Funds, GiftUse, Order, OrderPolicy, OrderStatus, Viewer, allowed_actions},
    payment::{FailureReason, Payment, PaymentStatus, Provider, Purpose},
};
use utoipa::ToSchema;

use super::state::AppState;

/// An order after a command. `GET /api/v1/orders/{id}` shows all of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderData {
    /// The order.
    pub id: OrderId,
    /// The dish of the first line.
    pub dish_id: DishId,
    /// How many of it.
    #[schema(example = 2)]
    pub quantity: u32,
    /// Where it stands.
    pub status: OrderStatus,
    /// Lines and fee.
    pub total_price: Money,
    /// What is to be paid by card.
    pub amount_due: Money,
    /// Every line.
    pub items: Vec<OrderLine>,
    /// Who cooks.
    pub producer_id: ProducerId,
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// When an unpaid order is called off.
    pub payment_deadline: DateTime<Utc>,
    /// The payment that paid it, or the attempt under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_id: Option<PaymentId>,
    /// What a gift pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift: Option<GiftUse>,
    /// The newest attempt to pay, or what paid it; absent before the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment: Option<OrderPayment>,
    /// What the caller may do now.
    #[schema(example = json!(["pay", "cancel"]))]
    pub allowed_actions: Vec<&'static str>,
}

/// An attempt to pay an order, as far as the order knows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderPayment {
    /// The payment; absent if a gift paid all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_id: Option<PaymentId>,
    /// 1, 2, … for attempts by card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attempt_no: Option<usize>,
    /// What became of it.
    pub status: OrderPaymentStatus,
    /// What it has to bring, or brought.
    pub amount: Money,
    /// What a gift brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift_amount: Option<Money>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<FailureReason>,
}

/// What became of an attempt to pay an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OrderPaymentStatus {
    /// It is open.
    Pending,
    /// It came to nothing.
    Failed,
    /// The money is held.
    Authorized,
    /// The money was taken.
    Succeeded,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderLine {
    /// The dish.
    pub dish_id: DishId,
    /// How many.
    pub quantity: u32,
}

/// Who looks at an order, and when.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Who.
    viewer: Viewer,
    /// When.
    now: DateTime<Utc>,
    /// The durations and limits in force.
    policy: OrderPolicy,
}

impl Look {
    /// Of whoever asked for the command.
    fn of(actor: &Actor, policy: OrderPolicy, now: DateTime<Utc>) -> Self {
        let viewer = match actor {
            Actor::Customer(_) => Viewer::Customer,
            Actor::Producer { .. } => Viewer::Producer,
            Actor::Admin(_) | Actor::System(_) | Actor::Provider(_) => Viewer::Admin,
        };
        Self { viewer, now, policy }
    }
}

fn order_payment(order: &Order) -> Option<OrderPayment> {
    let number = |id: PaymentId| order.attempts().iter().position(|attempt| attempt.payment_id == id);
    if let Some(receipt) = order.receipt() {
        let status = match receipt.funds {
            Funds::Captured => OrderPaymentStatus::Succeeded,
            Funds::Authorized => OrderPaymentStatus::Authorized,
        };
        return Some(OrderPayment {
            payment_id: receipt.payment_id,
            attempt_no: receipt.payment_id.and_then(number).map(|index| index + 1),
            status,
            amount: receipt.card,
            gift_amount: Some(receipt.gift).filter(|gift| gift.is_positive()),
            reason: None,
        });
    }
    let attempt = order.attempts().last()?;
    let (status, reason) = match attempt.outcome {
        AttemptOutcome::Active => (OrderPaymentStatus::Pending, None),
        AttemptOutcome::Failed(reason) => (OrderPaymentStatus::Failed, Some(reason)),
        AttemptOutcome::Paid => (OrderPaymentStatus::Succeeded, None),
    };
    Some(OrderPayment {
        payment_id: Some(attempt.payment_id),
        attempt_no: Some(order.attempts().len()),
        status,
        amount: order.amount_due()?,
        gift_amount: None,
        reason,
    })
}

/// The order as JSON, as somebody sees it.
fn order_data(order_id: OrderId, order: &Order, look: Look) -> Result<String, serde_json::Error> {
    let missing = || serde::ser::Error::custom("a command left an order that does not exist");
    let terms = order.terms().ok_or_else(missing)?;
    let first = terms.portions.first().ok_or_else(missing)?;
    let lines = terms.portions.iter();
    serde_json::to_string(&OrderData {
        id: order_id,
        dish_id: first.dish_id,
        quantity: first.quantity,
        status: order.status().ok_or_else(missing)?,
        total_price: terms.total,
        amount_due: terms.amount_due,
        items: lines.map(|line| OrderLine { dish_id: line.dish_id, quantity: line.quantity }).collect(),
        producer_id: terms.producer_id,
        delivery_type: terms.delivery_type,
        payment_deadline: terms.payment_deadline,
        payment_id: order.paid_by().or(order.active_payment()),
        gift: terms.gift.clone(),
        payment: order_payment(order),
        allowed_actions: order
            .situation(look.viewer, look.policy, look.now)
            .map(|situation| allowed_actions(&situation))
            .unwrap_or_default(),
    })
}

/// The view of an order for its answers.
pub(super) fn view(
    state: &AppState,
    order_id: OrderId,
    actor: &Actor,
) -> impl Fn(&Order) -> Result<String, serde_json::Error> + Sync + use<> {
    let look = Look::of(actor, state.policies.order, state.clock.now());
    move |order| order_data(order_id, order, look)
}

/// A payment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PaymentData {
    /// The payment.
    pub payment_id: PaymentId,
    /// The order it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// The gift it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gift_id: Option<GiftId>,
    /// The page to pay on; absent until the provider has opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payment_url: Option<String>,
    /// How much.
    pub amount: Money,
    /// Who moves it.
    pub provider: Provider,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When the page to pay on dies.
    pub expires_at: DateTime<Utc>,
}

/// The payment as it is answered.
pub(super) fn payment_data(payment_id: PaymentId, payment: &Payment) -> Option<PaymentData> {
    let terms = payment.terms()?;
    Some(PaymentData {
        payment_id,
        order_id: match terms.purpose {
            Purpose::Order { order_id } => Some(order_id),
            Purpose::Gift { .. } => None,
        },
        gift_id: match terms.purpose {
            Purpose::Gift { gift_id } => Some(gift_id),
            Purpose::Order { .. } => None,
        },
        payment_url: payment.session().map(|session| session.payment_url.clone()),
        amount: terms.amount,
        provider: terms.provider,
        status: payment.status()?,
        expires_at: terms.expires_at,
    })
}

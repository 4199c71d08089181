//! What commands answer with: the thing as the command left it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::{
    DishId, GiftId, Money, OrderId, PaymentId, ProducerId,
    order::{DeliveryType, Order, OrderStatus},
    payment::{Payment, PaymentStatus, Provider, Purpose},
};
use utoipa::ToSchema;

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
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderLine {
    /// The dish.
    pub dish_id: DishId,
    /// How many.
    pub quantity: u32,
}

/// The order as JSON.
pub(super) fn order_data(order_id: OrderId, order: &Order) -> Result<String, serde_json::Error> {
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
    })
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

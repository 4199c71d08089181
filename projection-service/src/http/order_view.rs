//! An order as one viewer sees it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    domain::{
        DishId, Money, OrderId, ProducerId, UserId,
        order::{DeliveryType, GiftUse, OrderItem, OrderPolicy, OrderStatus, Situation, Viewer, allowed_actions},
    },
    sealing::OrderContact,
};
use utoipa::ToSchema;

use crate::projections::orders::{
    AttemptStatus, CancellationRow, OrderDisputeRow, OrderRow, PaymentSummary, PayoutRow, RatingRow, RefundRow,
};

macro_rules! order_view {
    (
        always { $($(#[$always_doc:meta])* $always:ident: $always_type:ty,)* }
        sometimes { $($(#[$doc:meta])* $field:ident: $type:ty,)* }
    ) => {
        /// An order as the caller may see it. What does not apply is absent.
        #[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
        pub struct OrderView {
            $($(#[$always_doc])* pub $always: $always_type,)*
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] #[schema(nullable = false)] pub $field: Option<$type>,)*
        }
    };
}

order_view! {
    always {
        /// The order.
        id: OrderId,
        /// Who ordered.
        customer_id: UserId,
        /// Who cooks.
        producer_id: ProducerId,
        /// The dish of the first line.
        dish_id: DishId,
        /// How many of it.
        #[schema(example = 2)]
        quantity: u32,
        /// Where it stands.
        status: OrderStatus,
        /// Every line.
        items: Vec<OrderItem>,
        /// Where it is handed over.
        delivery_type: DeliveryType,
        /// The fee for bringing it.
        delivery_fee: Money,
        /// Lines and fee.
        total_price: Money,
        /// What is paid by card.
        amount_due: Money,
        /// What goes back, and how far it is.
        refunds: Vec<RefundRow>,
        /// A dispute and its appeal.
        disputes: Vec<OrderDisputeRow>,
        /// What the caller may do now.
        #[schema(example = json!(["pay", "cancel"]))]
        allowed_actions: Vec<&'static str>,
        /// The version; the ETag is `"v<version>"`.
        #[schema(example = 3)]
        version: u64,
        /// When it was placed.
        created_at: DateTime<Utc>,
        /// When something last happened to it.
        updated_at: DateTime<Utc>,
        /// When it is called off if it is not paid.
        payment_deadline: DateTime<Utc>,
    }
    sometimes {
        /// What a gift pays.
        gift: GiftUse,
        /// The newest attempt to pay.
        payment: PaymentSummary,
        /// When the customer wants to eat.
        requested_for: DateTime<Utc>,
        /// Minutes that the cook promised.
        eta_minutes: u32,
        /// The same as an instant.
        ready_by: DateTime<Utc>,
        /// The cook's last note.
        note: String,
        /// What proves the handing over.
        proof_ref: String,
        /// The customer's marks.
        rating: RatingRow,
        /// Why it was called off.
        cancellation: CancellationRow,
        /// How the money was shared out; for the cook and administrators.
        payout: PayoutRow,
        /// The platform's share in 1/10 000; for the cook and administrators.
        commission_bps: u32,
        /// Who fetches it or where it goes; one order at a time, and for the cook only while that is needed.
        contact: ContactView,
        /// When it is called off if no cook takes it on.
        accept_deadline: DateTime<Utc>,
        /// When it completes by itself.
        auto_complete_at: DateTime<Utc>,
        /// When the cook's share may be released.
        payout_due_at: DateTime<Utc>,
        /// When it was paid.
        paid_at: DateTime<Utc>,
        /// When a cook took it on.
        accepted_at: DateTime<Utc>,
        /// When cooking began.
        preparation_started_at: DateTime<Utc>,
        /// When it was ready.
        ready_at: DateTime<Utc>,
        /// When it set out.
        dispatched_at: DateTime<Utc>,
        /// When it was handed over.
        delivered_at: DateTime<Utc>,
        /// When it was completed.
        completed_at: DateTime<Utc>,
        /// When it was called off.
        cancelled_at: DateTime<Utc>,
    }
}

/// Whom a meal is for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ContactView {
    /// Who fetches the meal.
    #[schema(example = "Anna")]
    pub user_name: String,
    /// E.164.
    #[schema(example = "+79990000000")]
    pub phone: String,
    /// Where it goes; absent for a pickup.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delivery_address_text: Option<String>,
    /// A wish for the cook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub comment: Option<String>,
}

impl From<OrderContact> for ContactView {
    fn from(contact: OrderContact) -> Self {
        let OrderContact { user_name, phone, delivery_address_text, comment } = contact;
        Self { user_name, phone, delivery_address_text, comment }
    }
}

impl OrderView {
    /// `order` as `viewer` sees it at `now`.
    pub fn new(order: OrderRow, viewer: Viewer, policy: OrderPolicy, now: DateTime<Utc>) -> Self {
        let actions = allowed_actions(&situation(&order, viewer, policy, now));
        let shows_shares = viewer != Viewer::Customer;
        // Why a customer's card was refused is not the cook's business.
        let payment = order
            .payment
            .map(|payment| PaymentSummary { reason: payment.reason.filter(|_| viewer != Viewer::Producer), ..payment });
        let first = order.items.first();
        Self {
            id: order.id,
            customer_id: order.customer_id,
            producer_id: order.producer_id,
            dish_id: first.map_or(DishId::default(), |item| item.dish_id),
            quantity: first.map_or(0, |item| item.quantity),
            status: order.status,
            items: order.items,
            delivery_type: order.delivery_type,
            delivery_fee: order.delivery_fee,
            total_price: order.total_price,
            amount_due: order.amount_due,
            refunds: order.refunds,
            disputes: order.disputes,
            allowed_actions: actions,
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
            payment_deadline: order.payment_deadline,
            gift: order.gift,
            payment,
            requested_for: order.requested_for,
            eta_minutes: order.eta_minutes,
            ready_by: order.ready_by,
            note: order.note,
            proof_ref: order.proof_ref,
            rating: order.rating,
            cancellation: order.cancellation,
            payout: order.payout.filter(|_| shows_shares),
            commission_bps: shows_shares.then_some(order.commission_bps),
            contact: None,
            accept_deadline: order.accept_deadline,
            auto_complete_at: order.auto_complete_at,
            payout_due_at: order.payout_due_at,
            paid_at: order.paid_at,
            accepted_at: order.accepted_at,
            preparation_started_at: order.preparation_started_at,
            ready_at: order.ready_at,
            dispatched_at: order.dispatched_at,
            delivered_at: order.delivered_at,
            completed_at: order.completed_at,
            cancelled_at: order.cancelled_at,
        }
    }
}

/// Whether the viewer may see whom the meal is for: a cook only from the payment to a day after the delivery.
pub(crate) fn shows_contact(order: &OrderRow, viewer: Viewer, policy: &OrderPolicy, now: DateTime<Utc>) -> bool {
    match viewer {
        Viewer::Customer | Viewer::Admin => true,
        Viewer::Producer => {
            let is_needed = order.paid_at.is_some() && order.status != OrderStatus::Cancelled;
            is_needed && order.delivered_at.is_none_or(|at| now <= at + policy.contact_shown_after_delivery)
        }
    }
}

fn situation(order: &OrderRow, viewer: Viewer, policy: OrderPolicy, now: DateTime<Utc>) -> Situation {
    let is_open = |payment: &PaymentSummary| payment.status == AttemptStatus::Pending;
    Situation {
        status: order.status,
        viewer,
        delivery_type: order.delivery_type,
        is_payable: order.amount_due.is_positive(),
        has_active_attempt: order.payment.as_ref().is_some_and(is_open),
        attempts_lost: order.attempts_lost as usize,
        attempts_opened: order.attempts_opened as usize,
        payment_deadline: order.payment_deadline,
        accept_deadline: order.accept_deadline,
        completed_at: order.completed_at,
        rated: order.rating.is_some(),
        payout_due_at: order.payout_due_at,
        is_refundable: order.refundable_minor() > 0,
        has_open_dispute: order.disputes.iter().any(|dispute| dispute.settled_at.is_none()),
        disputes: order.disputes.len(),
        appeal_before: order.disputes.last().and_then(|dispute| dispute.appeal_before),
        now,
        policy,
    }
}

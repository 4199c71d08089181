//! Identifiers: one type per thing, so that an order id cannot stand where a payment id belongs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A person who signs in: customer, cook or administrator (`sub` of the token).
    UserId,
    /// A cook's kitchen.
    ProducerId,
    /// A dish on a menu.
    DishId,
    /// An order.
    OrderId,
    /// One attempt to pay through a provider.
    PaymentId,
    /// A gift, by amount or by dish.
    GiftId,
    /// A dispute about an order.
    DisputeId,
    /// One refund, whatever parts it has.
    RefundId,
    /// A cook's offer within a dispute.
    OfferId,
}

impl PaymentId {
    /// The payment of an order's attempt `attempt_no` (1, 2, …): derived, so that a retry names the same payment.
    pub fn of_order_attempt(order_id: OrderId, attempt_no: u32) -> Self {
        Self(Uuid::new_v5(&order_id.0, format!("pay:{attempt_no}").as_bytes()))
    }

    /// The payment of a gift's attempt `attempt_no` (1, 2, …), derived in the same way.
    pub fn of_gift_attempt(gift_id: GiftId, attempt_no: u32) -> Self {
        Self(Uuid::new_v5(&gift_id.0, format!("pay:{attempt_no}").as_bytes()))
    }

    /// What the provider knows this payment by: 32 hex digits and the number of the Init try, 35 characters.
    pub fn provider_order_ref(self, init_try: u32) -> String {
        format!("{}-{init_try:02}", self.0.simple())
    }

    /// Reads what `provider_order_ref` wrote: the payment and the number of the Init try.
    pub fn parse_provider_order_ref(text: &str) -> Option<(Self, u32)> {
        let (id, init_try) = text.split_once('-').filter(|(id, init_try)| id.len() == 32 && init_try.len() >= 2)?;
        Some((Self(Uuid::try_parse(id).ok()?), init_try.parse().ok()?))
    }
}

impl DisputeId {
    /// An order's dispute number `number` (1, 2): derived, so that two who open one at the same time name the same one.
    pub fn of_order(order_id: OrderId, number: u32) -> Self {
        Self(Uuid::new_v5(&order_id.0, format!("dispute:{number}").as_bytes()))
    }
}

impl OfferId {
    /// Offer number `number` (1, 2, …) within a dispute.
    pub fn of_dispute(dispute_id: DisputeId, number: u32) -> Self {
        Self(Uuid::new_v5(&dispute_id.0, format!("offer:{number}").as_bytes()))
    }
}

impl RefundId {
    /// The refund that `source_id` (an event, a dispute, …) asks of an order.
    pub fn of_source(order_id: OrderId, source: &str, source_id: Uuid) -> Self {
        Self(Uuid::new_v5(&order_id.0, format!("refund:{source}:{source_id}").as_bytes()))
    }

    /// The refund that `cause` (a reservation, a credit, a request, the gift itself) asks of a gift.
    pub fn of_gift(gift_id: GiftId, what: &str, cause: Uuid) -> Self {
        Self(Uuid::new_v5(&gift_id.0, format!("refund:{what}:{cause}").as_bytes()))
    }

    /// The refund that a dispute grants.
    pub fn of_dispute(dispute_id: DisputeId) -> Self {
        Self(Uuid::new_v5(&dispute_id.0, b"refund"))
    }

    /// What a chargeback had taken back when its order was called off.
    pub fn of_chargeback(dispute_id: DisputeId) -> Self {
        Self(Uuid::new_v5(&dispute_id.0, b"taken back"))
    }

    /// The refund of a payment that nothing could be bought with.
    pub fn of_unapplied(payment_id: PaymentId) -> Self {
        Self(Uuid::new_v5(&payment_id.0, b"unapplied"))
    }
}

impl GiftId {
    /// The reservation that an order holds on the gift: one for each order.
    pub fn reservation_for(self, order_id: OrderId) -> Uuid {
        Uuid::new_v5(&self.0, order_id.0.as_bytes())
    }
}

impl OrderId {
    /// The order that the gift's activation number `activation_no` (1, 2, …) places: another one after each try that came
    /// to nothing, since a reservation is made once.
    pub fn of_dish_gift(gift_id: GiftId, activation_no: u32) -> Self {
        Self(Uuid::new_v5(&gift_id.0, format!("order:{activation_no}").as_bytes()))
    }
}

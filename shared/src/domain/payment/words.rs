//! The words that the commands and events of a payment share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    Currency,
    ids::{GiftId, OrderId},
};

/// What the money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// To pay an order.
    Order {
        /// The order.
        order_id: OrderId,
    },
    /// To buy a gift.
    Gift {
        /// The gift.
        gift_id: GiftId,
    },
}

/// Who moves the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Provider {
    /// T-Bank's internet acquiring.
    Tbank,
    /// The imitation for development and tests.
    DevFake,
}

impl Provider {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tbank => "TBANK",
            Self::DevFake => "DEV_FAKE",
        }
    }

    /// Whether it moves money of that currency.
    pub fn takes(self, currency: Currency) -> bool {
        match self {
            Self::Tbank => currency == Currency::RUB,
            Self::DevFake => true,
        }
    }
}

/// Who is to move the money of a new attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderChoice {
    /// The provider that the attempt names; none leaves the choice to the settings.
    pub named: Option<Provider>,
    /// Who would move it: the named one, or the settings' choice.
    pub mover: Provider,
    /// Whether the settings let it move money.
    pub enabled: bool,
}

impl ProviderChoice {
    /// The settings' own choice.
    pub fn own(mover: Provider) -> Self {
        Self { named: None, mover, enabled: true }
    }
}

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// With the payment.
    #[default]
    OnPayment,
    /// When the cook accepts; until then it is held.
    OnAccept,
}

/// Why a payment came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureReason {
    /// The bank said no.
    Declined,
    /// The customer did not pass the bank's check.
    AuthFailed,
    /// Nobody paid in time.
    Expired,
    /// We called it off before money moved.
    Cancelled,
    /// The hold was lifted.
    Voided,
    /// The provider refused the request itself.
    ProviderRejected,
    /// The provider could not be reached.
    ProviderUnavailable,
}

/// How we know what the provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvidenceSource {
    /// It told us and we asked back.
    Webhook,
    /// We asked.
    Poll,
    /// It was the answer to a call.
    Response,
}

/// Why money had nothing to buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnappliedCause {
    /// It came too late.
    Late,
    /// Another payment was first.
    Duplicate,
    /// The order was called off.
    OrderClosed,
    /// It was not the amount that was asked for.
    Amount,
}

/// Who asked for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentRefundSource {
    /// A refund of the order.
    OrderRefund,
    /// A refund of the gift.
    GiftRefund,
    /// The payment had nothing to buy.
    Unapplied,
}

/// What an administrator decides about a contradiction of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IntegrityDecision {
    /// It is as the provider says; the order then takes the money or does not.
    AcceptAsProvider,
    /// Whatever came buys nothing and goes back.
    RefundAll,
}

/// What a person found in the bank's own books about a refund in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundFinding {
    /// The money went back.
    Done,
    /// It did not: it may be sent, under the next epoch.
    NotDone,
}

//! The accounts, and which side of each is the usual one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::ids::{GiftId, OrderId, PaymentId, ProducerId, RefundId};

/// An account: most kinds have one for each thing they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What the providers hold for us.
    PspClearing,
    /// Money that came and has bought nothing yet.
    Unapplied(PaymentId),
    /// What an order was paid and nobody else has a claim to yet.
    Escrow(OrderId),
    /// What a gift is still worth.
    GiftLiability(GiftId),
    /// What orders that are not paid yet hold of gifts.
    GiftReserved,
    /// What has to go back.
    RefundDue(RefundId),
    /// What a kitchen is owed; negative if it owes us.
    ProducerPayable(ProducerId),
    /// The platform's commission.
    PlatformRevenue,
    /// What the platform bore itself.
    PlatformLoss,
    /// What banks took back without asking.
    ChargebackLoss,
}

/// The kinds of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// What the providers hold for us.
    PspClearing,
    /// Money that came and has bought nothing yet, by payment.
    Unapplied,
    /// What orders were paid and nobody else has a claim to yet, by order.
    Escrow,
    /// What gifts are still worth, by gift.
    GiftLiability,
    /// What orders that are not paid yet hold of gifts.
    GiftReserved,
    /// What has to go back, by refund.
    RefundDue,
    /// What kitchens are owed, by kitchen.
    ProducerPayable,
    /// The platform's commission.
    PlatformRevenue,
    /// What the platform bore itself.
    PlatformLoss,
    /// What banks took back without asking.
    ChargebackLoss,
}

/// The two sides of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The left one.
    Debit,
    /// The right one.
    Credit,
}

impl Side {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }
}

impl Account {
    /// Its kind.
    pub fn kind(self) -> AccountKind {
        match self {
            Self::PspClearing => AccountKind::PspClearing,
            Self::Unapplied(_) => AccountKind::Unapplied,
            Self::Escrow(_) => AccountKind::Escrow,
            Self::GiftLiability(_) => AccountKind::GiftLiability,
            Self::GiftReserved => AccountKind::GiftReserved,
            Self::RefundDue(_) => AccountKind::RefundDue,
            Self::ProducerPayable(_) => AccountKind::ProducerPayable,
            Self::PlatformRevenue => AccountKind::PlatformRevenue,
            Self::PlatformLoss => AccountKind::PlatformLoss,
            Self::ChargebackLoss => AccountKind::ChargebackLoss,
        }
    }

    /// What it is about; none for the accounts there is one of.
    pub fn owner(self) -> Option<Uuid> {
        match self {
            Self::Unapplied(id) => Some(id.0),
            Self::Escrow(id) => Some(id.0),
            Self::GiftLiability(id) => Some(id.0),
            Self::RefundDue(id) => Some(id.0),
            Self::ProducerPayable(id) => Some(id.0),
            Self::PspClearing
            | Self::GiftReserved
            | Self::PlatformRevenue
            | Self::PlatformLoss
            | Self::ChargebackLoss => None,
        }
    }
}

impl AccountKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PspClearing,
        Self::Unapplied,
        Self::Escrow,
        Self::GiftLiability,
        Self::GiftReserved,
        Self::RefundDue,
        Self::ProducerPayable,
        Self::PlatformRevenue,
        Self::PlatformLoss,
        Self::ChargebackLoss,
    ];

    /// The stable name, in tables, metrics and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PspClearing => "psp_clearing",
            Self::Unapplied => "unapplied",
            Self::Escrow => "escrow",
            Self::GiftLiability => "gift_liability",
            Self::GiftReserved => "gift_reserved",
            Self::RefundDue => "refund_due",
            Self::ProducerPayable => "producer_payable",
            Self::PlatformRevenue => "platform_revenue",
            Self::PlatformLoss => "platform_loss",
            Self::ChargebackLoss => "chargeback_loss",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The side on which it usually stands: what we have and what we lost on the left, what we owe and earned on the right.
    pub fn normal_side(self) -> Side {
        match self {
            Self::PspClearing | Self::PlatformLoss | Self::ChargebackLoss => Side::Debit,
            Self::Unapplied
            | Self::Escrow
            | Self::GiftLiability
            | Self::GiftReserved
            | Self::RefundDue
            | Self::ProducerPayable
            | Self::PlatformRevenue => Side::Credit,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner() {
            Some(owner) => write!(f, "{}[{owner}]", self.kind().as_str()),
            None => f.write_str(self.kind().as_str()),
        }
    }
}

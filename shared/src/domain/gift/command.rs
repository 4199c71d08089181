//! What can be asked of a gift.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{CodeRef, DeliveryChannel, GiftCancelReason, GiftDish, GiftPolicy, GiftRefundCause, ReleaseCause};
use crate::domain::{
    Money,
    ids::{GiftId, OrderId, PaymentId, RefundId, UserId},
    order::DeliveryType,
    payment::{FailureReason, ProviderChoice},
};

/// A command for a gift. Facts that a decision may not look up (codes, prices, whether a dish is gone) travel inside.
#[derive(Debug, Clone, PartialEq)]
pub enum GiftCommand {
    /// Chooses the gift, and opens the first attempt to pay it.
    Purchase(Box<PurchaseGift>),
    /// Opens an attempt to pay; with an attempt open already, nothing new happens.
    RequestPayment(RequestGiftPayment),
    /// The open attempt came to nothing.
    RecordPaymentFailure {
        /// The attempt's payment.
        payment_id: PaymentId,
        /// Why.
        reason: FailureReason,
    },
    /// The money is there, and the code is made.
    Issue(IssueGift),
    /// The recipient was told of it.
    RecordDelivery {
        /// In which way.
        channel: DeliveryChannel,
    },
    /// Its holder is to be reminded that it expires.
    Remind {
        /// The durations in force.
        policy: GiftPolicy,
    },
    /// Calls it off.
    Cancel {
        /// Why, for machines; people may leave it out, then it follows from who they are.
        reason_code: Option<GiftCancelReason>,
        /// Why, for people.
        reason_text: Option<String>,
    },
    /// The recipient takes it.
    Activate(Box<ActivateGift>),
    /// The order of an activated dish was refused: the gift waits for its recipient again.
    RevertActivation {
        /// The order that was not placed.
        order_id: OrderId,
        /// The rule that refused it.
        cause: String,
    },
    /// Turns a dish that is gone into its value.
    Convert(ConvertGift),
    /// Holds a share of it for an order that is about to be placed.
    Reserve(ReserveGift),
    /// The order is paid: its share is spent.
    Redeem {
        /// The order's reservation.
        reservation_id: Uuid,
    },
    /// The order comes to nothing: its share can be spent again.
    Release {
        /// The order's reservation.
        reservation_id: Uuid,
        /// Why.
        cause: ReleaseCause,
    },
    /// A refund of a paid order comes back.
    Credit {
        /// The refund of the order.
        refund_id: RefundId,
        /// The order.
        order_id: OrderId,
        /// How much.
        amount: Money,
    },
    /// Its time is over.
    Expire,
    /// Money goes back to the buyer.
    RequestRefund(RequestGiftRefund),
    /// The money is back with the buyer.
    SettleRefund {
        /// The refund.
        refund_id: RefundId,
    },
    /// The money could not go back.
    RevertRefund {
        /// The refund.
        refund_id: RefundId,
        /// Why, for people.
        reason: String,
    },
    /// Nobody may use it until somebody has looked.
    Block {
        /// Why, for people.
        reason: String,
    },
    /// It may be used again.
    Unblock {
        /// Why, for people.
        reason: String,
    },
}

/// Everything that the decision to sell a gift needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct PurchaseGift {
    /// The new gift.
    pub gift_id: GiftId,
    /// Who pays.
    pub buyer_id: UserId,
    /// What is given.
    pub wish: GiftWish,
    /// Who gets it, if it is somebody who signs in here; then nobody else can use it.
    pub recipient_user_id: Option<UserId>,
    /// When the recipient is to be told; none means as soon as it is paid.
    pub deliver_at: Option<DateTime<Utc>>,
    /// Name and address of the recipient and the message, sealed with the buyer's key.
    pub pii_sealed: Option<String>,
    /// Where the buyer's browser goes after paying (already checked against the allow-list).
    pub return_url: String,
    /// Who is to move the money.
    pub provider: ProviderChoice,
    /// The durations and limits in force.
    pub policy: GiftPolicy,
}

/// What somebody wants to give.
#[derive(Debug, Clone, PartialEq)]
pub enum GiftWish {
    /// So much money.
    Amount(Money),
    /// A dish as the catalogue has it now.
    Dish {
        /// The dish with its price, how many of it, and the fee.
        dish: GiftDish,
        /// Whether it can be had now.
        available: bool,
    },
}

/// Asks for an attempt to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestGiftPayment {
    /// The gift: the attempt's payment id is derived from it.
    pub gift_id: GiftId,
    /// Who is to move the money.
    pub provider: ProviderChoice,
    /// Where the buyer's browser goes afterwards (already checked against the allow-list).
    pub return_url: String,
    /// The durations and limits in force.
    pub policy: GiftPolicy,
}

/// Says that the money is there.
#[derive(Debug, Clone, PartialEq)]
pub struct IssueGift {
    /// The payment that brought it.
    pub payment_id: PaymentId,
    /// How much it brought.
    pub amount: Money,
    /// What the log may know of the code.
    pub code_ref: CodeRef,
    /// The code's last four symbols.
    pub last4: String,
    /// The durations in force.
    pub policy: GiftPolicy,
}

/// Takes a gift.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivateGift {
    /// The gift: the id of a dish's order is derived from it.
    pub gift_id: GiftId,
    /// The code that was given; who is named as the recipient needs none.
    pub code_ref: Option<CodeRef>,
    /// Where and how a dish is wanted; an amount needs none.
    pub delivery: Option<DishDelivery>,
}

/// Where the recipient of a dish wants it, and whether it can be had.
#[derive(Debug, Clone, PartialEq)]
pub struct DishDelivery {
    /// Where it is handed over.
    pub delivery_type: DeliveryType,
    /// Name, phone and address, sealed with the recipient's key.
    pub pii_sealed: Option<String>,
    /// The dish as the catalogue has it now.
    pub state: DishState,
}

/// Whether the dish of a gift can be had at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DishState {
    /// Whether the dish is on the menu in that quantity, of a kitchen that sells.
    pub available: bool,
    /// Whether the kitchen is open.
    pub open_now: bool,
    /// The ways the kitchen hands meals over.
    pub delivery_types: Vec<DeliveryType>,
    /// The cook, who may not be cooked a gift by himself.
    pub owner_user_id: Option<UserId>,
}

/// Turns a dish into its value.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertGift {
    /// The code, from a holder who has not activated it.
    pub code_ref: Option<CodeRef>,
    /// Whether the dish can be had.
    pub dish_available: bool,
}

/// Holds a share for an order.
#[derive(Debug, Clone, PartialEq)]
pub struct ReserveGift {
    /// `GiftId::reservation_for`: one reservation for each order.
    pub reservation_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// Whose order it is.
    pub customer_id: UserId,
    /// The code, from a holder who has not activated it.
    pub code_ref: Option<CodeRef>,
    /// What the share is for.
    pub purpose: ReservePurpose,
    /// What the order costs.
    pub total: Money,
    /// Until when the order may be paid; the reservation lives longer by the grace.
    pub payment_deadline: DateTime<Utc>,
    /// The durations and limits in force.
    pub policy: GiftPolicy,
}

/// What a share is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReservePurpose {
    /// An order of the holder's choice; with this much if it is said, else as much as there is.
    Order {
        /// How much.
        wanted: Option<Money>,
    },
    /// The order of the given dish itself.
    Dish,
}

/// Sends money back to the buyer.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestGiftRefund {
    /// The refund: `RefundId::of_gift`.
    pub refund_id: RefundId,
    /// How much; none means everything that is available.
    pub amount: Option<Money>,
    /// Why.
    pub cause: GiftRefundCause,
}

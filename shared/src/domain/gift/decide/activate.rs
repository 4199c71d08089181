//! Taking a gift: activation, its reversal, and the exchange of a dish that is gone.

use chrono::{DateTime, Utc};

use super::{Decision, check_text};
use crate::domain::{
    Actor,
    gift::{
        ActivateGift, Bought, ConvertGift, DishDelivery, GiftActivated, GiftActivationReverted, GiftConverted,
        GiftError, GiftKind, GiftStage, Pot,
    },
    ids::{OrderId, UserId},
};

impl Bought {
    pub(super) fn activate(&self, request: &ActivateGift, actor: &Actor, now: DateTime<Utc>) -> Decision {
        let user_id = actor.user_id().ok_or(GiftError::PermissionDenied)?;
        self.holder(user_id, request.code_ref.as_ref())?;
        self.may_activate(now)?;
        let activated = GiftActivated { activated_by: user_id, order_id: None, delivery_type: None, pii_sealed: None };
        if self.kind == GiftKind::Amount {
            return Ok(vec![activated.into()]);
        }
        let missing = GiftError::InvalidValue { pointer: "/delivery_type" };
        let delivery = request.delivery.as_ref().ok_or(missing)?;
        check_dish(delivery, user_id)?;
        let activation_no = self.activations.saturating_add(1);
        let activated = GiftActivated {
            order_id: Some(OrderId::of_dish_gift(request.gift_id, activation_no)),
            delivery_type: Some(delivery.delivery_type),
            pii_sealed: delivery.pii_sealed.clone(),
            ..activated
        };
        Ok(vec![activated.into()])
    }

    /// Whether the gift waits for a holder and something is on it.
    pub(super) fn may_activate(&self, now: DateTime<Utc>) -> Result<(), GiftError> {
        match self.stage {
            GiftStage::PendingPayment | GiftStage::Cancelled => return Err(GiftError::NotFound),
            GiftStage::Activated => return Err(GiftError::AlreadyActivated),
            GiftStage::Expired => return Err(GiftError::Expired),
            GiftStage::Issued => {}
        }
        if self.is_over(now) {
            return Err(GiftError::Expired);
        }
        if self.available().is_zero() { Err(GiftError::InsufficientBalance) } else { Ok(()) }
    }

    /// At the moment of expiry itself it may still be used.
    pub(super) fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.issue.as_ref().is_some_and(|issue| now > issue.expires_at)
    }

    pub(super) fn revert_activation(&self, order_id: OrderId, cause: &str) -> Decision {
        check_text(cause, "/cause")?;
        let Some(activated_by) = self.activated_by.filter(|_| self.is_dish_order(order_id)) else {
            // It was reverted before, or activated anew since.
            return Ok(vec![]);
        };
        if self.stage != GiftStage::Activated || self.was_redeemed || self.kind != GiftKind::Dish {
            return Err(GiftError::InvalidTransition);
        }
        if self.purse.amount(Pot::Reserved).is_positive() {
            return Err(GiftError::InUse);
        }
        Ok(vec![GiftActivationReverted { activated_by, order_id, cause: cause.to_owned() }.into()])
    }

    pub(super) fn convert(&self, request: &ConvertGift, actor: &Actor, now: DateTime<Utc>) -> Decision {
        let user_id = actor.user_id().ok_or(GiftError::PermissionDenied)?;
        self.holder(user_id, request.code_ref.as_ref())?;
        match self.stage {
            GiftStage::PendingPayment | GiftStage::Cancelled => return Err(GiftError::NotFound),
            GiftStage::Expired => return Err(GiftError::Expired),
            GiftStage::Issued | GiftStage::Activated => {}
        }
        if self.kind == GiftKind::Amount {
            // It was converted before, or there is nothing to convert.
            return if self.terms.dish.is_some() { Ok(vec![]) } else { Err(GiftError::InvalidTransition) };
        }
        if self.is_over(now) {
            return Err(GiftError::Expired);
        }
        if self.purse.amount(Pot::Reserved).is_positive() {
            return Err(GiftError::InUse);
        }
        // A dish whose order was paid and came back cannot be ordered again with the same gift: its value can be spent.
        let came_back = self.was_redeemed && self.available().is_positive();
        if request.dish_available && !came_back {
            return Err(GiftError::GiftDishAvailable);
        }
        if self.available().is_zero() {
            return Err(GiftError::InvalidTransition);
        }
        Ok(vec![GiftConverted { to: GiftKind::Amount, value: self.available() }.into()])
    }
}

fn check_dish(delivery: &DishDelivery, user_id: UserId) -> Result<(), GiftError> {
    let state = &delivery.state;
    if !state.available {
        return Err(GiftError::GiftDishUnavailable);
    }
    if state.owner_user_id == Some(user_id) {
        return Err(GiftError::Restricted);
    }
    if !state.delivery_types.contains(&delivery.delivery_type) {
        return Err(GiftError::DeliveryTypeUnsupported);
    }
    if state.open_now { Ok(()) } else { Err(GiftError::ProducerClosed) }
}

//! Choosing and paying a gift.

use chrono::{DateTime, Utc};

use super::Decision;
use crate::domain::{
    Actor, Currency, Money,
    gift::{
        Bought, GiftCreated, GiftDish, GiftError, GiftEvent, GiftIssued, GiftKind, GiftPaymentAttemptFailed,
        GiftPaymentRequested, GiftPolicy, GiftStage, GiftWish, IssueGift, PurchaseGift, RequestGiftPayment,
        read::attempts_lost,
    },
    ids::{GiftId, PaymentId},
    order::AttemptOutcome,
    payment::{FailureReason, Provider, ProviderChoice},
};

const QUANTITY_MAX: u32 = 99;

pub(super) fn purchase(request: &PurchaseGift, actor: &Actor, now: DateTime<Utc>) -> Decision {
    if *actor != Actor::Customer(request.buyer_id) {
        return Err(GiftError::PermissionDenied);
    }
    if request.deliver_at.is_some_and(|at| at <= now || at > now + request.policy.deliver_ahead_max) {
        return Err(GiftError::InvalidValue { pointer: "/deliver_at" });
    }
    let (kind, value, dish) = worth(&request.wish, &request.policy)?;
    let payment_deadline = now + request.policy.payment_window;
    let created = GiftCreated {
        buyer_id: request.buyer_id,
        kind,
        value,
        dish,
        recipient_user_id: request.recipient_user_id,
        deliver_at: request.deliver_at,
        payment_deadline,
        pii_sealed: request.pii_sealed.clone(),
    };
    may_move(request.provider, value)?;
    let attempt = attempt(request.gift_id, 1, value, (request.provider.named, &request.return_url), payment_deadline);
    Ok(vec![created.into(), attempt.into()])
}

fn worth(wish: &GiftWish, policy: &GiftPolicy) -> Result<(GiftKind, Money, Option<GiftDish>), GiftError> {
    match wish {
        GiftWish::Amount(value) if value.currency() != Currency::RUB => {
            Err(GiftError::InvalidValue { pointer: "/value" })
        }
        GiftWish::Amount(value) if !(policy.value_min_minor..=policy.value_max_minor).contains(&value.minor()) => {
            Err(GiftError::ValueOutOfRange)
        }
        GiftWish::Amount(value) => Ok((GiftKind::Amount, *value, None)),
        GiftWish::Dish { available: false, .. } => Err(GiftError::DishUnavailable),
        GiftWish::Dish { dish, .. } => {
            if !(1..=QUANTITY_MAX).contains(&dish.quantity) {
                return Err(GiftError::OutOfRange { pointer: "/quantity", min: 1, max: QUANTITY_MAX });
            }
            let value = dish.value()?;
            // A dish may cost less than the least gift of money, but not less than a card pays.
            if !(policy.payable_min_minor..=policy.value_max_minor).contains(&value.minor()) {
                return Err(GiftError::ValueOutOfRange);
            }
            Ok((GiftKind::Dish, value, Some(dish.clone())))
        }
    }
}

fn may_move(provider: ProviderChoice, amount: Money) -> Result<(), GiftError> {
    if !provider.enabled {
        return Err(GiftError::ProviderDisabled);
    }
    if provider.mover.takes(amount.currency()) { Ok(()) } else { Err(GiftError::CurrencyUnsupported) }
}

fn attempt(
    gift_id: GiftId,
    attempt_no: u32,
    amount: Money,
    (provider, return_url): (Option<Provider>, &str),
    expires_at: DateTime<Utc>,
) -> GiftPaymentRequested {
    let payment_id = PaymentId::of_gift_attempt(gift_id, attempt_no);
    GiftPaymentRequested { payment_id, attempt_no, amount, provider, return_url: return_url.to_owned(), expires_at }
}

impl Bought {
    pub(super) fn request_payment(&self, request: &RequestGiftPayment, now: DateTime<Utc>) -> Decision {
        if self.stage != GiftStage::PendingPayment {
            return Err(GiftError::NotPayable);
        }
        may_move(request.provider, self.terms.value)?;
        // The buyer clicked twice: the open attempt serves both clicks.
        if self.active_payment().is_some() {
            return Ok(vec![]);
        }
        let policy = &request.policy;
        if self.terms.payment_deadline - now < policy.payment_time_left_min {
            return Err(GiftError::PaymentDeadlinePassed);
        }
        if attempts_lost(&self.attempts) >= policy.payment_attempts_max
            || self.attempts.len() >= policy.payment_attempts_opened_max
        {
            return Err(GiftError::PaymentAttemptsExhausted);
        }
        let attempt_no = u32::try_from(self.attempts.len()).map_or(u32::MAX, |attempts| attempts.saturating_add(1));
        let how = (request.provider.named, request.return_url.as_str());
        let deadline = self.terms.payment_deadline;
        Ok(vec![attempt(request.gift_id, attempt_no, self.terms.value, how, deadline).into()])
    }

    pub(super) fn payment_failed(&self, payment_id: PaymentId, reason: FailureReason) -> Vec<GiftEvent> {
        let numbered = (1..).zip(&self.attempts);
        let failed = numbered.filter(|(_, attempt)| attempt.payment_id == payment_id).map(|(attempt_no, attempt)| {
            match attempt.outcome {
                AttemptOutcome::Active => Some(GiftPaymentAttemptFailed { payment_id, attempt_no, reason }.into()),
                // It is over already, one way or the other.
                AttemptOutcome::Failed(_) | AttemptOutcome::Paid => None,
            }
        });
        failed.flatten().collect()
    }

    pub(super) fn issue_to(&self, request: &IssueGift, now: DateTime<Utc>) -> Decision {
        // A failed attempt is an own attempt too: the bank may say yes after it said no.
        if !self.attempts.iter().any(|attempt| attempt.payment_id == request.payment_id) {
            return Err(GiftError::ForeignPayment);
        }
        // The same payment again: the gift has its money, whatever happened to it since.
        if self.issue.as_ref().is_some_and(|issue| issue.payment_id == request.payment_id) {
            return Ok(vec![]);
        }
        if self.stage != GiftStage::PendingPayment {
            return Err(GiftError::MoneyNotWanted);
        }
        if request.amount != self.terms.value {
            return Err(GiftError::PaidAmountMismatch);
        }
        let expires_at = now + request.policy.validity;
        let issued = GiftIssued {
            payment_id: request.payment_id,
            value: self.terms.value,
            code_ref: request.code_ref.clone(),
            last4: request.last4.clone(),
            deliver_at: self.terms.deliver_at.map_or(now, |wanted| wanted.max(now)),
            remind_at: expires_at - request.policy.reminders_before[0],
            expires_at,
        };
        Ok(vec![issued.into()])
    }
}

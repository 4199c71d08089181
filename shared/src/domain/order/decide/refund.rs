//! Money that is owed back: to the card first, so that no gift turns into cash, and never more than was paid.

use super::{Decision, Party};
use crate::domain::{
    Money,
    ids::{PaymentId, RefundId},
    order::{
        AuthorizeRefund, Funds, OrderError, OrderEvent, OrderRefundAuthorized, OrderRefundFailed, OrderRefundSettled,
        Part, PartState, Placed, RefundAmount, RefundPart, RefundSource, Stage,
    },
};

use super::text::check_text;

/// Refunds that people may give; what sagas owe is bounded by what can happen to an order.
const REFUNDS_MAX: usize = 50;

/// An amount by where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::order) struct Split {
    pub(in crate::domain::order) card: Money,
    pub(in crate::domain::order) gift: Money,
}

impl Placed {
    pub(super) fn authorize_refund(&self, request: &AuthorizeRefund, party: Party) -> Decision {
        if party == Party::Admin && request.source != RefundSource::Admin {
            return Err(OrderError::PermissionDenied);
        }
        // One refund for one cause: asked again, it is owed already.
        if self.refunds.iter().any(|refund| {
            refund.refund_id == request.refund_id
                || (refund.source, refund.source_id) == (request.source, request.source_id)
        }) {
            return Ok(vec![]);
        }
        if request.source == RefundSource::Admin && self.refunds.len() >= REFUNDS_MAX {
            return Err(OrderError::RefundLimitReached);
        }
        if request.source == RefundSource::Admin && self.open_claim().is_some() {
            return Err(OrderError::PaymentUnderDispute);
        }
        if request.source == RefundSource::External {
            return self.book_external(request);
        }
        let Some(split) = self.split(request.amount)? else { return Ok(vec![]) };
        let (mut events, split) = match request.source {
            RefundSource::Cancellation => self.without_what_the_bank_took(request, split)?,
            RefundSource::Admin | RefundSource::Dispute | RefundSource::External => (Vec::new(), split),
        };
        let payment_id = self.receipt.and_then(|receipt| receipt.payment_id);
        if split.card.is_positive() || split.gift.is_positive() {
            events.push(authorized(request, split, payment_id).into());
        }
        Ok(events)
    }

    /// All of it goes back to the customer, who has what the bank took back already, whatever became of that dispute.
    fn without_what_the_bank_took(
        &self,
        request: &AuthorizeRefund,
        mut split: Split,
    ) -> Result<(Vec<OrderEvent>, Split), OrderError> {
        let mut events = Vec::new();
        for claim in self.disputes.iter().filter(|claim| claim.is_chargeback) {
            let granted = self.refunds.iter().find(|refund| refund.refund_id == RefundId::of_dispute(claim.dispute_id));
            let taken = match (claim.claimed, granted) {
                (Some(claimed), Some(granted)) => claimed.sub(granted.card.amount)?,
                (Some(claimed), None) => claimed,
                (None, _) => continue,
            };
            let back_already = AuthorizeRefund {
                refund_id: RefundId::of_chargeback(claim.dispute_id),
                source: RefundSource::External,
                source_id: claim.dispute_id.0,
                ..request.clone()
            };
            let taken = taken.min(split.card)?;
            events.extend(self.is_back_already(&back_already, taken)?);
            if taken.is_positive() {
                split.card = split.card.sub(taken)?;
            }
        }
        Ok((events, split))
    }

    /// The bank gave money back without us: it is owed and paid in one decision, and no more than the card brought.
    fn book_external(&self, request: &AuthorizeRefund) -> Decision {
        let left = self.money_left_to_refund()?.card;
        let amount = match request.amount {
            RefundAmount::Exactly(amount) => amount,
            RefundAmount::Rest | RefundAmount::RestOfTaken => left,
        };
        if !amount.is_positive() {
            return Err(OrderError::InvalidValue { pointer: "/amount" });
        }
        self.is_back_already(request, left.min(amount)?)
    }

    /// A refund of the card's part that the bank has carried out before we knew of it.
    pub(super) fn is_back_already(&self, request: &AuthorizeRefund, card: Money) -> Decision {
        if !card.is_positive() {
            return Ok(vec![]);
        }
        let split = Split { card, gift: Money::zero(card.currency()) };
        let settled = OrderRefundSettled { refund_id: request.refund_id, part: RefundPart::Card };
        Ok(vec![authorized(request, split, None).into(), settled.into()])
    }

    /// The amount by where it goes; `None` if the rest is wanted and there is none.
    pub(super) fn split(&self, amount: RefundAmount) -> Result<Option<Split>, OrderError> {
        let left = match amount {
            RefundAmount::RestOfTaken => self.money_left_of(self.money_paid())?,
            RefundAmount::Exactly(_) | RefundAmount::Rest => self.money_left_to_refund()?,
        };
        let rest = left.card.add(left.gift)?;
        let amount = match amount {
            RefundAmount::Exactly(amount) => amount,
            RefundAmount::Rest | RefundAmount::RestOfTaken if rest.is_zero() => return Ok(None),
            RefundAmount::Rest | RefundAmount::RestOfTaken => rest,
        };
        if !amount.is_positive() {
            return Err(OrderError::InvalidValue { pointer: "/amount" });
        }
        if rest.sub(amount)?.minor() < 0 {
            return Err(OrderError::RefundExceedsPaid);
        }
        let card = left.card.min(amount)?;
        Ok(Some(Split { card, gift: amount.sub(card)? }))
    }

    pub(super) fn money_left_to_refund(&self) -> Result<Split, OrderError> {
        let paid = self.money_paid();
        // Held money that was let go took nothing: of the card there is left what went back, that is nothing.
        let card = if self.is_let_go() { self.money_authorised_back()?.card } else { paid.card };
        self.money_left_of(Split { card, gift: paid.gift })
    }

    pub(in crate::domain::order) fn money_left(&self, held_was_taken: bool) -> Option<Split> {
        let left = if held_was_taken { self.money_left_of(self.money_paid()) } else { self.money_left_to_refund() };
        left.ok()
    }

    fn money_left_of(&self, taken: Split) -> Result<Split, OrderError> {
        let authorised = self.money_authorised_back()?;
        Ok(Split { card: taken.card.sub(authorised.card)?, gift: taken.gift.sub(authorised.gift)? })
    }

    /// Held money paid the order and is taken when the cook accepts: until then what is owed of it waits for that. Once
    /// the order is called off the hold is lifted; should the money be taken all the same, the shell says so
    /// (`RefundAmount::RestOfTaken`).
    fn is_let_go(&self) -> bool {
        let is_held = self.receipt.is_some_and(|receipt| receipt.funds == Funds::Authorized);
        is_held && matches!(self.stage, Stage::Cancelled { .. })
    }

    pub(super) fn money_paid(&self) -> Split {
        let nothing = Money::zero(self.terms.total.currency());
        self.receipt
            .map_or(Split { card: nothing, gift: nothing }, |receipt| Split { card: receipt.card, gift: receipt.gift })
    }

    pub(super) fn money_authorised_back(&self) -> Result<Split, OrderError> {
        let nothing = Money::zero(self.terms.total.currency());
        self.refunds.iter().try_fold(Split { card: nothing, gift: nothing }, |sum, refund| {
            Ok(Split { card: sum.card.add(refund.card.amount)?, gift: sum.gift.add(refund.gift.amount)? })
        })
    }

    pub(super) fn settle_refund(&self, refund_id: RefundId, part: RefundPart) -> Decision {
        match self.part(refund_id, part)?.state {
            // A refusal is not the last word: it was tried again, or the bank changed its mind.
            PartState::Pending | PartState::Failed => Ok(vec![OrderRefundSettled { refund_id, part }.into()]),
            PartState::Settled => Ok(vec![]),
        }
    }

    pub(super) fn refund_failed(&self, refund_id: RefundId, part: RefundPart, reason: &str) -> Decision {
        check_text(Some(reason), "/reason")?;
        match self.part(refund_id, part)?.state {
            PartState::Pending => Ok(vec![OrderRefundFailed { refund_id, part, reason: reason.to_owned() }.into()]),
            PartState::Failed | PartState::Settled => Ok(vec![]),
        }
    }

    fn part(&self, refund_id: RefundId, part: RefundPart) -> Result<Part, OrderError> {
        let refund = self.refunds.iter().find(|refund| refund.refund_id == refund_id);
        let part = refund.map(|refund| match part {
            RefundPart::Card => refund.card,
            RefundPart::Gift => refund.gift,
        });
        part.filter(|part| part.amount.is_positive()).ok_or(OrderError::RefundNotFound)
    }
}

pub(super) fn authorized(
    request: &AuthorizeRefund,
    split: Split,
    payment_id: Option<PaymentId>,
) -> OrderRefundAuthorized {
    OrderRefundAuthorized {
        refund_id: request.refund_id,
        source: request.source,
        source_id: request.source_id,
        card_amount: split.card,
        gift_amount: split.gift,
        fault: request.fault,
        payment_id,
    }
}

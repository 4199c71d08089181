//! Offers: the cook proposes less than is claimed, the customer takes it or not.

use super::Decision;
use crate::domain::{
    Money,
    dispute::{DecidedBy, DisputeError, DisputeOfferDeclined, DisputeOfferMade, DisputeReason, Offer, Opened, fits},
    ids::OfferId,
};

/// Offers that a cook may make.
const OFFERS_MAX: u32 = 20;

impl Opened {
    pub(super) fn make_offer(&self, amount: Money, message_sealed: Option<&String>) -> Decision {
        if !fits(message_sealed.map(String::as_str)) {
            return Err(DisputeError::InvalidValue { pointer: "/message" });
        }
        if !amount.is_positive() || amount.currency() != self.terms.claimed.currency() {
            return Err(DisputeError::InvalidValue { pointer: "/amount" });
        }
        self.is_not_decided()?;
        if self.terms.reason == DisputeReason::Bank {
            return Err(DisputeError::BankDispute);
        }
        if self.offer.is_some() {
            return Err(DisputeError::OfferPending);
        }
        if amount.minor() >= self.terms.claimed.minor() {
            return Err(DisputeError::OfferNotBelowClaim);
        }
        if self.offers_made >= OFFERS_MAX {
            return Err(DisputeError::OfferLimitReached);
        }
        let offer_id = OfferId::of_dispute(self.terms.dispute_id, self.offers_made.saturating_add(1));
        let (order_id, message_sealed) = (self.terms.order_id, message_sealed.cloned());
        Ok(vec![DisputeOfferMade { order_id, offer_id, amount, message_sealed }.into()])
    }

    pub(super) fn accept_offer(&self, offer_id: OfferId) -> Decision {
        let offer = self.pending(offer_id)?;
        self.granted(offer.amount, DecidedBy::Agreement)
    }

    pub(super) fn decline_offer(&self, offer_id: OfferId) -> Decision {
        self.pending(offer_id)?;
        Ok(vec![DisputeOfferDeclined { order_id: self.terms.order_id, offer_id }.into()])
    }

    fn pending(&self, offer_id: OfferId) -> Result<Offer, DisputeError> {
        self.is_not_decided()?;
        self.offer.filter(|offer| offer.offer_id == offer_id).ok_or(DisputeError::OfferNotFound)
    }
}

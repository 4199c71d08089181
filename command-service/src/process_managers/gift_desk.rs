//! What the executor does with gifts: asks them, makes and erases their codes, and looks up what their managers need.

use shared::domain::{
    GiftId, Money, PaymentId,
    gift::{Gift, GiftCommand, GiftDish, GiftEvent, IssueGift},
};
use uuid::Uuid;

use super::{
    executor::{Answer, Cause, Executor, Poison, REST_MAX, REST_MIN},
    gift_deadlines::is_given_up,
    step::{DishNow, GiftAct, Situation},
};
use crate::{
    catalogue::{Catalogue, CatalogueError},
    command_handler::CommandHandler,
    gift_vault::GiftVault,
};

/// Gifts and what belongs to them. Cheap to clone.
#[derive(Clone)]
pub struct GiftDesk {
    /// The gifts.
    pub gifts: CommandHandler<Gift>,
    /// Their codes.
    pub vault: GiftVault,
    /// The dishes that are given.
    pub catalogue: Catalogue,
}

impl Executor {
    pub(super) async fn do_with_gift(
        &self,
        cause: &Cause,
        asked: &mut Vec<Uuid>,
        gift_id: GiftId,
        act: GiftAct,
    ) -> Result<Answer, Poison> {
        let command = match act {
            GiftAct::Ask(command) => *command,
            GiftAct::Issue { payment_id, amount } => self.issue(cause, gift_id, payment_id, amount).await?,
            GiftAct::EraseCode => {
                self.insist(cause, || self.gifts.vault.erase(gift_id)).await?;
                return Ok(Answer::Yes);
            }
        };
        self.ask(&self.gifts.gifts, cause, asked, (gift_id.0, false), command).await
    }

    /// The code lies in the vault before the gift knows of it: killed in between, the next try finds the same code.
    async fn issue(
        &self,
        cause: &Cause,
        gift_id: GiftId,
        payment_id: PaymentId,
        amount: Money,
    ) -> Result<GiftCommand, Poison> {
        let code = self.insist(cause, || self.gifts.vault.mint(gift_id)).await?;
        let (code_ref, last4) = (code.code_ref, code.last4);
        Ok(GiftCommand::Issue(IssueGift { payment_id, amount, code_ref, last4, policy: self.policies.gift }))
    }

    /// Adds what the managers of gifts look at.
    pub(super) async fn situate_gift(
        &self,
        situation: &mut Situation,
        event: &GiftEvent,
        id: Uuid,
        sequence: u64,
    ) -> Result<(), Poison> {
        situation.gift = self.load_since(&self.gifts.gifts, id, sequence).await?;
        let gift = situation.gift.as_ref();
        let is_dish_order = |order_id| {
            let order = gift.and_then(Gift::dish_order);
            order.is_some_and(|order| order.order_id == order_id)
        };
        if let GiftEvent::GiftReserved(reserved) = event
            && is_dish_order(reserved.order_id)
            && let Some(dish) = gift.and_then(|gift| gift.terms()?.dish.clone())
        {
            situation.dish = self.dish_now(&dish).await;
        }
        Ok(())
    }

    /// The situation of a payment for a gift.
    pub(super) async fn situate_gift_payment(&self, situation: &mut Situation) -> Result<(), Poison> {
        if let Some(gift_id) = situation.gift_of_payment() {
            situation.gift = self.load(&self.gifts.gifts, gift_id.0).await?;
        }
        Ok(())
    }

    /// The situation of a timer about a gift: the gift, its active attempt, and the orders that should be paid by now.
    pub async fn situation_of_gift(&self, gift_id: GiftId) -> Result<Situation, Poison> {
        let mut situation = self.empty_situation();
        situation.gift = self.load(&self.gifts.gifts, gift_id.0).await?;
        let Some(gift) = situation.gift.clone() else { return Ok(situation) };
        if let Some(active) = gift.active_payment() {
            situation.payment = self.load(&self.payments, active.0).await?;
        }
        for usage in gift.overdue_uses(situation.now) {
            let order = self.load(&self.orders, usage.order_id.0).await?;
            situation.overdue.push((usage.reservation_id, is_given_up(order.as_ref())));
        }
        Ok(situation)
    }

    /// A catalogue that does not answer is asked again, as the log is.
    async fn dish_now(&self, dish: &GiftDish) -> Option<DishNow> {
        let mut rest = REST_MIN;
        loop {
            match self.look_up(dish).await {
                Ok(found) => return found,
                Err(error) => tracing::warn!(%error, rest_ms = rest.as_millis(), "the catalogue is asked again"),
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST_MAX);
        }
    }

    async fn look_up(&self, dish: &GiftDish) -> Result<Option<DishNow>, CatalogueError> {
        let catalogue = &self.gifts.catalogue;
        let facts = catalogue.dish_to_take(dish.dish_id, dish.quantity).await?;
        let kitchen = catalogue.producer(dish.producer_id).await?;
        Ok(facts.zip(kitchen).map(|(facts, kitchen)| DishNow {
            producer: kitchen.snapshot(self.clock.now()),
            line: facts.line(dish.quantity),
        }))
    }

    /// Repeats what the database did not do.
    async fn insist<T, E, F>(&self, cause: &Cause, act: impl Fn() -> F) -> Result<T, Poison>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut rest = REST_MIN;
        for _ in 0..TRIES_MAX {
            match act().await {
                Ok(done) => return Ok(done),
                Err(error) => tracing::warn!(manager = cause.manager, %error, "step is tried again"),
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST_MAX);
        }
        let done = act().await;
        done.map_err(|error| Poison { manager: cause.manager, reason: error.to_string() })
    }
}

/// Tries before an event becomes a dead letter, which is tried again later.
const TRIES_MAX: u32 = 20;

//! The imitation bank behind the port.

use std::time::Duration;

use async_trait::async_trait;
use shared::domain::payment::Provider;

use super::{
    DevFake, Notice, Scenario,
    account::{Account, Word, no_such_payment, order_ref_of, payment_of},
    books::{Absent, Lost},
};
use crate::providers::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, ErrorClass, InitRequest, PaymentProvider,
    PaymentState, ProviderError, RefundNames, Session,
};

/// How long the answer to Init waits behind an early webhook, so that the webhook is really first.
const HEAD_START: Duration = Duration::from_millis(50);

#[async_trait]
impl PaymentProvider for DevFake {
    fn provider(&self) -> Provider {
        Provider::DevFake
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn init(&self, ctx: &CallCtx, request: &InitRequest) -> Result<Session, ProviderError> {
        let scenario = Scenario::of(request)?;
        let payment_id = payment_of(&request.provider_order_ref)?;
        let now = self.clock.now();
        let open = |account: &mut Account| account.init(request, scenario, &self.pages_url, now);
        let (answer, notices) = self.books.change(ctx.deadline, payment_id, Absent::Open, open).await?;
        let early = !notices.is_empty();
        self.tell(notices, scenario).await;
        if early {
            tokio::time::sleep(HEAD_START).await;
        }
        answer
    }

    async fn get_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError> {
        let order_ref = order_ref_of(provider_payment_id)?;
        let now = self.clock.now();
        let look = |account: &Account| {
            let page = account.page(order_ref)?;
            let clerk_waits =
                page.scenario == Scenario::CabinetRefund && page.word == Word::Confirmed && !page.asked_after;
            Ok::<_, ProviderError>((page.state(now), clerk_waits))
        };
        let (state, clerk_waits) = self.books.look(ctx.deadline, payment_of(order_ref)?, look).await??;
        if clerk_waits {
            self.clerk_acts(ctx, order_ref).await?;
        }
        Ok(state)
    }

    async fn check_order(&self, ctx: &CallCtx, provider_order_ref: &str) -> Result<Vec<PaymentState>, ProviderError> {
        let now = self.clock.now();
        let look = |account: &Account| {
            let pages = account.pages.iter().filter(|page| page.order_ref == provider_order_ref);
            pages.map(|page| page.state(now)).collect()
        };
        match self.books.look(ctx.deadline, payment_of(provider_order_ref)?, look).await {
            Err(Lost::Unknown) => Ok(Vec::new()),
            found => Ok(found?),
        }
    }

    async fn confirm(&self, ctx: &CallCtx, request: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        let order_ref = order_ref_of(&request.provider_payment_id)?;
        let now = self.clock.now();
        let take = |account: &mut Account| {
            let page = account.page_mut(order_ref)?;
            let notices = page.confirm(request.amount.minor())?;
            Ok::<_, ProviderError>((page.state(now), notices, page.scenario))
        };
        let taken = self.books.change(ctx.deadline, payment_of(order_ref)?, Absent::LookUp, take).await?;
        let (state, notices, scenario) = taken?;
        self.tell(notices, scenario).await;
        Ok(state)
    }

    async fn cancel(&self, ctx: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError> {
        let order_ref = order_ref_of(&request.provider_payment_id)?;
        let recognises = self.capabilities.idempotent_refund == RefundNames::Recognised;
        let now = self.clock.now();
        let call_off = |account: &mut Account| {
            let answer = account.cancel(order_ref, request, recognises, now);
            (answer, account.page(order_ref).map_or(Scenario::Success, |page| page.scenario))
        };
        let done = self.books.change(ctx.deadline, payment_of(order_ref)?, Absent::LookUp, call_off).await?;
        let ((answer, notices), scenario) = done;
        self.tell(notices, scenario).await;
        answer
    }

    async fn refund_state(&self, ctx: &CallCtx, provider_payment_id: &str) -> Result<PaymentState, ProviderError> {
        let order_ref = order_ref_of(provider_payment_id)?;
        let now = self.clock.now();
        let look = |account: &Account| account.page(order_ref).map(|page| page.state(now));
        self.books.look(ctx.deadline, payment_of(order_ref)?, look).await?
    }

    async fn health(&self, _: &CallCtx) -> Result<(), ProviderError> {
        Ok(())
    }
}

impl DevFake {
    /// The merchant has seen the money: the clerk gives it back.
    async fn clerk_acts(&self, ctx: &CallCtx, order_ref: &str) -> Result<(), ProviderError> {
        let act = |account: &mut Account| {
            let Ok(page) = account.page_mut(order_ref) else { return Vec::new() };
            if std::mem::replace(&mut page.asked_after, true) {
                return Vec::new();
            }
            page.refund_in_the_cabinet().unwrap_or_default()
        };
        let notices = self.books.change(ctx.deadline, payment_of(order_ref)?, Absent::LookUp, act).await?;
        self.tell(notices, Scenario::CabinetRefund).await;
        Ok(())
    }

    async fn tell(&self, notices: Vec<Notice>, scenario: Scenario) {
        self.messenger.tell(notices, scenario.deliveries(), Duration::ZERO).await;
    }
}

impl From<Lost> for ProviderError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unknown => no_such_payment(),
            Lost::NotDone => Self::new(ErrorClass::NotSent, "the bank could not be reached"),
            Lost::Unconfirmed => Self::new(ErrorClass::OutcomeUnknown, "the bank did not answer in time"),
        }
    }
}

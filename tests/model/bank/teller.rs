//! The bank's counter: every call of the port, on good days and bad ones.

use std::{borrow::Cow, collections::HashMap};

use async_trait::async_trait;
use chrono::TimeDelta;
use command_service::providers::{
    CallCtx, CancelRequest, Cancelled, Capabilities, ConfirmRequest, ErrorClass, InitRequest, PaymentProvider,
    PaymentState, ProviderError, Session,
};
use shared::domain::{
    Money, PaymentId,
    payment::{Provider, ProviderStatus},
};

use super::{Bank, Books, Luck, Page};
use crate::mutants::Mutant;

fn error(class: ErrorClass) -> ProviderError {
    ProviderError::new(class, "a bad day")
}

/// The answer, if it comes through.
fn answer<T>(luck: Luck, answer: T) -> Result<T, ProviderError> {
    if luck == Luck::AnswerLost { Err(error(ErrorClass::OutcomeUnknown)) } else { Ok(answer) }
}

fn begin(books: &mut Books) -> Result<Luck, ProviderError> {
    match books.luck() {
        Luck::NotSent => Err(error(ErrorClass::NotSent)),
        Luck::LostOnTheWay => Err(error(ErrorClass::OutcomeUnknown)),
        luck => Ok(luck),
    }
}

#[async_trait]
impl PaymentProvider for Bank {
    fn provider(&self) -> Provider {
        Provider::DevFake
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn init(&self, _: &CallCtx, request: &InitRequest) -> Result<Session, ProviderError> {
        let mut books = self.books.lock();
        let luck = begin(&mut books)?;
        let id = format!("bank-{}", request.provider_order_ref);
        let (payment_id, init_try) = PaymentId::parse_provider_order_ref(&request.provider_order_ref)
            .ok_or_else(|| error(ErrorClass::InvalidRequest))?;
        if books.pages.get(&id).is_some_and(|page| page.status != ProviderStatus::New) {
            return Err(error(ErrorClass::StateConflict));
        }
        books.pages.entry(id.clone()).or_insert_with(|| Page {
            order_ref: request.provider_order_ref.clone(),
            payment_id,
            amount: request.amount,
            mode: request.capture_mode,
            status: ProviderStatus::New,
            expires_at: request.expires_at,
            captured: 0,
            refunded: 0,
            charged_back: 0,
            acts: HashMap::new(),
        });
        // The notification is on its way before the answer.
        if !books.is_calm && luck == Luck::Good && init_try == 1 && books.rng.percent(5) {
            books.pay(&id, true);
        }
        let status = books.pages[&id].status;
        answer(luck, Session { provider_payment_id: id, payment_url: "https://bank.test".into(), status })
    }

    async fn get_state(&self, _: &CallCtx, id: &str) -> Result<PaymentState, ProviderError> {
        let mut books = self.books.lock();
        let luck = begin(&mut books)?;
        let page = books.pages.get(id).ok_or_else(|| error(ErrorClass::InvalidRequest))?;
        answer(luck, self.state(id, page))
    }

    async fn check_order(&self, _: &CallCtx, order_ref: &str) -> Result<Vec<PaymentState>, ProviderError> {
        let mut books = self.books.lock();
        let luck = begin(&mut books)?;
        let found = books.pages.iter().filter(|(_, page)| page.order_ref == order_ref);
        let found = found.map(|(id, page)| self.state(id, page)).collect();
        answer(luck, found)
    }

    async fn confirm(&self, _: &CallCtx, request: &ConfirmRequest) -> Result<PaymentState, ProviderError> {
        let mut books = self.books.lock();
        let luck = begin(&mut books)?;
        let id = request.provider_payment_id.as_str();
        let refused = !books.is_calm && books.rng.percent(5);
        let page = books.pages.get_mut(id).ok_or_else(|| error(ErrorClass::InvalidRequest))?;
        if page.status != ProviderStatus::Authorized {
            return Err(error(ErrorClass::StateConflict));
        }
        if refused {
            return Err(error(ErrorClass::Declined { customer_retryable: false }));
        }
        (page.status, page.captured) = (ProviderStatus::Confirmed, request.amount.minor());
        books.tell(id, ProviderStatus::Confirmed, false);
        answer(luck, self.state(id, &books.pages[id]))
    }

    async fn cancel(&self, _: &CallCtx, request: &CancelRequest) -> Result<Cancelled, ProviderError> {
        let mut books = self.books.lock();
        let luck = begin(&mut books)?;
        let id = request.provider_payment_id.as_str();
        // Between the question where it stands and this call the customer may have paid.
        let was_open = books
            .pages
            .get(id)
            .is_some_and(|page| matches!(page.status, ProviderStatus::New | ProviderStatus::FormShown));
        let is_shown = books.shown.iter().any(|shown| shown == id);
        if was_open && is_shown && !books.is_calm && books.rng.percent(30) {
            books.pay(id, false);
        }
        books.tries += 1;
        let external_id = match self.mutant {
            Some(Mutant::NewNameOnEachRefundTry) => format!("{}-{}", request.external_request_id, books.tries),
            _ => request.external_request_id.clone(),
        };
        let deferred = !books.is_calm && books.rng.percent(5);
        let until = self.clock.now() + TimeDelta::hours(1);
        let page = books.pages.get_mut(id).ok_or_else(|| error(ErrorClass::InvalidRequest))?;
        let held = match page.status {
            ProviderStatus::Authorized => page.amount.minor(),
            _ => page.captured - page.refunded,
        };
        if !page.acts.contains_key(&external_id) {
            match page.status {
                ProviderStatus::New | ProviderStatus::FormShown | ProviderStatus::AuthFailed => {
                    page.status = ProviderStatus::Cancelled;
                }
                ProviderStatus::Authorized => page.status = ProviderStatus::Voided,
                ProviderStatus::Confirmed | ProviderStatus::PartiallyRefunded => {
                    if deferred {
                        return Err(error(ErrorClass::RefundDeferred { until: Some(until) }).with_code("3029"));
                    }
                    let minor = request.amount.map_or(held, Money::minor);
                    if minor <= 0 || minor > held {
                        return Err(error(ErrorClass::StateConflict));
                    }
                    page.refunded += minor;
                    page.status = match page.captured - page.refunded {
                        0 => ProviderStatus::Refunded,
                        _ => ProviderStatus::PartiallyRefunded,
                    };
                    page.acts.insert(external_id, minor);
                }
                ProviderStatus::Processing
                | ProviderStatus::Confirming
                | ProviderStatus::Refunding
                | ProviderStatus::Refunded
                | ProviderStatus::Cancelled
                | ProviderStatus::Expired
                | ProviderStatus::Declined
                | ProviderStatus::Voided => return Err(error(ErrorClass::StateConflict)),
            }
            let status = page.status;
            books.tell(id, status, false);
        }
        let page = &books.pages[id];
        let left = page.captured - page.refunded;
        let told =
            Cancelled { status: Some(page.status), word: Cow::Borrowed("WORD"), original_minor: held, new_minor: left };
        answer(luck, told)
    }

    async fn refund_state(&self, ctx: &CallCtx, id: &str) -> Result<PaymentState, ProviderError> {
        self.get_state(ctx, id).await
    }

    async fn health(&self, _: &CallCtx) -> Result<(), ProviderError> {
        Ok(())
    }
}

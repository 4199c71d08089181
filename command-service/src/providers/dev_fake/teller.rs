//! What the bank does when the merchant asks.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::payment::{CaptureMode, ProviderStatus};

use super::{
    Notice, Scenario,
    account::{Account, Act, Page, Word},
};
use crate::providers::{CancelRequest, Cancelled, ErrorClass, InitRequest, ProviderError, Session};

/// An answer and what the bank tells besides.
pub(super) type Answer<T> = (Result<T, ProviderError>, Vec<Notice>);

/// Breakdowns before the bank works again.
const SERVER_ERRORS: u32 = 5;

impl Account {
    pub fn init(
        &mut self,
        request: &InitRequest,
        scenario: Scenario,
        pages_url: &str,
        now: DateTime<Utc>,
    ) -> Answer<Session> {
        let faults_wanted = match scenario {
            Scenario::InitTimeout => 1,
            Scenario::ServerErrors => SERVER_ERRORS,
            _ => 0,
        };
        if self.init_faults < faults_wanted {
            self.init_faults += 1;
            return (Err(no_answer()), Vec::new());
        }
        if let Ok(page) = self.page(&request.provider_order_ref) {
            return (page.opened_again(request, pages_url), Vec::new());
        }
        let mut page = Page::new(request, scenario);
        let session = page.session(pages_url);
        // The answer says what was true when the page was made.
        let notices = if scenario == Scenario::EarlyWebhook { page.take_money() } else { Vec::new() };
        self.pages.push(page);
        if scenario == Scenario::InitResponseLost && self.init_faults == 0 {
            self.init_faults = 1;
            return (Err(no_answer()), notices);
        }
        tracing::debug!(order_ref = request.provider_order_ref, scenario = scenario.as_str(), at = %now, "page made");
        (Ok(session), notices)
    }

    pub fn cancel(
        &mut self,
        order_ref: &str,
        request: &CancelRequest,
        recognises: bool,
        now: DateTime<Utc>,
    ) -> Answer<Cancelled> {
        let refund_faults = self.refund_faults;
        let page = match self.page_mut(order_ref) {
            Ok(page) => page,
            Err(error) => return (Err(error), Vec::new()),
        };
        if recognises && page.has_done(&request.external_request_id) {
            return (Ok(page.cancelled(page.left_minor())), Vec::new());
        }
        let word = page.word_at(now);
        let is_refund = matches!(word, Word::Confirmed | Word::PartialRefunded);
        if is_refund && page.scenario == Scenario::RefundFailsOnce && refund_faults == 0 {
            self.refund_faults = 1;
            let until = Some(now + TimeDelta::hours(1));
            let error = ProviderError::new(ErrorClass::RefundDeferred { until }, "the refund is refused for now");
            return (Err(error.with_code("3029")), Vec::new());
        }
        let before = page.left_minor();
        if let Err(error) = page.call_off(word, request) {
            return (Err(error), Vec::new());
        }
        let answer = page.cancelled(before);
        // Withdrawing a page is not told.
        let notices = if page.word == Word::Canceled { Vec::new() } else { vec![page.notice(page.word)] };
        if is_refund && page.scenario == Scenario::RefundResponseLost && refund_faults == 0 {
            self.refund_faults = 1;
            return (Err(no_answer()), notices);
        }
        (Ok(answer), notices)
    }
}

impl Page {
    fn new(request: &InitRequest, scenario: Scenario) -> Self {
        Self {
            order_ref: request.provider_order_ref.clone(),
            amount: request.amount,
            capture_mode: request.capture_mode,
            scenario,
            expires_at: request.expires_at,
            word: Word::New,
            taken_minor: 0,
            acts: Vec::new(),
            visits: 0,
            asked_after: false,
            error_code: None,
        }
    }

    fn session(&self, pages_url: &str) -> Session {
        let payment_id = self.order_ref.split('-').next().unwrap_or_default();
        Session {
            provider_payment_id: self.provider_payment_id(),
            payment_url: format!("{pages_url}/{payment_id}?ref={}", self.order_ref),
            status: ProviderStatus::New,
        }
    }

    fn opened_again(&self, request: &InitRequest, pages_url: &str) -> Result<Session, ProviderError> {
        if self.amount != request.amount {
            let message = "the reference was used for another amount";
            return Err(ProviderError::new(ErrorClass::InvalidRequest, message).with_code("8"));
        }
        Ok(Session { status: self.word.status(), ..self.session(pages_url) })
    }

    fn has_done(&self, external_request_id: &str) -> bool {
        self.acts.iter().any(|act| act.external_request_id.as_deref() == Some(external_request_id))
    }

    fn call_off(&mut self, word: Word, request: &CancelRequest) -> Result<(), ProviderError> {
        let left = self.left_minor();
        let minor = request.amount.map_or(left, |amount| amount.minor());
        let (word, minor) = match word {
            Word::New | Word::FormShowed => (Word::Canceled, 0),
            Word::Authorized if minor == left => (Word::Reversed, left),
            Word::Authorized => return Err(refused(ErrorClass::InvalidRequest, "a hold is lifted whole")),
            Word::Confirmed | Word::PartialRefunded if minor <= 0 || minor > left => {
                return Err(refused(ErrorClass::InvalidRequest, "more than is left"));
            }
            Word::Confirmed | Word::PartialRefunded if minor == left => (Word::Refunded, minor),
            Word::Confirmed | Word::PartialRefunded => (Word::PartialRefunded, minor),
            Word::ThreeDsChecking
            | Word::Refunded
            | Word::Canceled
            | Word::DeadlineExpired
            | Word::AuthFail
            | Word::Rejected
            | Word::Reversed => return Err(refused(ErrorClass::StateConflict, "nothing to call off just now")),
        };
        self.word = word;
        self.acts.push(Act { external_request_id: Some(request.external_request_id.clone()), minor });
        Ok(())
    }

    fn cancelled(&self, original_minor: i64) -> Cancelled {
        Cancelled {
            status: Some(self.word.status()),
            word: Cow::Borrowed(self.word.as_str()),
            original_minor,
            new_minor: self.left_minor(),
        }
    }

    pub fn confirm(&mut self, minor: i64) -> Result<Vec<Notice>, ProviderError> {
        match self.word {
            Word::Authorized if (1..=self.taken_minor).contains(&minor) => {
                self.word = Word::Confirmed;
                self.taken_minor = minor;
                Ok(vec![self.notice(Word::Confirmed)])
            }
            Word::Authorized => Err(refused(ErrorClass::InvalidRequest, "more than is held")),
            _ => Err(refused(ErrorClass::StateConflict, "nothing is held")),
        }
    }

    /// Holds or takes the money, as the page was made for.
    pub fn take_money(&mut self) -> Vec<Notice> {
        let asked = self.amount.minor();
        self.taken_minor = match self.scenario {
            Scenario::AmountMismatch if asked > 100 => asked - 100,
            Scenario::AmountMismatch => asked + 100,
            _ => asked,
        };
        self.word = match self.capture_mode {
            CaptureMode::OnPayment => Word::Confirmed,
            CaptureMode::OnAccept => Word::Authorized,
        };
        vec![self.notice(self.word)]
    }

    pub fn notice(&self, word: Word) -> Notice {
        Notice {
            order_ref: self.order_ref.clone(),
            provider_payment_id: self.provider_payment_id(),
            status: word.status(),
            word: word.as_str(),
            amount: self.named_amount(),
            error_code: self.error_code.clone(),
            genuine: true,
        }
    }
}

fn no_answer() -> ProviderError {
    ProviderError::new(ErrorClass::OutcomeUnknown, "the bank gave no answer that can be read")
}

fn refused(class: ErrorClass, message: &'static str) -> ProviderError {
    ProviderError::new(class, message).with_code("4")
}

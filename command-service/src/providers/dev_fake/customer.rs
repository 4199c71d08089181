//! What customers and clerks do on the bank's pages.

use chrono::{DateTime, Utc};
use shared::domain::payment::CaptureMode;

use super::{
    ControlError, Notice, Scenario,
    account::{Act, Page, Word},
};

impl Page {
    /// The customer pays.
    pub fn complete(&mut self, reorder: bool, now: DateTime<Utc>) -> Result<Vec<Notice>, ControlError> {
        let word = self.word_at(now);
        let late = self.scenario == Scenario::LateSuccess && matches!(word, Word::DeadlineExpired | Word::Canceled);
        if !word.is_open() && !late {
            return Err(ControlError::IllegalState { word: word.as_str() });
        }
        self.visits += 1;
        let first = self.visits == 1;
        match self.scenario {
            Scenario::Declined => Ok(self.refuse(Word::Rejected, "1005")),
            Scenario::InsufficientFunds => Ok(self.refuse(Word::Rejected, "1051")),
            Scenario::ThreeDs if first => Ok(self.step(Word::ThreeDsChecking)),
            Scenario::NeverFinishes => {
                self.word = Word::FormShowed;
                Ok(Vec::new())
            }
            Scenario::BadSignature if first => {
                self.word = Word::FormShowed;
                Ok(vec![Notice { genuine: false, ..self.notice(Word::Confirmed) }])
            }
            Scenario::ReorderedWebhooks => Ok(self.pay(true)),
            _ => Ok(self.pay(reorder)),
        }
    }

    /// The bank says no.
    pub fn decline(&mut self, now: DateTime<Utc>) -> Result<Vec<Notice>, ControlError> {
        match self.word_at(now) {
            Word::New | Word::FormShowed => Ok(self.refuse(Word::Rejected, "1005")),
            Word::ThreeDsChecking => Ok(self.refuse(Word::AuthFail, "101")),
            word => Err(ControlError::IllegalState { word: word.as_str() }),
        }
    }

    /// The page dies, or the hold runs out.
    pub fn expire(&mut self, now: DateTime<Utc>) -> Result<Vec<Notice>, ControlError> {
        match self.word_at(now) {
            Word::New | Word::FormShowed | Word::ThreeDsChecking | Word::DeadlineExpired => {
                Ok(self.step(Word::DeadlineExpired))
            }
            Word::Authorized => {
                self.acts.push(Act { external_request_id: None, minor: self.left_minor() });
                Ok(self.step(Word::Reversed))
            }
            word => Err(ControlError::IllegalState { word: word.as_str() }),
        }
    }

    /// A clerk gives back everything that is left.
    pub fn refund_in_the_cabinet(&mut self) -> Result<Vec<Notice>, ControlError> {
        match self.word {
            Word::Confirmed | Word::PartialRefunded => {
                self.acts.push(Act { external_request_id: None, minor: self.left_minor() });
                Ok(self.step(Word::Refunded))
            }
            word => Err(ControlError::IllegalState { word: word.as_str() }),
        }
    }

    fn pay(&mut self, reorder: bool) -> Vec<Notice> {
        let last = self.take_money();
        if !reorder {
            return last;
        }
        let earlier = match self.capture_mode {
            CaptureMode::OnPayment => Word::Authorized,
            CaptureMode::OnAccept => Word::ThreeDsChecking,
        };
        last.into_iter().chain([self.notice(earlier)]).collect()
    }

    fn refuse(&mut self, word: Word, code: &str) -> Vec<Notice> {
        self.error_code = Some(code.to_owned());
        self.step(word)
    }

    fn step(&mut self, word: Word) -> Vec<Notice> {
        self.word = word;
        vec![self.notice(word)]
    }
}

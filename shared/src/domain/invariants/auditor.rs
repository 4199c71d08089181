//! Reads a log once and says what is wrong with it.

use super::{
    Facts, Moment, Outside, Report, Rest, Violation,
    laws::{AT_REST, FROM_OUTSIDE, ON_EVENT},
    report::Left,
};
use crate::log::RecordedEvent;

/// Judges a log, event by event; cheap enough to run beside a model.
#[derive(Debug, Clone)]
pub struct Auditor {
    facts: Facts,
    report: Report,
}

impl Default for Auditor {
    fn default() -> Self {
        Self { facts: Facts::default(), report: Report::new() }
    }
}

impl Auditor {
    /// An auditor that knows the least that a card pays, in minor units.
    pub fn with_payable_min(payable_min_minor: i64) -> Self {
        let mut auditor = Self::default();
        auditor.facts.payable_min_minor = payable_min_minor;
        auditor
    }

    /// Takes the next event of the log.
    pub fn take(&mut self, event: &RecordedEvent) {
        self.report.events += 1;
        match &event.event {
            Ok(domain) => {
                let moment = Moment { before: &self.facts, event, domain };
                let mut wrong = Vec::new();
                for (number, judge) in ON_EVENT {
                    if let Err(detail) = judge(&moment) {
                        wrong.push((number, detail));
                    }
                }
                for (number, detail) in wrong {
                    self.find(number, event, detail);
                }
                self.facts.take(event, domain);
                if let Some(detail) = self.facts.books_are_wrong(event) {
                    self.find(15, event, detail);
                }
            }
            Err(error) => self.find(1, event, format!("the event cannot be read: {error}")),
        }
        self.facts.place(event);
        self.report.position = event.position;
    }

    fn find(&mut self, number: u8, event: &RecordedEvent, detail: String) {
        let (position, aggregate_id) = (Some(event.position), Some(event.aggregate_id));
        let detail = format!("{}: {detail}", event.event_type);
        self.report.find(number, Violation { position, aggregate_id, detail });
    }

    /// Judges what must have come to an end by now.
    pub fn judge_rest(&mut self, rest: &Rest) {
        for (number, judge) in AT_REST {
            self.find_left(number, judge(&self.facts, rest));
        }
    }

    /// Judges what others know beside what the log says.
    pub fn judge_outside(&mut self, outside: &Outside) {
        for (number, judge) in FROM_OUTSIDE {
            self.find_left(number, judge(&self.facts, outside));
        }
    }

    fn find_left(&mut self, number: u8, left: Vec<Left>) {
        for (aggregate_id, detail) in left {
            let position = aggregate_id.and_then(|id| self.facts.last_position(id));
            self.report.find(number, Violation { position, aggregate_id, detail });
        }
    }

    /// What is known so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was found.
    pub fn into_report(self) -> Report {
        self.report
    }
}

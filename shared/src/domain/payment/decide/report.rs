//! What the provider says: believed if it fits what was asked, heeded if it is news.

use chrono::{DateTime, Utc};

use super::Decision;
use crate::domain::{
    Money,
    ids::PaymentId,
    payment::{
        FailureReason, Initiated, Integrity, Operation, PaymentAuthorized, PaymentEvent, PaymentFailed,
        PaymentIntegrityViolated, PaymentProcessing, PaymentSucceeded, ProviderReport, ProviderStatus, RefundState,
        Stage,
    },
};

impl Initiated {
    pub(super) fn hear(&self, report: &ProviderReport, hold_ends: DateTime<Utc>) -> Decision {
        // Nothing is believed twice over: a person looks at the first contradiction before anything else counts.
        if self.is_on_hold() || self.is_about_an_orphan(report) || self.is_about_another(report) {
            return Ok(vec![]);
        }
        if let Some(violation) = self.contradiction(report) {
            return Ok(vec![violation.into()]);
        }
        Ok(match report.status.rank() {
            None => self.hear_exit(report),
            Some(rank) if rank <= self.rank => vec![],
            Some(_) => self.hear_progress(report, hold_ends),
        })
    }

    /// An Init whose answer was lost left a page that nobody saw; once another is open, its end says nothing about us. Of
    /// that other one we may know from its money before we know of the page.
    fn is_about_an_orphan(&self, report: &ProviderReport) -> bool {
        let Some((payment_id, init_try)) = PaymentId::parse_provider_order_ref(&report.order_ref) else { return false };
        let is_other_page = match (&self.session, &self.provider_payment_id) {
            (Some(session), _) => init_try < session.init_try,
            (None, Some(known)) => payment_id == self.terms.payment_id && *known != report.provider_payment_id,
            (None, None) => false,
        };
        let no_money = match report.status {
            ProviderStatus::Authorized
            | ProviderStatus::Confirming
            | ProviderStatus::Confirmed
            | ProviderStatus::Refunding
            | ProviderStatus::PartiallyRefunded
            | ProviderStatus::Refunded => false,
            ProviderStatus::New
            | ProviderStatus::FormShown
            | ProviderStatus::Processing
            | ProviderStatus::Cancelled
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined
            | ProviderStatus::Voided => true,
        };
        is_other_page && no_money
    }

    /// After a person looked at a contradiction, what names another payment is passed over.
    fn is_about_another(&self, report: &ProviderReport) -> bool {
        let Integrity::Resolved(_) = self.integrity else { return false };
        let named = PaymentId::parse_provider_order_ref(&report.order_ref).map(|(payment_id, _)| payment_id);
        let is_other_id = self.provider_payment_id.as_ref().is_some_and(|known| *known != report.provider_payment_id);
        named != Some(self.terms.payment_id) || is_other_id
    }

    /// What two administrators looked at is not held against the provider a second time.
    fn contradiction(&self, report: &ProviderReport) -> Option<PaymentIntegrityViolated> {
        if let Integrity::Resolved(_) = self.integrity {
            return None;
        }
        let violated = |field: &str, expected: String, actual: String| {
            Some(PaymentIntegrityViolated { field: field.to_owned(), expected, actual })
        };
        let reported = PaymentId::parse_provider_order_ref(&report.order_ref).map(|(payment_id, _)| payment_id);
        if reported != Some(self.terms.payment_id) {
            return violated("order_ref", self.terms.provider_order_ref.clone(), report.order_ref.clone());
        }
        match &self.provider_payment_id {
            Some(known) if *known != report.provider_payment_id => {
                return violated("provider_payment_id", known.clone(), report.provider_payment_id.clone());
            }
            Some(_) | None => {}
        }
        let expected = self.expected_amount(report.status)?;
        if report.amount == Some(expected) {
            return None;
        }
        violated("amount", expected.to_string(), report.amount.map_or_else(|| "none".to_owned(), |it| it.to_string()))
    }

    /// The amount that money in this status must have; the other statuses name none that matters.
    fn expected_amount(&self, status: ProviderStatus) -> Option<Money> {
        match status {
            ProviderStatus::Authorized => Some(self.terms.amount),
            ProviderStatus::Confirmed => Some(match (self.stage, self.operation) {
                (Stage::Succeeded { captured }, _) => captured,
                (_, Some(Operation::Capture { amount, .. })) => amount,
                (_, Some(Operation::Abort) | None) => self.terms.amount,
            }),
            ProviderStatus::New
            | ProviderStatus::FormShown
            | ProviderStatus::Processing
            | ProviderStatus::Confirming
            | ProviderStatus::Refunding
            | ProviderStatus::PartiallyRefunded
            | ProviderStatus::Refunded
            | ProviderStatus::Cancelled
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined
            | ProviderStatus::Voided => None,
        }
    }

    /// A side exit ends an attempt that brought no money.
    fn hear_exit(&self, report: &ProviderReport) -> Vec<PaymentEvent> {
        let Some(reason) = report.status.failure() else { return vec![] };
        let ends = match self.stage {
            // Without a page of ours this is the end of an orphaned one, unless we asked for the end.
            Stage::Initiated => self.operation == Some(Operation::Abort),
            Stage::AwaitingCustomer | Stage::Processing => true,
            // Held money is let go, and nothing else: a no that came before it is old news, unless we asked for the end.
            Stage::Authorized { .. } => {
                report.status == ProviderStatus::Voided || self.operation == Some(Operation::Abort)
            }
            Stage::Succeeded { .. } | Stage::Failed { .. } => false,
        };
        if ends { vec![failed(reason, report).into()] } else { vec![] }
    }

    fn hear_progress(&self, report: &ProviderReport, hold_ends: DateTime<Utc>) -> Vec<PaymentEvent> {
        let is_given_up = matches!(self.stage, Stage::Failed { .. })
            || self.operation == Some(Operation::Abort)
            || self.is_unwanted();
        match report.status {
            ProviderStatus::Processing if matches!(self.stage, Stage::Failed { .. }) => vec![],
            ProviderStatus::Processing => vec![processing(report).into()],
            ProviderStatus::Authorized => vec![
                PaymentAuthorized {
                    provider_payment_id: report.provider_payment_id.clone(),
                    // Equal to what was asked, unless it was looked at.
                    amount: report.amount.unwrap_or(self.terms.amount),
                    source: report.source,
                    capture_before: hold_ends,
                    late: is_given_up,
                }
                .into(),
            ],
            ProviderStatus::Confirmed => {
                let amount = report.amount.unwrap_or(self.terms.amount);
                self.money_taken(succeeded(report, amount, is_given_up))
            }
            ProviderStatus::PartiallyRefunded | ProviderStatus::Refunded => self.hear_refund(report, is_given_up),
            // On the way to something that will be told too.
            ProviderStatus::New
            | ProviderStatus::FormShown
            | ProviderStatus::Confirming
            | ProviderStatus::Refunding => {
                vec![]
            }
            ProviderStatus::Cancelled
            | ProviderStatus::Expired
            | ProviderStatus::AuthFailed
            | ProviderStatus::Declined
            | ProviderStatus::Voided => vec![],
        }
    }

    /// A report settles our refund that is in flight if it fits. With none under way, somebody else gave the money back.
    fn hear_refund(&self, report: &ProviderReport, is_given_up: bool) -> Vec<PaymentEvent> {
        let Some(captured) = self.captured() else {
            return match report.status {
                ProviderStatus::Refunded => self.money_came_and_went(succeeded(report, self.terms.amount, true)),
                // It came, and a part was given back at the bank before we heard of either; how much, its registry says.
                ProviderStatus::PartiallyRefunded => {
                    self.money_taken(succeeded(report, self.terms.amount, is_given_up))
                }
                _ => vec![],
            };
        };
        let Some(refund) = self.in_flight_refund() else { return self.hear_foreign_refund(captured, report.status) };
        let left = captured.minor() - self.refunded_minor() - refund.amount.minor();
        let fits = match report.status {
            ProviderStatus::Refunded => left == 0,
            _ => left > 0,
        };
        match refund.state {
            RefundState::Submitted { epoch } | RefundState::Unknown { epoch } if fits => {
                vec![refund.succeeded(epoch).into()]
            }
            _ => vec![],
        }
    }
}

fn processing(report: &ProviderReport) -> PaymentProcessing {
    PaymentProcessing {
        provider_payment_id: report.provider_payment_id.clone(),
        provider_status: report.provider_word.clone(),
    }
}

fn succeeded(report: &ProviderReport, amount: Money, late: bool) -> PaymentSucceeded {
    PaymentSucceeded { provider_payment_id: report.provider_payment_id.clone(), amount, source: report.source, late }
}

fn failed(reason: FailureReason, report: &ProviderReport) -> PaymentFailed {
    PaymentFailed {
        reason,
        provider_error_code: report.error_code.clone(),
        customer_retryable: report.customer_retryable,
    }
}

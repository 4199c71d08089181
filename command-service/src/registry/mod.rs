//! The bank's daily registry beside our books: what was done there without our knowing is booked, what does not fit is
//! shown to a person.

mod lines;
mod table;

use std::collections::HashSet;

use shared::{
    domain::{
        Actor, Intent, Money, PaymentId, RefundId,
        payment::{BankAct, BankActKind, Payment, PaymentCommand, RefundOutcome, RefundState},
    },
    runtime::Clock,
};
use uuid::Uuid;

pub use lines::{LINES_MAX, Line, RegistryOperation, Unreadable, parse};
pub use table::RegistryTable;

use crate::{
    cases::{CaseKind, Cases},
    command_handler::{CommandError, CommandHandler, NoAnswer, Submission},
    payment_desk::PaymentDesk,
};

/// Compares registries with our books. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    /// Payments.
    pub payments: CommandHandler<Payment>,
    /// The providers, to ask where a line surprises.
    pub desk: PaymentDesk,
    /// What was imported.
    pub table: RegistryTable,
    /// What a person has to look at.
    pub cases: Cases,
    /// The time.
    pub clock: Clock,
}

/// What became of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Lines of it.
    pub lines: usize,
    /// Lines that were booked before.
    pub known: usize,
    /// Lines that our books had already.
    pub as_expected: usize,
    /// Refunds and chargebacks that we did not know of.
    pub booked: usize,
    /// Lines that do not fit, and why.
    pub findings: Vec<Finding>,
}

/// A line that does not fit our books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub line: usize,
    /// Names it.
    pub registry_ref: String,
    /// Why it does not fit.
    pub what: String,
}

/// Why a registry was not imported, or not to its end; importing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is wrong.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The database is out of reach.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
    /// A payment cannot be read or written just now.
    #[error("a payment cannot be reached: {0}")]
    Payment(String),
}

/// What became of one line.
enum Booked {
    AsExpected,
    News(&'static str),
    Finding(String),
}

impl Registry {
    /// Imports a registry; `source_id` names the import.
    pub async fn import(&self, text: &[u8], source_id: Uuid) -> Result<Imported, ImportError> {
        let lines = parse(text)?;
        let open: HashSet<String> = self.table.put(&lines, self.clock.now()).await?.into_iter().collect();
        let mut imported = Imported { lines: lines.len(), known: lines.len() - open.len(), ..Imported::default() };
        for line in lines.iter().filter(|line| open.contains(&line.registry_ref)) {
            match self.book(line, source_id).await? {
                Booked::AsExpected => {
                    self.table.booked(&line.registry_ref, "AS_EXPECTED").await?;
                    imported.as_expected += 1;
                }
                Booked::News(as_what) => {
                    self.table.booked(&line.registry_ref, as_what).await?;
                    imported.booked += 1;
                }
                Booked::Finding(what) => {
                    self.cases
                        .open(line.payment_id, CaseKind::BooksDiffer, &format!("{}: {what}", line.registry_ref))
                        .await;
                    let registry_ref = line.registry_ref.clone();
                    imported.findings.push(Finding { line: line.number, registry_ref, what });
                }
            }
        }
        Ok(imported)
    }

    async fn book(&self, line: &Line, source_id: Uuid) -> Result<Booked, ImportError> {
        let Some((payment, flow)) = self.load(line.payment_id).await? else {
            return Ok(Booked::Finding("there is no such payment".to_owned()));
        };
        match line.operation {
            RegistryOperation::Payment => self.expect_taken(line, payment, (flow, source_id)).await,
            RegistryOperation::Chargeback => {
                let act = BankAct { amount: line.amount, registry_ref: line.registry_ref.clone() };
                self.tell(line, PaymentCommand::RecordChargeback(act), (flow, source_id), "CHARGEBACK").await
            }
            RegistryOperation::Refund => self.given_back(line, &payment, (flow, source_id)).await,
        }
    }

    /// Money that the bank took must be in our books; if it is not, the bank is asked once more.
    async fn expect_taken(&self, line: &Line, payment: Payment, names: (Uuid, Uuid)) -> Result<Booked, ImportError> {
        if payment.captured() == Some(line.amount) {
            return Ok(Booked::AsExpected);
        }
        if let Ok(Some(news)) = self.desk.ask(&payment, names.1).await {
            self.tell(line, news, names, "PAYMENT").await?;
        }
        let now = self.load(line.payment_id).await?.and_then(|(payment, _)| payment.captured());
        Ok(match now {
            Some(amount) if amount == line.amount => Booked::News("PAYMENT"),
            Some(amount) => Booked::Finding(format!("the bank took {}, our books say {amount}", line.amount)),
            None => Booked::Finding("the bank took money that our books lack".to_owned()),
        })
    }

    /// Either we asked for it, and now know for sure that it was done; or somebody gave it back at the bank.
    async fn given_back(&self, line: &Line, payment: &Payment, names: (Uuid, Uuid)) -> Result<Booked, ImportError> {
        let ours = line.external_request_id.as_deref().and_then(refund_of);
        if let Some((refund_id, epoch)) = ours
            && let Some(refund) = payment.refunds().iter().find(|refund| refund.refund_id == refund_id)
        {
            if refund.state.is_over() {
                return Ok(Booked::AsExpected);
            }
            return self.settle(line, refund_id, epoch, names).await;
        }
        let said = self.table.given_back_minor(line.payment_id).await?;
        if said - in_our_books(payment) < line.amount.minor() {
            return Ok(Booked::AsExpected);
        }
        let in_doubt = payment.in_flight_refund().filter(|refund| refund.amount == line.amount);
        if let Some((refund_id, epoch)) = in_doubt.and_then(|refund| match refund.state {
            RefundState::Submitted { epoch } | RefundState::Unknown { epoch } => Some((refund.refund_id, epoch)),
            RefundState::Requested | RefundState::Succeeded | RefundState::BackAlready | RefundState::Failed { .. } => {
                None
            }
        }) {
            return self.settle(line, refund_id, epoch, names).await;
        }
        let act = BankAct { amount: line.amount, registry_ref: line.registry_ref.clone() };
        self.tell(line, PaymentCommand::RecordExternalRefund(act), names, "EXTERNAL_REFUND").await
    }

    async fn settle(
        &self,
        line: &Line,
        refund_id: RefundId,
        epoch: u32,
        names: (Uuid, Uuid),
    ) -> Result<Booked, ImportError> {
        let command = PaymentCommand::RecordRefundResult { refund_id, epoch, outcome: RefundOutcome::Succeeded };
        let booked = self.tell(line, command, names, "OUR_REFUND").await?;
        if let Booked::News(_) = booked {
            self.cases.clear_up(line.payment_id, CaseKind::RefundAmbiguous).await;
            self.cases.clear_up(line.payment_id, CaseKind::NeverEnded).await;
        }
        Ok(booked)
    }

    async fn load(&self, payment_id: PaymentId) -> Result<Option<(Payment, Uuid)>, ImportError> {
        let loaded = self.payments.load(payment_id.0).await;
        let loaded = loaded.map_err(|error| ImportError::Payment(error.to_string()))?;
        Ok(loaded.map(|loaded| (loaded.aggregate.clone(), loaded.correlation_id)))
    }

    async fn tell(
        &self,
        line: &Line,
        command: PaymentCommand,
        (correlation_id, source_id): (Uuid, Uuid),
        as_what: &'static str,
    ) -> Result<Booked, ImportError> {
        let command_id = Uuid::new_v5(&source_id, line.registry_ref.as_bytes());
        let submission = Submission {
            aggregate_id: line.payment_id.0,
            is_new: false,
            command_id,
            fingerprint: None,
            expected_version: None,
            correlation_id,
            causation_id: command_id,
            request_id: None,
            traceparent: None,
            intent: Intent { actor: Actor::system("registry"), now: self.clock.now(), command },
        };
        match self.payments.execute(submission, &NoAnswer).await {
            Ok(_) => Ok(Booked::News(as_what)),
            Err(CommandError::Refused(error)) => Ok(Booked::Finding(error.to_string())),
            Err(error) => Err(ImportError::Payment(error.to_string())),
        }
    }
}

/// What of a payment went back by our books, whoever asked for it.
fn in_our_books(payment: &Payment) -> i64 {
    let ours = payment.refunds().iter().filter(|refund| refund.state == RefundState::Succeeded);
    let theirs = payment.bank_acts().iter().filter(|act| act.kind == BankActKind::Refund);
    ours.map(|refund| refund.amount).chain(theirs.map(|act| act.amount)).map(Money::minor).sum()
}

/// The refund that we asked for under this name.
fn refund_of(external_request_id: &str) -> Option<(RefundId, u32)> {
    let (refund_id, epoch) = external_request_id.rsplit_once('-')?;
    Some((RefundId(Uuid::try_parse(refund_id).ok()?), epoch.parse().ok()?))
}

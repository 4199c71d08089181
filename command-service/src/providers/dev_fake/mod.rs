//! DEV_FAKE: an imitation bank for development and tests, with books of its own, that does on request what banks do
//! on bad days.
//!
//! The scenario is chosen by `fake_scenario` in the metadata of Init, or else by the last two digits of the amount:
//!
//! | Amount | Name | What happens |
//! |---|---|---|
//! | .00 | `success` | `complete` takes the money: CONFIRMED, or AUTHORIZED where it is only held |
//! | .01 | `declined` | `complete` ⇒ REJECTED, code 1005 |
//! | .02 | `insufficient_funds` | `complete` ⇒ REJECTED, code 1051 |
//! | .03 | `three_ds` | the first `complete` ⇒ 3DS_CHECKING, the second takes the money |
//! | .04 | `init_timeout` | the first Init: no answer, nothing made |
//! | .05 | `init_response_lost` | the first Init: page made, no answer |
//! | .06 | `early_webhook` | the customer pays, and the webhook comes, before Init is answered |
//! | .07 | `repeated_webhook` | every notification three times |
//! | .08 | `reordered_webhooks` | `complete` tells CONFIRMED, then AUTHORIZED |
//! | .09 | `refund_fails_once` | the first refund: refused for an hour, code 3029 |
//! | .10 | `refund_response_lost` | the first refund: done, no answer |
//! | .11 | `amount_mismatch` | `complete` takes one rouble less than asked (more, if there is not one to spare) |
//! | .12 | `never_finishes` | `complete` ⇒ FORM_SHOWED for ever; the page dies at its time |
//! | .13 | `late_success` | `complete` takes the money even after the page died or was withdrawn |
//! | .14 | `server_errors` | five Inits: no answer, nothing made; the sixth works |
//! | .15 | `bad_signature` | the first `complete`: a forged notification and no money; the second takes it |
//! | .16 | `cabinet_refund` | a clerk gives the money back as soon as we have seen CONFIRMED by GetState |
//!
//! "No answer" comes at once, so nobody waits for it. Other digits mean `success`. Pages die by themselves at
//! `expires_at`, without a notification. Ids and pages derive from our reference, so the same Init twice is one page.
//! While the customer is in 3-D Secure a page cannot be withdrawn.
//!
//! The books outlive the process: they are written to `dev_fake_payments` before anything is answered. Memory holds
//! the newest 100 000 payments; with the table behind it the oldest are looked up again, without it the oldest that are
//! over are forgotten. A notification that the process's death swallowed does not come again: ask.

mod account;
mod books;
mod control;
mod customer;
mod notifications;
mod provider;
mod scenario;
mod table;
mod teller;

use shared::{
    domain::{Currency, money::MINOR_MAX},
    runtime::Clock,
};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;

use self::{books::Books, notifications::Messenger, table::Table};
use super::{Capabilities, RefundNames};

pub use control::{BankBalance, ControlError};
pub use notifications::{Delivery, DevFakeNotification};
pub use scenario::{SCENARIO_KEY, Scenario};
pub use table::BooksWriter;

use notifications::Notice;

/// How the imitation bank is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevFakeOptions {
    /// Whether this is production: there is no imitation bank there.
    pub production: bool,
    /// Where its pages are; the payment's id is added.
    pub pages_url: String,
    /// Payments in memory.
    pub accounts_max: usize,
    /// Whether a refund repeated under one name is recognised. Some routes of real banks do not.
    pub idempotent_refund: bool,
}

impl DevFakeOptions {
    /// The bank of development.
    pub fn new(production: bool, pages_url: impl Into<String>) -> Self {
        Self { production, pages_url: pages_url.into(), accounts_max: 100_000, idempotent_refund: true }
    }
}

/// There is no imitation bank in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("DEV_FAKE moves no money and is refused in production; choose another payment provider")]
pub struct RefusedInProduction;

/// The imitation bank. It is a [`super::PaymentProvider`]; its inherent functions are its customers and clerks.
pub struct DevFake {
    books: Books,
    clock: Clock,
    messenger: Messenger,
    capabilities: Capabilities,
    pages_url: String,
}

/// Changes that may wait to be written; more wait before they are made.
const WRITES_MAX: usize = 4_096;

impl DevFake {
    /// A bank that forgets everything with the process: for tests.
    pub fn in_memory(
        options: DevFakeOptions,
        clock: Clock,
        notifications: mpsc::Sender<DevFakeNotification>,
    ) -> Result<Self, RefusedInProduction> {
        Self::build(options, clock, notifications, None)
    }

    /// A bank whose books are in `dev_fake_payments`, over connections of its own, and the writer to run beside it.
    pub fn with_books(
        options: DevFakeOptions,
        clock: Clock,
        notifications: mpsc::Sender<DevFakeNotification>,
        database: PgConnectOptions,
    ) -> Result<(Self, BooksWriter), RefusedInProduction> {
        let table = Table::new(database);
        let (writer, writes) = mpsc::channel(WRITES_MAX);
        let bank = Self::build(options, clock, notifications, Some((table.clone(), writer)))?;
        Ok((bank, BooksWriter::new(table, writes)))
    }

    /// Payments in memory.
    pub fn payments_in_memory(&self) -> usize {
        self.books.accounts_in_memory()
    }

    fn build(
        options: DevFakeOptions,
        clock: Clock,
        notifications: mpsc::Sender<DevFakeNotification>,
        durable: Option<(Table, mpsc::Sender<table::Write>)>,
    ) -> Result<Self, RefusedInProduction> {
        if options.production {
            return Err(RefusedInProduction);
        }
        let capabilities = Capabilities {
            void: true,
            partial_refund: true,
            idempotent_refund: if options.idempotent_refund { RefundNames::Recognised } else { RefundNames::Ignored },
            two_stage: true,
            currencies: vec![Currency::RUB, Currency::USD, Currency::EUR, Currency::JPY, Currency::KWD],
            amount_min_minor: 1,
            amount_max_minor: MINOR_MAX,
        };
        Ok(Self {
            books: Books::new(options.accounts_max, clock.clone(), durable),
            clock,
            messenger: Messenger::new(notifications),
            capabilities,
            pages_url: options.pages_url,
        })
    }
}

#[cfg(test)]
mod tests;

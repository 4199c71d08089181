//! A bank for development and tests. It speaks T-Bank's API v2 over HTTP with a Token implementation of its own, keeps
//! its own books, sends notifications, shows a page to pay on, and misbehaves on request: by rules for single calls, by
//! the last two digits of an amount, or at random. Nothing of the production code depends on it, and it depends on
//! nothing of theirs: what it imitates is the other side of the wire.
//!
//! | Kopecks | What happens |
//! |---|---|
//! | .01 .02 | paying is declined: REJECTED, codes 1005 and 1051 |
//! | .03 | the first `pay` ⇒ 3DS_CHECKING, the second takes the money |
//! | .04 .05 | the first Init: no answer; nothing made, or made |
//! | .06 | the customer pays and the notification is delivered before Init is answered |
//! | .07 .08 | notifications three times; CONFIRMED, then AUTHORIZED |
//! | .09 .10 | the first refund: refused with 3029; done without an answer |
//! | .11 | one rouble less is taken than was asked |
//! | .12 .13 | the page is looked at for ever; paying works after the page died |
//! | .14 | five Inits end in HTTP 500 |
//! | .15 | the first `pay`: a forged notification and no money |
//! | .16 | a clerk gives the money back once we have seen CONFIRMED |

mod acts;
mod books;
mod calls;
mod chaos;
mod control;
mod faults;
mod notify;
mod page;
mod registry;
mod server;
mod shelf;
mod token;

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use acts::Refused;
pub use books::{Act, Payment, Source};
pub use chaos::Chaos;
pub use faults::{Fault, FaultRule, Operation};
pub use notify::Telling;
pub use token::token_of;

use books::Books;
use shelf::{OpenBooks, Shelf};

/// What time the bank thinks it is.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How the bank is set up.
#[derive(Clone)]
pub struct BankOptions {
    /// The one terminal that it serves.
    pub terminal_key: String,
    /// The terminal's password.
    pub password: String,
    /// The port on this machine; 0 takes a free one.
    pub port: u16,
    /// The time that pages die by.
    pub now: Now,
    /// Whether kopecks choose what goes wrong.
    pub kopecks_choose: bool,
    /// Where the books are kept, so that the next bank there goes on with them; in memory only if left out.
    pub folder: Option<PathBuf>,
}

impl Default for BankOptions {
    fn default() -> Self {
        Self {
            terminal_key: "FakeTerminalDEMO".to_owned(),
            password: "fake-bank-password".to_owned(),
            port: 0,
            now: Arc::new(Utc::now),
            kopecks_choose: true,
            folder: None,
        }
    }
}

/// A running bank. Clones are the same bank; it closes with [`FakeBank::stop`] or with the runtime.
#[derive(Clone)]
pub struct FakeBank {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    options: BankOptions,
    password: Mutex<String>,
    url: String,
    books: Mutex<Books>,
    shelf: Option<Mutex<Shelf>>,
    held_back: Mutex<Vec<notify::Letter>>,
    faults: Mutex<faults::Faults>,
    chaos: Mutex<Option<chaos::Dice>>,
    late_by: Mutex<TimeDelta>,
    http: reqwest::Client,
    closing: CancellationToken,
}

impl FakeBank {
    /// Opens the bank.
    pub async fn start(options: BankOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let (shelf, books) = match options.folder.as_deref().map(Shelf::open).transpose()? {
            Some((shelf, books)) => (Some(Mutex::new(shelf)), books),
            None => (None, Books::default()),
        };
        let http = reqwest::Client::builder().no_proxy().timeout(notify::PATIENCE).build().map_err(io::Error::other)?;
        let inner = Arc::new(Inner {
            password: Mutex::new(options.password.clone()),
            options,
            url,
            books: Mutex::new(books),
            shelf,
            held_back: Mutex::default(),
            faults: Mutex::default(),
            chaos: Mutex::default(),
            late_by: Mutex::new(TimeDelta::zero()),
            http,
            closing: CancellationToken::new(),
        });
        let bank = Self { inner };
        tokio::spawn(server::run(bank.clone(), listener));
        Ok(bank)
    }

    /// Where its pages and its control are.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Where its calls are.
    pub fn api_url(&self) -> String {
        format!("{}/v2", self.inner.url)
    }

    /// The terminal's key.
    pub fn terminal_key(&self) -> &str {
        &self.inner.options.terminal_key
    }

    /// The password in force.
    pub fn password(&self) -> String {
        self.inner.password.lock().clone()
    }

    /// Changes the password.
    pub fn set_password(&self, password: &str) {
        password.clone_into(&mut self.inner.password.lock());
    }

    /// Has the next calls that fit go wrong.
    pub fn misbehave(&self, rule: FaultRule) {
        self.inner.faults.lock().add(rule);
    }

    /// Has everything go wrong at random, or nothing any more.
    pub fn set_chaos(&self, chaos: Option<Chaos>) {
        *self.inner.chaos.lock() = chaos.map(chaos::Dice::new);
    }

    /// Everything in the books, the oldest first.
    pub fn payments(&self) -> Vec<Payment> {
        self.books().all()
    }

    /// The payments under one reference's beginning, the oldest first.
    pub fn payments_of(&self, order_ref: &str) -> Vec<Payment> {
        self.books().of(order_ref)
    }

    /// How often a call was made, whatever became of it.
    pub fn calls(&self, operation: Operation) -> u32 {
        self.inner.faults.lock().calls(operation)
    }

    /// What went wrong so far and how often, by the names of the faults and of the odd tellings.
    pub fn mischief(&self) -> BTreeMap<&'static str, u32> {
        self.inner.faults.lock().done().clone()
    }

    /// Closes the bank.
    pub fn stop(&self) {
        self.inner.closing.cancel();
    }

    /// Sets the bank's clock back by so much.
    pub fn run_late(&self, by: TimeDelta) {
        *self.inner.late_by.lock() = by;
    }

    /// The books, to read and to change.
    pub(crate) fn books(&self) -> OpenBooks<'_> {
        OpenBooks { books: self.inner.books.lock(), shelf: self.inner.shelf.as_ref().map(Mutex::lock) }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.inner.options.now)() - *self.inner.late_by.lock()
    }
}

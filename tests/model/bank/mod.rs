//! A bank in memory with books of its own and bad days: answers get lost, calls never leave, notifications are told twice,
//! late, in any order or not at all.

mod teller;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use chrono::{DateTime, Utc};
use command_service::providers::{Capabilities, PaymentState, RefundNames, Route};
use parking_lot::Mutex;
use shared::{
    domain::{
        Currency, Money, PaymentId,
        invariants::BankBooks,
        payment::{CaptureMode, ProviderStatus},
    },
    runtime::Clock,
};

use crate::{mutants::Mutant, rng::Rng};

/// What the bank tells without being asked.
#[derive(Debug, Clone)]
pub struct Notification {
    pub payment_id: PaymentId,
    pub provider_payment_id: String,
    pub order_ref: String,
    pub status: ProviderStatus,
    pub amount: Money,
    /// Whether it is told until somebody listens: the only word of money on a page that nobody was shown.
    pub is_certain: bool,
}

#[derive(Debug, Clone)]
struct Page {
    order_ref: String,
    payment_id: PaymentId,
    amount: Money,
    mode: CaptureMode,
    status: ProviderStatus,
    expires_at: DateTime<Utc>,
    captured: i64,
    refunded: i64,
    charged_back: i64,
    /// Refunds by the name they were asked for under.
    acts: HashMap<String, i64>,
}

#[derive(Debug)]
struct Books {
    pages: BTreeMap<String, Page>,
    news: Vec<Notification>,
    rng: Rng,
    /// A calm bank answers every call.
    is_calm: bool,
    /// The pages that customers were shown: nobody pays on another.
    shown: Vec<String>,
    tries: u64,
}

pub struct Bank {
    books: Mutex<Books>,
    clock: Clock,
    mutant: Option<Mutant>,
    capabilities: Capabilities,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    NotSent,
    /// Nothing was done, and nobody knows.
    LostOnTheWay,
    /// It was done, and nobody knows.
    AnswerLost,
}

impl Books {
    fn luck(&mut self) -> Luck {
        if self.is_calm {
            return Luck::Good;
        }
        match self.rng.below(100) {
            0..6 => Luck::NotSent,
            6..12 => Luck::LostOnTheWay,
            12..22 => Luck::AnswerLost,
            _ => Luck::Good,
        }
    }

    fn tell(&mut self, id: &str, status: ProviderStatus, is_certain: bool) {
        let page = &self.pages[id];
        self.news.push(Notification {
            payment_id: page.payment_id,
            provider_payment_id: id.to_owned(),
            order_ref: page.order_ref.clone(),
            status,
            amount: page.amount,
            is_certain,
        });
    }

    /// Takes or holds the money.
    fn pay(&mut self, id: &str, is_certain: bool) {
        let Some(page) = self.pages.get_mut(id) else { return };
        match page.mode {
            CaptureMode::OnPayment => {
                (page.status, page.captured) = (ProviderStatus::Confirmed, page.amount.minor());
            }
            CaptureMode::OnAccept => page.status = ProviderStatus::Authorized,
        }
        let status = page.status;
        self.tell(id, status, is_certain);
    }
}

impl Bank {
    pub fn new(clock: Clock, seed: u64, mutant: Option<Mutant>) -> Self {
        let books = Books {
            pages: BTreeMap::new(),
            news: Vec::new(),
            rng: Rng::new(seed),
            is_calm: false,
            shown: Vec::new(),
            tries: 0,
        };
        let capabilities = Capabilities {
            void: true,
            partial_refund: true,
            // Whoever recognises names on cards only is told of nothing that was not announced in the log.
            idempotent_refund: if seed.is_multiple_of(2) { RefundNames::Recognised } else { RefundNames::OnCards },
            two_stage: true,
            currencies: vec![Currency::RUB],
            amount_min_minor: 100,
            amount_max_minor: 9_999_999_999,
        };
        Self { books: Mutex::new(books), clock, mutant, capabilities }
    }

    /// What happens in this step of the sequence is decided by its seed; these are the pages that people look at.
    pub fn reseed(&self, seed: u64, shown: Vec<String>) {
        let mut books = self.books.lock();
        (books.rng, books.shown) = (Rng::new(seed), shown);
    }

    /// From now on every call is answered.
    pub fn calm_down(&self) {
        self.books.lock().is_calm = true;
    }

    /// Money that was taken before the sequence begins: for a gift.
    pub fn seed_taken(&self, payment_id: PaymentId, amount: Money) -> String {
        let id = format!("bank-{}", payment_id.provider_order_ref(1));
        let page = Page {
            order_ref: payment_id.provider_order_ref(1),
            payment_id,
            amount,
            mode: CaptureMode::OnPayment,
            status: ProviderStatus::Confirmed,
            expires_at: self.clock.now(),
            captured: amount.minor(),
            refunded: 0,
            charged_back: 0,
            acts: HashMap::new(),
        };
        self.books.lock().pages.insert(id.clone(), page);
        id
    }

    /// The customer does something on one of the pages that were shown, or time does.
    pub fn happen(&self, rng: &mut Rng) {
        let mut books = self.books.lock();
        let ids: Vec<String> = books.pages.keys().filter(|id| books.shown.contains(id)).cloned().collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[rng.below(ids.len())].clone();
        let is_dead = books.pages[&id].expires_at <= self.clock.now();
        let (status, is_open) = match books.pages[&id].status {
            status @ (ProviderStatus::New | ProviderStatus::FormShown | ProviderStatus::AuthFailed) => {
                (status, !is_dead)
            }
            status @ ProviderStatus::Processing => (status, true),
            // The bank closes its checks long after our page is dead, and after it said no.
            status @ (ProviderStatus::Expired | ProviderStatus::Declined) => (status, rng.percent(10)),
            status => (status, false),
        };
        if !is_open {
            if is_dead && status == ProviderStatus::New {
                set(&mut books, &id, ProviderStatus::Expired);
            }
            return;
        }
        match rng.below(10) {
            0..6 => books.pay(&id, false),
            6 => set(&mut books, &id, ProviderStatus::Processing),
            7 => set(&mut books, &id, ProviderStatus::Declined),
            8 => set(&mut books, &id, ProviderStatus::AuthFailed),
            _ => set(&mut books, &id, ProviderStatus::FormShown),
        }
    }

    /// The customer's own bank takes money back; tells how much of which payment, and its name in the registry.
    pub fn charge_back(&self, rng: &mut Rng) -> Option<(PaymentId, Money, String)> {
        let mut books = self.books.lock();
        let of_orders: Vec<String> = books
            .pages
            .iter()
            .filter(|(_, page)| page.captured > page.charged_back)
            .map(|(id, _)| id.clone())
            .collect();
        if of_orders.is_empty() {
            return None;
        }
        let id = of_orders[rng.below(of_orders.len())].clone();
        let page = books.pages.get_mut(&id)?;
        let minor = page.captured - page.charged_back;
        page.charged_back += minor;
        Some((page.payment_id, Money::rub(minor), format!("chargeback-{id}")))
    }

    /// Takes one of the untold news; most are told once, some again, some never.
    pub fn take_news(&self, rng: &mut Rng) -> Option<Notification> {
        let mut books = self.books.lock();
        if books.news.is_empty() {
            return None;
        }
        let at = rng.below(books.news.len());
        let news = books.news[at].clone();
        match rng.below(10) {
            0 if !news.is_certain => {
                books.news.remove(at);
                None
            }
            1..4 => Some(news),
            _ => {
                books.news.remove(at);
                Some(news)
            }
        }
    }

    /// The news that have to come through in the end.
    pub fn take_certain(&self) -> Option<Notification> {
        let mut books = self.books.lock();
        let at = books.news.iter().position(|news| news.is_certain)?;
        Some(books.news.remove(at))
    }

    /// What the bank has in its own books.
    pub fn books(&self) -> HashMap<PaymentId, BankBooks> {
        let mut books = HashMap::<PaymentId, BankBooks>::new();
        for page in self.books.lock().pages.values() {
            let of = books.entry(page.payment_id).or_default();
            of.captured_minor += page.captured;
            of.refunded_minor += page.refunded + page.charged_back;
        }
        books
    }

    fn state(&self, id: &str, page: &Page) -> PaymentState {
        PaymentState {
            provider_payment_id: id.to_owned(),
            order_ref: page.order_ref.clone(),
            status: Some(page.status),
            word: Cow::Borrowed("WORD"),
            amount: Some(page.amount),
            error_code: None,
            customer_retryable: true,
            route: Route::Card,
        }
    }
}

fn set(books: &mut Books, id: &str, status: ProviderStatus) {
    if let Some(page) = books.pages.get_mut(id) {
        page.status = status;
        books.tell(id, status, false);
    }
}

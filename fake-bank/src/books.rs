//! The bank's books: what was asked, what was taken, what went back, and by whose wish.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The way a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// By card.
    #[default]
    Card,
    /// By faster payments, whose refunds have no names.
    Sbp,
}

/// Money that moved away again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The shop's name for it; none if a clerk did it.
    pub name: Option<String>,
    /// How much, in kopecks.
    pub amount: i64,
}

/// One page to pay on and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// The bank's id.
    pub id: u64,
    /// The shop's reference.
    pub order_id: String,
    /// What was asked for, in kopecks.
    pub amount: i64,
    /// Whether the money is only held at first.
    pub two_stage: bool,
    /// The bank's word.
    pub status: String,
    /// The code of a refusal.
    pub error_code: String,
    /// What is held, in kopecks.
    pub held: i64,
    /// What was taken, in kopecks.
    pub captured: i64,
    /// What went back, in kopecks.
    pub refunded: i64,
    /// Every act of giving back.
    pub acts: Vec<Act>,
    /// What the customer's bank took back, in kopecks.
    pub chargebacks: Vec<i64>,
    /// How the customer paid.
    pub source: Source,
    /// When the page dies.
    pub due: DateTime<Utc>,
    /// Where notifications go.
    pub notification_url: String,
    /// Where the browser goes after a success.
    pub success_url: String,
    /// Where it goes after a failure.
    pub fail_url: String,
    /// How often the customer tried.
    pub visits: u32,
    /// How often the shop asked for money back.
    pub cancels: u32,
    /// Whether a clerk has acted already.
    pub clerk_was_here: bool,
    /// Every notification that was made, in order.
    #[serde(skip)]
    pub(crate) told: Vec<String>,
    /// Those that nobody answered with OK.
    #[serde(skip)]
    pub(crate) unheard: Vec<String>,
}

impl Payment {
    /// The last two digits of the amount.
    pub fn kopecks(&self) -> i64 {
        self.amount % 100
    }

    /// What is left of the money.
    pub fn left(&self) -> i64 {
        self.captured - self.refunded
    }

    /// The word at that time: a page dies by itself.
    pub fn word(&self, now: DateTime<Utc>) -> &str {
        let is_open = matches!(self.status.as_str(), "NEW" | "FORM_SHOWED");
        if is_open && now > self.due { "DEADLINE_EXPIRED" } else { &self.status }
    }

    /// Notifications that nobody answered with OK.
    pub fn unheard_count(&self) -> usize {
        self.unheard.len()
    }

    /// The amount that the bank names.
    pub fn named_amount(&self) -> i64 {
        match (self.captured, self.held) {
            (0, 0) => self.amount,
            (0, held) => held,
            (captured, _) => captured,
        }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Books {
    payments: Vec<Payment>,
    by_id: HashMap<u64, usize>,
    by_order: HashMap<String, Vec<usize>>,
    /// Those that somebody may be changing, as they were before.
    handed_out: BTreeMap<usize, Option<Payment>>,
}

/// The bank's first id; its parity says how the bank writes its answers.
const FIRST_ID: u64 = 8_000_000_001;
/// Characters of the part of a reference that all tries of one payment share.
const SHARED_CHARS: usize = 32;

impl Books {
    pub fn open(&mut self, payment: Payment) -> u64 {
        let id = FIRST_ID + self.payments.len() as u64;
        self.handed_out.entry(self.payments.len()).or_insert(None);
        self.add(Payment { id, ..payment });
        id
    }

    /// Takes in a payment as it was written down; one that is known already is replaced.
    pub fn restore(&mut self, payment: Payment) {
        match self.by_id.get(&payment.id).and_then(|index| self.payments.get_mut(*index)) {
            Some(known) => *known = payment,
            None => self.add(payment),
        }
    }

    fn add(&mut self, payment: Payment) {
        let index = self.payments.len();
        self.by_id.insert(payment.id, index);
        self.by_order.entry(key(&payment.order_id)).or_default().push(index);
        self.payments.push(payment);
    }

    pub fn by_id(&mut self, id: u64) -> Option<&mut Payment> {
        self.hand_out(*self.by_id.get(&id)?)
    }

    /// The newest page under a reference that begins so; hyphens of an id do not matter.
    pub fn newest(&mut self, order_ref: &str) -> Option<&mut Payment> {
        self.hand_out(*self.by_order.get(&key(order_ref))?.last()?)
    }

    fn hand_out(&mut self, index: usize) -> Option<&mut Payment> {
        let payment = self.payments.get_mut(index)?;
        self.handed_out.entry(index).or_insert_with(|| Some(payment.clone()));
        Some(payment)
    }

    pub fn of(&self, order_ref: &str) -> Vec<Payment> {
        let found = self.by_order.get(&key(order_ref)).into_iter().flatten();
        found.filter_map(|index| self.payments.get(*index)).cloned().collect()
    }

    pub fn all(&self) -> Vec<Payment> {
        self.payments.clone()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Payment> {
        self.payments.iter()
    }

    /// What is another since this was asked last.
    pub fn changed(&mut self) -> Vec<&Payment> {
        let handed_out = std::mem::take(&mut self.handed_out).into_iter();
        let now = handed_out.filter_map(|(index, before)| Some((self.payments.get(index)?, before)));
        now.filter(|(now, before)| before.as_ref() != Some(now)).map(|(now, _)| now).collect()
    }
}

fn key(order_ref: &str) -> String {
    order_ref.chars().filter(char::is_ascii_alphanumeric).take(SHARED_CHARS).collect()
}

//! 27, 29 to 32: what others know, beside what the log says.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::{Facts, Moment, Verdict, hold, report::Left};
use crate::domain::{
    DomainEvent, Money,
    ids::{DishId, PaymentId, UserId},
    payment::PaymentEvent,
};

/// What is known from outside the log. Whatever is left empty is not judged.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// News of providers, as they were taken in.
    pub inbox: Vec<InboxRow>,
    /// Answers that were given to commands.
    pub receipts: Vec<Receipt>,
    /// The providers' own books; `None` if they cannot be asked.
    pub bank: Option<HashMap<PaymentId, BankBooks>>,
    /// Rows of read models beside what a fold of the log gives.
    pub rows: Vec<RowCheck>,
    /// The feeds of users.
    pub feeds: Vec<FeedBounds>,
    /// What the kitchens' pots hold; `None` if they cannot be looked at as they were at the end of the log.
    pub pots: Option<BTreeMap<DishId, Pot>>,
}

/// The portions of one dish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pot {
    /// What can still be sold; none means as many as you like.
    pub left: Option<i64>,
    /// What was sold and not given back.
    pub taken: i64,
    /// The same, added up order by order.
    pub claimed: i64,
}

/// News of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// The hash of what was told.
    pub fingerprint: String,
    /// How often it was acted upon.
    pub processed: u32,
}

/// An answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The command; under an idempotency key it is derived from principal, route and key.
    pub command_id: Uuid,
    /// The hash of what was asked.
    pub fingerprint: Vec<u8>,
}

/// What a provider has in its own books of one payment, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BankBooks {
    /// What it took from the customer.
    pub captured_minor: i64,
    /// What it gave back.
    pub refunded_minor: i64,
}

/// One row of a read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCheck {
    /// The read model.
    pub projection: String,
    /// The row.
    pub key: String,
    /// What the log gives; none if there should be no row.
    pub folded: Option<String>,
    /// What is stored; none if there is no row.
    pub stored: Option<String>,
}

/// The feed of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedBounds {
    /// Whose.
    pub user_id: UserId,
    /// How many entries it has.
    pub entries: u64,
    /// The lowest id that is kept.
    pub first_id: u64,
    /// The highest id.
    pub last_id: u64,
}

/// 29, as far as the log goes: what was taken is what was asked for, or two people agreed to something else.
pub(super) fn evidence_fits(now: &Moment<'_>) -> Verdict {
    let DomainEvent::Payment(PaymentEvent::PaymentSucceeded(succeeded)) = now.domain else { return Ok(()) };
    let Some(payment) = now.before.payments.get(&PaymentId(now.event.aggregate_id)) else { return Ok(()) };
    let asked = payment.capture_asked.unwrap_or(payment.amount);
    let fits = succeeded.amount == asked || payment.is_resolved;
    hold(fits && !succeeded.provider_payment_id.is_empty(), || format!("{} was taken, {asked} asked", succeeded.amount))
}

/// 29: nothing that was told is acted upon twice.
pub(super) fn inbox_is_processed_once(_: &Facts, outside: &Outside) -> Vec<Left> {
    let mut seen = HashSet::new();
    let wrong = outside.inbox.iter().filter(|row| row.processed > 1 || !seen.insert(&row.fingerprint));
    wrong.map(|row| (None, format!("the news {} were acted upon again", row.fingerprint))).collect()
}

/// 30: one key stands for one request.
pub(super) fn receipts_are_unique(_: &Facts, outside: &Outside) -> Vec<Left> {
    let mut seen = HashMap::new();
    let again =
        outside.receipts.iter().filter(|receipt| seen.insert(receipt.command_id, &receipt.fingerprint).is_some());
    again.map(|receipt| (Some(receipt.command_id), "the command has two receipts".to_owned())).collect()
}

/// 31: the bank took and gave back what we booked.
pub(super) fn bank_agrees(facts: &Facts, outside: &Outside) -> Vec<Left> {
    let Some(bank) = &outside.bank else { return Vec::new() };
    let mut left = Vec::new();
    for (id, payment) in &facts.payments {
        let ours = BankBooks {
            captured_minor: payment.captured.map_or(0, Money::minor),
            refunded_minor: payment.returned_minor() + payment.bank_minor,
        };
        let theirs = bank.get(id).copied().unwrap_or_default();
        if ours != theirs {
            left.push((Some(id.0), format!("we have {ours:?}, the bank {theirs:?}")));
        }
    }
    let unknown = bank.iter().filter(|(id, books)| **books != BankBooks::default() && !facts.payments.contains_key(id));
    left.extend(unknown.map(|(id, books)| (Some(id.0), format!("the bank has {books:?}, we know nothing of it"))));
    left.sort();
    left
}

/// 32: rows are what the log gives, and a feed has no hole.
pub(super) fn rows_are_folds(_: &Facts, outside: &Outside) -> Vec<Left> {
    let rows = outside.rows.iter().filter(|row| row.folded != row.stored);
    let rows = rows.map(|row| (None, format!("row {} of {} is not what the log gives", row.key, row.projection)));
    let feeds = outside.feeds.iter().filter(|feed| feed.entries + feed.first_id != feed.last_id + 1);
    let feeds = feeds.map(|feed| {
        (Some(feed.user_id.0), format!("the feed has {} entries and ends with {}", feed.entries, feed.last_id))
    });
    rows.chain(feeds).collect()
}

/// 27: no more portions are eaten up than there are, and the pots know of every one.
pub(super) fn portions_fit(facts: &Facts, outside: &Outside) -> Vec<Left> {
    let Some(pots) = &outside.pots else { return Vec::new() };
    let mut left = Vec::new();
    for (id, pot) in pots {
        let taken = facts.portions.get(id).copied().unwrap_or(0);
        if pot.left.is_some_and(|left| taken > left + pot.taken) {
            left.push((Some(id.0), format!("{taken} portions are sold, there are {pot:?}")));
        } else if (pot.taken, pot.claimed) != (taken, taken) {
            left.push((Some(id.0), format!("orders took {taken} portions, the pot says {pot:?}")));
        }
    }
    let unknown = facts.portions.iter().filter(|(id, taken)| **taken != 0 && !pots.contains_key(id));
    left.extend(unknown.map(|(id, taken)| (Some(id.0), format!("{taken} portions were taken of no pot"))));
    left.sort();
    left
}

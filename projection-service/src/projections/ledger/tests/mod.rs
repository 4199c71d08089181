//! The books of single orders, and of many at once beside a plain fold of the log.

mod stories;

use std::{collections::BTreeMap, sync::Arc};

use shared::{
    domain::{
        Currency, OrderId,
        ledger::{AccountKind, Ledger as Books, Side},
    },
    log::RecordedEvent,
};
use sqlx::PgPool;
use uuid::Uuid;

use self::stories::{COMMISSION, Happening, PRICE, Plan, SHARE, credited, kitchen, mixed, story};
use super::{AccountFilter, AccountRow, Ledger, LedgerPosting, LedgerRow, accounts, totals};
use crate::{
    engine::{Fold, FoldError, Projection, ReadModel},
    projections::samples::Log,
    testing::{Running, checkpoint, database, eventually, parts},
};

const ORDER: OrderId = OrderId(Uuid::from_u128(0x0DE2));

fn log_of(story: Vec<Happening>) -> Log {
    let mut log = Log::new();
    for (stream, event) in story {
        log.push_in_flow(stream, event);
    }
    log
}

fn minor(posting: &LedgerPosting) -> i64 {
    match posting.side {
        Side::Debit => posting.amount.minor(),
        Side::Credit => -posting.amount.minor(),
    }
}

/// Debits less credits by account, of all rows.
fn balances<'a>(rows: impl Iterator<Item = &'a LedgerRow>) -> BTreeMap<(AccountKind, Uuid), i64> {
    let mut balances = BTreeMap::new();
    for posting in rows.flat_map(|row| &row.postings) {
        *balances.entry((posting.account, posting.owner_id)).or_default() += minor(posting);
    }
    balances.retain(|_, minor| *minor != 0);
    balances
}

/// What stands on each kind of account when everything has happened, on its usual side.
fn at_the_end(story: Vec<Happening>) -> BTreeMap<&'static str, i64> {
    let mut fold = Fold::<Ledger>::new(Default::default());
    for event in &log_of(story).events {
        if !Ledger::keys(event).is_empty() {
            fold.take(event).unwrap();
        }
    }
    let rows = fold.into_rows();
    let mut kinds = BTreeMap::new();
    for ((kind, _), debit) in balances(rows.values().flatten()) {
        let minor = if kind.normal_side() == Side::Debit { debit } else { -debit };
        *kinds.entry(kind.as_str()).or_default() += minor;
    }
    kinds
}

#[test]
fn what_was_paid_is_what_went_back_what_the_cook_is_owed_and_what_we_earned() {
    let plan = Plan { back_before: 4_000, ..Plan::default() };
    let expected =
        [("platform_revenue", COMMISSION), ("producer_payable", 14_000), ("psp_clearing", 16_000)].into_iter();
    assert_eq!(at_the_end(story(ORDER, plan)), expected.clone().collect());
    assert_eq!(at_the_end(story(ORDER, Plan { is_held: true, ..plan })), expected.clone().collect());
    assert_eq!(at_the_end(story(ORDER, Plan { has_gift: true, ..plan })), expected.collect());
}

#[test]
fn what_goes_back_after_the_payout_is_a_loss_whoever_sends_it() {
    let plan = Plan { back_after: 1_000, ..Plan::default() };
    for plan in [plan, Plan { is_disputed_at_bank: true, ..plan }] {
        let expected = [
            ("platform_loss", 1_000),
            ("platform_revenue", COMMISSION),
            ("producer_payable", PRICE - COMMISSION),
            ("psp_clearing", PRICE - 1_000),
        ];
        assert_eq!(at_the_end(story(ORDER, plan)), expected.into_iter().collect(), "{plan:?}");
    }
}

#[test]
fn a_gift_that_is_credited_is_worth_what_it_was() {
    let expected = [("escrow", PRICE - SHARE), ("gift_liability", SHARE), ("psp_clearing", PRICE)];
    assert_eq!(at_the_end(credited(ORDER)), expected.into_iter().collect());
}

#[test]
fn events_that_the_books_do_not_hear_post_nothing() {
    for seed in 0..20 {
        let (mut books, mut heard) = (Books::default(), Books::default());
        for event in &mixed(seed, 12).events {
            books.take(event).unwrap();
            if !Ledger::keys(event).is_empty() {
                heard.take(event).unwrap();
            }
        }
        assert_eq!(heard.balances(), books.balances());
    }
}

#[test]
fn debits_are_credits_and_no_order_keeps_what_it_was_not_paid_at_every_prefix() {
    for seed in 0..20 {
        let (mut fold, mut books) = (Fold::<Ledger>::new(Default::default()), Books::default());
        let log = mixed(seed, 12);
        for event in &log.events {
            let posted: Vec<i64> = books.take(event).unwrap().postings().map(|it| it.amount.minor()).collect();
            let Some(key) = Ledger::keys(event).first().copied() else { continue };
            fold.take(event).unwrap();
            let row = fold.row(&key).unwrap();
            let new: Vec<_> = row.postings.iter().filter(|posting| posting.position == event.position).collect();
            assert_eq!(new.iter().map(|posting| posting.amount.minor()).collect::<Vec<_>>(), posted);
            assert_eq!(new.iter().map(|posting| minor(posting)).sum::<i64>(), 0);
            let paid = books.balances().total_minor(Currency::RUB);
            assert_eq!(paid, 0);
        }
        let rows = fold.into_rows();
        assert_eq!(balances(rows.values().flatten()), plain(&books));
    }
}

fn plain(books: &Books) -> BTreeMap<(AccountKind, Uuid), i64> {
    let open = books.balances().open();
    open.map(|(account, _, minor)| ((account.kind(), account.owner().unwrap_or_default()), minor)).collect()
}

#[test]
fn nothing_is_booked_twice() {
    let log = log_of(story(ORDER, Plan::default()));
    let mut fold = Fold::<Ledger>::new(Default::default());
    let heard: Vec<_> = log.events.iter().filter(|event| !Ledger::keys(event).is_empty()).collect();
    heard.iter().for_each(|event| fold.take(event).unwrap());
    let before = fold.row(&ORDER.0).cloned();
    for event in heard {
        assert!(matches!(fold.take(event), Err(FoldError::OutOfPlace { .. })), "{}", event.event_type);
    }
    assert_eq!(fold.row(&ORDER.0).cloned(), before);
}

#[test]
fn a_payout_of_an_order_that_nobody_placed_is_refused() {
    let mut story = story(ORDER, Plan::default());
    let log = log_of(vec![story.pop().unwrap()]);
    let mut fold = Fold::<Ledger>::new(Default::default());
    assert!(matches!(fold.take(&log.events[0]), Err(FoldError::Refused(_))));
    assert_eq!(fold.row(&ORDER.0), None);
}

#[test]
fn the_cook_of_the_order_is_owed() {
    let log = log_of(story(ORDER, Plan::default()));
    let mut books = Books::default();
    log.events.iter().for_each(|event| drop(books.take(event).unwrap()));
    assert_eq!(plain(&books)[&(AccountKind::ProducerPayable, kitchen().0)], COMMISSION - PRICE);
}

async fn check_tables(db: &PgPool, events: &[Arc<RecordedEvent>]) {
    let (mut books, mut fold) = (Books::default(), Fold::<Ledger>::new(Default::default()));
    for event in events {
        books.take(event).unwrap();
        if !Ledger::keys(event).is_empty() {
            fold.take(event).unwrap();
        }
    }
    let key = |row: &AccountRow| (row.account, row.owner_id);
    let stored = accounts(db, AccountFilter::default(), None, 100_000).await.unwrap();
    let open: BTreeMap<_, _> = stored.iter().map(|row| (key(row), row.debit_minor - row.credit_minor)).collect();
    let open: BTreeMap<_, _> = open.into_iter().filter(|(_, minor)| *minor != 0).collect();
    assert_eq!(open, plain(&books));
    let mut kinds = BTreeMap::<AccountKind, (i64, i64)>::new();
    for row in &stored {
        let (debit, credit) = kinds.entry(row.account).or_default();
        (*debit, *credit) = (*debit + row.debit_minor, *credit + row.credit_minor);
    }
    let sums = totals(db).await.unwrap();
    assert_eq!(kinds, sums.iter().map(|row| (row.account, (row.debit_minor, row.credit_minor))).collect());
    assert_eq!(sums.iter().map(|row| row.debit_minor - row.credit_minor).sum::<i64>(), 0);
    let rows = fold.into_rows();
    let loaded = Ledger::load(db, &rows.keys().copied().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(loaded.len(), rows.len());
    assert!(rows.iter().all(|(key, row)| loaded.get(key) == row.as_ref()));
}

#[tokio::test]
async fn the_accounts_say_what_a_plain_fold_says_whatever_the_batches() {
    for (seed, batch_max) in [(1, 1), (2, 7), (3, 500)] {
        let (db, mut log) = (database().await, mixed(seed, if batch_max == 1 { 12 } else { 80 }));
        log.write(&db).await;
        let mut parts = parts(&db);
        (parts.settings.batch_max, parts.settings.rows_max) = (batch_max, 30);
        parts.feed.note_head(log.events.len() as u64);
        let running = Running::start::<Ledger>(parts);
        let head = log.events.len() as i64;
        eventually("the books caught up", || async { checkpoint(&db, "ledger").await == head }).await;
        running.stop().await;
        check_tables(&db, &log.events).await;
    }
}

#[tokio::test]
async fn storing_the_same_books_again_books_nothing_twice() {
    let (db, log) = (database().await, mixed(5, 20));
    let mut fold = Fold::<Ledger>::new(Default::default());
    log.events.iter().filter(|event| !Ledger::keys(event).is_empty()).for_each(|event| fold.take(event).unwrap());
    // Also one that posted otherwise before, as an older fold would have.
    let mut other = fold.changes();
    other.iter_mut().filter_map(|(_, row)| row.as_mut()).for_each(|row| row.postings.truncate(2));
    for changes in [other, fold.changes(), fold.changes()] {
        let mut tx = db.begin().await.unwrap();
        Ledger::store(&mut tx, &changes).await.unwrap();
        tx.commit().await.unwrap();
    }
    check_tables(&db, &log.events).await;
}

#[tokio::test]
async fn accounts_are_paged_by_their_names() {
    let (db, log) = (database().await, mixed(6, 20));
    let mut fold = Fold::<Ledger>::new(Default::default());
    log.events.iter().filter(|event| !Ledger::keys(event).is_empty()).for_each(|event| fold.take(event).unwrap());
    let mut tx = db.begin().await.unwrap();
    Ledger::store(&mut tx, &fold.changes()).await.unwrap();
    tx.commit().await.unwrap();
    let escrow = AccountFilter { kind: Some(AccountKind::Escrow), ..AccountFilter::default() };
    let all = accounts(&db, escrow, None, 1_000).await.unwrap();
    assert_eq!(all.len(), 20);
    let mut paged = Vec::new();
    while let Some(page) = {
        let after = paged.last().map(AccountRow::key);
        Some(accounts(&db, escrow, after.as_ref(), 7).await.unwrap()).filter(|page| !page.is_empty())
    } {
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(paged.iter().all(|row| row.account == AccountKind::Escrow));
}

#[tokio::test]
async fn accounts_as_of_a_position_are_what_a_fold_up_to_there_says() {
    let (db, log) = (database().await, mixed(8, 20));
    let mut fold = Fold::<Ledger>::new(Default::default());
    log.events.iter().filter(|event| !Ledger::keys(event).is_empty()).for_each(|event| fold.take(event).unwrap());
    let mut tx = db.begin().await.unwrap();
    Ledger::store(&mut tx, &fold.changes()).await.unwrap();
    tx.commit().await.unwrap();
    let mut books = Books::default();
    for event in &log.events {
        books.take(event).unwrap();
        if event.position % 7 != 0 {
            continue;
        }
        let filter = AccountFilter { at: Some(event.position), ..AccountFilter::default() };
        let rows = accounts(&db, filter, None, 100_000).await.unwrap();
        let open = rows.iter().map(|row| ((row.account, row.owner_id), row.debit_minor - row.credit_minor));
        assert_eq!(open.filter(|(_, minor)| *minor != 0).collect::<BTreeMap<_, _>>(), plain(&books));
        let Some(one) = rows.last() else { continue };
        let one_of_them = AccountFilter { kind: Some(one.account), owner_id: Some(one.owner_id), ..filter };
        assert_eq!(accounts(&db, one_of_them, None, 10).await.unwrap(), std::slice::from_ref(one));
    }
}

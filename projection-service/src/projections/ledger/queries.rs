//! What is asked of the books.

use shared::{
    domain::{
        Currency,
        ledger::{AccountKind, Side},
    },
    log::Position,
};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// What stands on an account, or on all accounts of a kind, in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The kind of account.
    pub account: AccountKind,
    /// What it is about; nil for an account there is one of, and for a whole kind.
    pub owner_id: Uuid,
    /// Of what.
    pub currency: Currency,
    /// Everything on the left.
    pub debit_minor: i64,
    /// Everything on the right.
    pub credit_minor: i64,
}

/// The name of an account's row: its kind's name, what it is about, the currency's code.
pub type AccountKey = (String, Uuid, String);

impl AccountRow {
    /// What stands on the side where such accounts usually stand; negative if it stands on the other one.
    pub fn balance_minor(&self) -> i64 {
        match self.account.normal_side() {
            Side::Debit => self.debit_minor - self.credit_minor,
            Side::Credit => self.credit_minor - self.debit_minor,
        }
    }

    /// Where a page that ends here is gone on with.
    pub fn key(&self) -> AccountKey {
        (self.account.as_str().to_owned(), self.owner_id, self.currency.code().to_owned())
    }
}

/// Which accounts, and as of when. Left out, each of them means all.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountFilter {
    /// Of this kind.
    pub kind: Option<AccountKind>,
    /// About this.
    pub owner_id: Option<Uuid>,
    /// As they stood after the event at this position: only those that something was booked on by then.
    pub at: Option<Position>,
}

/// The accounts as they stand, or as their postings up to a position add up: those stay as they were made.
const NOW: &str = "ledger_accounts";
const THEN: &str = "
    (SELECT account, owner_id, currency,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'debit'), 0)::bigint AS debit_minor,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'credit'), 0)::bigint AS credit_minor
     FROM ledger_postings
     WHERE position <= $7
     GROUP BY account, owner_id, currency) AS as_of
";

/// These accounts, in the order of their names, after the one named.
pub async fn accounts(
    db: &PgPool,
    filter: AccountFilter,
    after: Option<&AccountKey>,
    limit: i64,
) -> Result<Vec<AccountRow>, sqlx::Error> {
    let from = if filter.at.is_none() { NOW } else { THEN };
    // Kinds come first in the keys: with all of them named, one owner's accounts are found by key.
    let kinds: Vec<_> =
        AccountKind::ALL.into_iter().filter(|kind| filter.kind.is_none_or(|only| only == *kind)).collect();
    let kinds: Vec<_> = kinds.into_iter().map(AccountKind::as_str).collect();
    let statement = format!(
        "
        SELECT account, owner_id, currency, debit_minor, credit_minor
        FROM {from}
        WHERE account = ANY($1)
            AND ($2::text IS NULL OR (account, owner_id, currency) > ($2::text, $3::uuid, $4::text))
            AND ($5::uuid IS NULL OR owner_id = $5)
        ORDER BY account, owner_id, currency
        LIMIT $6
        ",
    );
    let mut asked = sqlx::query(&statement)
        .bind(kinds)
        .bind(after.map(|(account, _, _)| account))
        .bind(after.map(|(_, owner_id, _)| *owner_id))
        .bind(after.map(|(_, _, currency)| currency))
        .bind(filter.owner_id)
        .bind(limit);
    if let Some(at) = filter.at {
        asked = asked.bind(at as i64);
    }
    asked.fetch_all(db).await?.iter().map(read_row).collect()
}

/// The sums of all accounts of each kind.
pub async fn totals(db: &PgPool) -> Result<Vec<AccountRow>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT account, '00000000-0000-0000-0000-000000000000'::uuid AS owner_id, currency, debit_minor, credit_minor
        FROM ledger_totals
        ORDER BY account, currency
        ",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(read_row).collect()
}

fn read_row(row: &PgRow) -> Result<AccountRow, sqlx::Error> {
    let unreadable = |what: &str| sqlx::Error::Decode(format!("the books do not know {what}").into());
    let (account, currency): (&str, &str) = (row.try_get("account")?, row.try_get("currency")?);
    Ok(AccountRow {
        account: AccountKind::from_name(account).ok_or_else(|| unreadable(account))?,
        owner_id: row.try_get("owner_id")?,
        currency: Currency::from_code(currency).ok_or_else(|| unreadable(currency))?,
        debit_minor: row.try_get("debit_minor")?,
        credit_minor: row.try_get("credit_minor")?,
    })
}

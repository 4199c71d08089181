//! How the books are read and written, and how what was posted reaches the accounts.

use std::collections::{BTreeMap, HashMap, HashSet};

use shared::domain::{
    AggregateType, Currency, Money,
    ledger::{AccountKind, Side},
};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::{
    fold::Ledger,
    row::{LedgerPosting, LedgerRow, Remembered},
};
use crate::engine::{Changes, Pace, ReadModel, Sources, to_json};

impl ReadModel for Ledger {
    type Written = ();
    const TABLES: &'static [&'static str] = &["ledger_flows", "ledger_postings", "ledger_accounts", "ledger_totals"];
    const PACE: Pace = Pace::Sums;

    const SOURCES: Option<Sources> = Some(Sources {
        streams: &[AggregateType::Order, AggregateType::Gift],
        flow: true,
        rows: &["ledger_flows", "ledger_postings"],
        sums: &["ledger_accounts", "ledger_totals"],
    });

    async fn load(db: &PgPool, keys: &[Uuid]) -> Result<HashMap<Uuid, LedgerRow>, sqlx::Error> {
        let mut db = db.acquire().await?;
        let flows = sqlx::query("SELECT flow_id, doc FROM ledger_flows WHERE flow_id = ANY($1)")
            .bind(keys)
            .fetch_all(&mut *db)
            .await?;
        let mut postings = read_postings(&mut db, keys).await?;
        let mut rows = HashMap::with_capacity(flows.len());
        for flow in &flows {
            let flow_id: Uuid = flow.try_get("flow_id")?;
            let Json(remembered): Json<Remembered> = flow.try_get("doc")?;
            rows.insert(flow_id, LedgerRow { remembered, postings: postings.remove(&flow_id).unwrap_or_default() });
        }
        Ok(rows)
    }

    /// The difference is taken from what the table has, not from what somebody remembers, so it is right for everybody
    /// who stores.
    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let keys: Vec<Uuid> = changes.iter().map(|(key, _)| *key).collect();
        let before = read_postings(tx, &keys).await?;
        let rows = || changes.iter().filter_map(|(key, row)| row.as_ref().map(|row| (*key, row)));
        write_flows(tx, &rows().map(|(key, row)| (key, &row.remembered)).collect::<Vec<_>>()).await?;
        let old: HashSet<Line> = lines(before.iter().map(|(key, postings)| (*key, postings)));
        let new: HashSet<Line> = lines(rows().map(|(key, row)| (key, &row.postings)));
        let (gone, fresh): (Vec<Line>, Vec<Line>) =
            (old.difference(&new).copied().collect(), new.difference(&old).copied().collect());
        erase_postings(tx, &gone).await?;
        write_postings(tx, &fresh).await?;
        let mut sums = Sums::default();
        gone.iter().for_each(|(_, posting)| sums.add(posting, -1));
        fresh.iter().for_each(|(_, posting)| sums.add(posting, 1));
        add_to_accounts(tx, &sums.accounts).await?;
        add_to_totals(tx, &sums.totals).await
    }

    async fn take_out(tx: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
        let before = read_postings(tx, &[id]).await?;
        let mut sums = Sums::default();
        before.values().flatten().for_each(|posting| sums.add(posting, -1));
        add_to_accounts(tx, &sums.accounts).await?;
        add_to_totals(tx, &sums.totals).await?;
        sweep(tx, &sums).await
    }

    async fn sum_up(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "
            INSERT INTO ledger_accounts (account, owner_id, currency, debit_minor, credit_minor)
            SELECT account, owner_id, currency, coalesce(sum(amount_minor) FILTER (WHERE side = 'debit'), 0),
                   coalesce(sum(amount_minor) FILTER (WHERE side = 'credit'), 0)
            FROM public.ledger_postings
            GROUP BY account, owner_id, currency
            ",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "
            INSERT INTO ledger_totals (account, currency, debit_minor, credit_minor)
            SELECT account, currency, coalesce(sum(amount_minor) FILTER (WHERE side = 'debit'), 0),
                   coalesce(sum(amount_minor) FILTER (WHERE side = 'credit'), 0)
            FROM public.ledger_postings
            GROUP BY account, currency
            ",
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

type Line = (Uuid, LedgerPosting);

fn lines<'a>(flows: impl Iterator<Item = (Uuid, &'a Vec<LedgerPosting>)>) -> HashSet<Line> {
    flows.flat_map(|(key, postings)| postings.iter().map(move |posting| (key, *posting))).collect()
}

/// Debits and credits, or differences between them.
type TwoSides = (i64, i64);

/// What is to be added where, in the order of the keys, so that two who write do not wait for each other in a ring.
#[derive(Default)]
struct Sums {
    accounts: BTreeMap<(&'static str, Uuid, &'static str), TwoSides>,
    totals: BTreeMap<(&'static str, &'static str), TwoSides>,
}

impl Sums {
    fn add(&mut self, posting: &LedgerPosting, sign: i64) {
        let (account, currency) = (posting.account.as_str(), posting.amount.currency().code());
        let sides = [
            self.accounts.entry((account, posting.owner_id, currency)).or_default(),
            self.totals.entry((account, currency)).or_default(),
        ];
        for (debit, credit) in sides {
            match posting.side {
                Side::Debit => *debit += sign * posting.amount.minor(),
                Side::Credit => *credit += sign * posting.amount.minor(),
            }
        }
    }
}

async fn read_postings(db: &mut PgConnection, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<LedgerPosting>>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT flow_id, position, line, account, owner_id, side, amount_minor, currency, occurred_at
        FROM ledger_postings
        WHERE flow_id = ANY($1)
        ORDER BY flow_id, position, line
        ",
    )
    .bind(keys)
    .fetch_all(db)
    .await?;
    let mut postings = HashMap::<Uuid, Vec<LedgerPosting>>::new();
    for row in &rows {
        postings.entry(row.try_get("flow_id")?).or_default().push(read_posting(row)?);
    }
    Ok(postings)
}

fn unreadable(what: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(what.to_string().into())
}

fn read_posting(row: &PgRow) -> Result<LedgerPosting, sqlx::Error> {
    let (account, side): (&str, &str) = (row.try_get("account")?, row.try_get("side")?);
    let code: &str = row.try_get("currency")?;
    let currency = Currency::from_code(code).ok_or_else(|| unreadable(format!("no currency: {code}")))?;
    Ok(LedgerPosting {
        position: row.try_get::<i64, _>("position")? as u64,
        line: row.try_get("line")?,
        account: AccountKind::from_name(account).ok_or_else(|| unreadable(format!("no account: {account}")))?,
        owner_id: row.try_get("owner_id")?,
        side: [Side::Debit, Side::Credit]
            .into_iter()
            .find(|it| it.as_str() == side)
            .ok_or_else(|| unreadable(format!("no side: {side}")))?,
        amount: Money::from_minor(row.try_get("amount_minor")?, currency).map_err(unreadable)?,
        occurred_at: row.try_get("occurred_at")?,
    })
}

async fn write_flows(tx: &mut PgConnection, flows: &[(Uuid, &Remembered)]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        INSERT INTO ledger_flows (flow_id, doc)
        SELECT flow_id, doc::json FROM UNNEST($1::uuid[], $2::text[]) AS r (flow_id, doc)
        ON CONFLICT (flow_id) DO UPDATE SET doc = EXCLUDED.doc
        ",
    )
    .bind(flows.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(flows.iter().map(|(_, remembered)| to_json(remembered)).collect::<Result<Vec<_>, _>>()?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Only a fold that posts otherwise than the one before it takes something back.
async fn erase_postings(tx: &mut PgConnection, lines: &[Line]) -> Result<(), sqlx::Error> {
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "
        DELETE FROM ledger_postings AS p
        USING UNNEST($1::uuid[], $2::bigint[], $3::smallint[]) AS gone (flow_id, position, line)
        WHERE p.flow_id = gone.flow_id AND p.position = gone.position AND p.line = gone.line
        ",
    )
    .bind(lines.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.position as i64).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.line).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_postings(tx: &mut PgConnection, lines: &[Line]) -> Result<(), sqlx::Error> {
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "
        INSERT INTO ledger_postings (flow_id, position, line, account, owner_id, side, amount_minor, currency,
                                     occurred_at)
        SELECT *
        FROM UNNEST($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::uuid[], $6::text[], $7::bigint[],
                    $8::text[], $9::timestamptz[])
        ",
    )
    .bind(lines.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.position as i64).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.line).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.account.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.owner_id).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.side.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.amount.minor()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.amount.currency().code()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, posting)| posting.occurred_at).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add_to_accounts(
    tx: &mut PgConnection,
    sums: &BTreeMap<(&'static str, Uuid, &'static str), TwoSides>,
) -> Result<(), sqlx::Error> {
    if sums.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "
        INSERT INTO ledger_accounts AS a (account, owner_id, currency, debit_minor, credit_minor)
        SELECT * FROM UNNEST($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
        ON CONFLICT (account, owner_id, currency) DO UPDATE
        SET debit_minor = a.debit_minor + EXCLUDED.debit_minor, credit_minor = a.credit_minor + EXCLUDED.credit_minor
        ",
    )
    .bind(sums.keys().map(|(account, _, _)| *account).collect::<Vec<_>>())
    .bind(sums.keys().map(|(_, owner_id, _)| *owner_id).collect::<Vec<_>>())
    .bind(sums.keys().map(|(_, _, currency)| *currency).collect::<Vec<_>>())
    .bind(sums.values().map(|(debit, _)| *debit).collect::<Vec<_>>())
    .bind(sums.values().map(|(_, credit)| *credit).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add_to_totals(
    tx: &mut PgConnection,
    sums: &BTreeMap<(&'static str, &'static str), TwoSides>,
) -> Result<(), sqlx::Error> {
    if sums.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "
        INSERT INTO ledger_totals AS t (account, currency, debit_minor, credit_minor)
        SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[])
        ON CONFLICT (account, currency) DO UPDATE
        SET debit_minor = t.debit_minor + EXCLUDED.debit_minor, credit_minor = t.credit_minor + EXCLUDED.credit_minor
        ",
    )
    .bind(sums.keys().map(|(account, _)| *account).collect::<Vec<_>>())
    .bind(sums.keys().map(|(_, currency)| *currency).collect::<Vec<_>>())
    .bind(sums.values().map(|(debit, _)| *debit).collect::<Vec<_>>())
    .bind(sums.values().map(|(_, credit)| *credit).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes accounts and totals of these keys that have come to nothing: nothing was posted there.
async fn sweep(tx: &mut PgConnection, sums: &Sums) -> Result<(), sqlx::Error> {
    sqlx::query(
        "
        DELETE FROM ledger_accounts AS a
        USING UNNEST($1::text[], $2::uuid[], $3::text[]) AS k (account, owner_id, currency)
        WHERE (a.account, a.owner_id, a.currency) = (k.account, k.owner_id, k.currency)
          AND (a.debit_minor, a.credit_minor) = (0, 0)
        ",
    )
    .bind(sums.accounts.keys().map(|(account, _, _)| *account).collect::<Vec<_>>())
    .bind(sums.accounts.keys().map(|(_, owner_id, _)| *owner_id).collect::<Vec<_>>())
    .bind(sums.accounts.keys().map(|(_, _, currency)| *currency).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "
        DELETE FROM ledger_totals AS t
        USING UNNEST($1::text[], $2::text[]) AS k (account, currency)
        WHERE (t.account, t.currency) = (k.account, k.currency) AND (t.debit_minor, t.credit_minor) = (0, 0)
        ",
    )
    .bind(sums.totals.keys().map(|(account, _)| *account).collect::<Vec<_>>())
    .bind(sums.totals.keys().map(|(_, currency)| *currency).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

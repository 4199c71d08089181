//! The books, for operators.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        Currency,
        ledger::{AccountKind, Side},
    },
    log::Position,
    web::{Cursor, Envelope, ErrorCode, Problem, ValidQuery},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ReadState,
    access::unavailable,
    documents::{LedgerAccountListAnswer, OperatorProblems},
    freshness::private,
    history::unreadable,
    operators::Operator,
    pages,
};
use crate::projections::{
    LEDGER,
    ledger::{AccountFilter, AccountKey, AccountRow, accounts},
    order_facts::Total,
};

/// Numbers of currencies have three digits; a cursor holds the kind before them.
const CURRENCIES: i64 = 1_000;

/// Which accounts, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountsQuery {
    /// Of this kind; left out, of every kind.
    kind: Option<AccountKind>,
    /// About this order, payment, refund, gift or kitchen.
    owner_id: Option<Uuid>,
    /// As they stood after the event at this position of the log; left out, as they stand.
    at_position: Option<u64>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What a cursor is bound to.
#[derive(Serialize)]
struct FilterKey(Option<AccountKind>, Option<Uuid>, Option<Position>);

/// What stands on an account of the books.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LedgerAccount {
    /// The kind of account.
    pub kind: AccountKind,
    /// The order, payment, refund, gift or kitchen it is about; absent for an account there is one of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner_id: Option<Uuid>,
    /// The side on which such accounts usually stand.
    pub normal_side: Side,
    /// What stands on that side; negative if it stands on the other.
    pub balance: Total,
    /// Everything that was ever booked on the left.
    pub debit: Total,
    /// Everything that was ever booked on the right.
    pub credit: Total,
}

impl From<AccountRow> for LedgerAccount {
    fn from(row: AccountRow) -> Self {
        let total = |minor| Total { minor, currency: row.currency };
        Self {
            kind: row.account,
            owner_id: Some(row.owner_id).filter(|owner_id| !owner_id.is_nil()),
            normal_side: row.account.normal_side(),
            balance: total(row.balance_minor()),
            debit: total(row.debit_minor),
            credit: total(row.credit_minor),
        }
    }
}

/// What stands on the accounts of the books, in order of kind and of what they are about.
///
/// Also accounts on which nothing stands any more. Debits and credits of all accounts together are the same, at every
/// position.
#[utoipa::path(
    get, path = "/admin/ledger/accounts", operation_id = "list_ledger_accounts", tag = "operators",
    security(("bearer" = [])), params(AccountsQuery),
    responses(
        (status = 200, description = "A page of accounts; `meta.next_cursor` begins the next",
            body = LedgerAccountListAnswer),
        OperatorProblems,
    )
)]
pub(super) async fn list_ledger_accounts(
    State(state): State<ReadState>,
    _: Operator,
    ValidQuery(query): ValidQuery<AccountsQuery>,
) -> Result<Response, Problem> {
    let limit = pages::limit(query.limit)?;
    let AccountsQuery { kind, owner_id, at_position, .. } = query;
    let bound = FilterKey(kind, owner_id, at_position);
    let after = pages::start(&state, query.cursor.as_deref(), &bound)?.and_then(key);
    let at = match at_position {
        None => None,
        Some(position) => Some(booked_up_to(&state, position).await?),
    };
    let filter = AccountFilter { kind, owner_id, at };
    let mut rows = accounts(&state.db, filter, after.as_ref(), limit as i64 + 1).await.map_err(unavailable)?;
    let next = pages::cut(&state, &mut rows, limit, &bound, |row| (sort_key(row), row.owner_id));
    let rows: Vec<LedgerAccount> = rows.into_iter().map(LedgerAccount::from).collect();
    let mut response = Envelope::new(rows).next_cursor(next).into_response();
    private(&mut response);
    Ok(response)
}

/// The position, or the newest if that is further; late if the books have not seen it.
async fn booked_up_to(state: &ReadState, position: Position) -> Result<Position, Problem> {
    let position = position.min(state.log.head().await.map_err(unreadable)?);
    let booked = state.positions.get(LEDGER);
    if booked < position {
        let problem = Problem::new(ErrorCode::ProjectionLag).retry_after(1);
        return Err(problem.extension("projection_position", booked));
    }
    Ok(position)
}

/// Kind and currency as one number, for a cursor.
fn sort_key(row: &AccountRow) -> i64 {
    let kind = AccountKind::ALL.iter().position(|kind| *kind == row.account).unwrap_or_default();
    kind as i64 * CURRENCIES + i64::from(row.currency.numeric())
}

/// The account whose number and owner the cursor has.
fn key(cursor: Cursor) -> Option<AccountKey> {
    let kind = AccountKind::ALL.get(usize::try_from(cursor.sort_micros / CURRENCIES).ok()?)?;
    let currency = Currency::from_numeric(u16::try_from(cursor.sort_micros % CURRENCIES).ok()?)?;
    Some((kind.as_str().to_owned(), cursor.id, currency.code().to_owned()))
}

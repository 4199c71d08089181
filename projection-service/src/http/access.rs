//! Who sees which order.

use shared::{
    domain::{ProducerId, UserId, order::Viewer},
    web::{ErrorCode, Principal, Problem, Role},
};

/// The side the caller is on; none for a stranger, to whom the order does not exist.
pub(crate) fn viewer_of(caller: &Principal, customer_id: UserId, producer_id: ProducerId) -> Option<Viewer> {
    if caller.is(Role::Customer) && caller.user_id == customer_id {
        Some(Viewer::Customer)
    } else if caller.is(Role::Producer) && caller.producer_id == Some(producer_id) {
        Some(Viewer::Producer)
    } else if caller.is(Role::Admin) {
        Some(Viewer::Admin)
    } else {
        None
    }
}

/// Whose orders a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody's.
    All,
    /// Those the caller placed.
    Placed(UserId),
    /// Those the caller's kitchen cooks.
    Cooked(ProducerId),
}

/// Administrators see all. Who is customer and cook sees what was placed, unless the own kitchen is asked for.
pub(crate) fn scope_of(caller: &Principal, asked: Option<ProducerId>) -> Result<Scope, Problem> {
    let kitchen = caller.producer_id.filter(|_| caller.is(Role::Producer));
    match kitchen {
        _ if caller.is(Role::Admin) => Ok(Scope::All),
        Some(kitchen) if asked == Some(kitchen) || !caller.is(Role::Customer) => Ok(Scope::Cooked(kitchen)),
        _ if caller.is(Role::Customer) => Ok(Scope::Placed(caller.user_id)),
        _ => Err(Problem::new(ErrorCode::PermissionDenied).detail("orders are shown to their parties")),
    }
}

/// What went wrong below, as the caller may know it.
pub(crate) fn unavailable(error: sqlx::Error) -> Problem {
    if is_away(&error) {
        tracing::warn!(%error, "the database does not answer");
        return Problem::new(ErrorCode::ServiceUnavailable).retry_after(1);
    }
    Problem::internal(error)
}

/// The database is out of reach, shutting down, starting, or out of resources: asking again may help.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

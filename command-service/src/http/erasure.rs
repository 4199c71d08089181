//! Erasing a person: an administrator has the key destroyed that the person's data is sealed with.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::UserId,
    web::{Envelope, PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    command::Command,
    documents::CommandProblems,
    gate::Admin,
    orders::{TEXT_MAX, sealing_problem},
    state::AppState,
};

/// Why a person is erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Erasure {
    /// 1 to 500 characters; kept with who asked.
    reason: String,
}

/// A person whose data nobody can read any more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erased {
    /// The person.
    user_id: UserId,
    /// When the key was destroyed.
    erased_at: DateTime<Utc>,
}

/// Erase a person
///
/// Destroys the key that names, phones, addresses, messages and evidence of this person are sealed with. What happened
/// stays in the log, and all sums stay what they are. Every instance has forgotten the key within a minute, and as a rule
/// at once. It cannot be undone; doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/admin/users/{id}/erase", operation_id = "erase_user", tag = "operators",
    security(("bearer" = [])), params(("id" = UserId, Path, description = "The person")), request_body = Erasure,
    responses((status = 200, description = "Erased", body = Envelope<Erased>), CommandProblems)
)]
pub(super) async fn erase_user(
    State(state): State<AppState>,
    PathId(user_id): PathId<UserId>,
    command: Command<Erasure, Admin>,
) -> Result<Envelope<Erased>, Problem> {
    let actor = command.actor()?;
    let reason = command.body.reason.trim();
    if reason.is_empty() || reason.chars().count() > TEXT_MAX {
        return Err(Problem::validation("/reason", "wrong_length", format!("write 1 to {TEXT_MAX} characters")));
    }
    let erased_at = state.sealer.erase(user_id, &actor.to_string(), reason).await.map_err(sealing_problem)?;
    let erased_at = erased_at.ok_or_else(|| Problem::not_found("nothing personal is kept of anybody with this id"))?;
    tracing::warn!(event = "subject_erased", by = %actor, subject.id = %user_id, "the key of {user_id} was destroyed");
    Ok(Envelope::new(Erased { user_id, erased_at }))
}

//! What the two sides of a dispute say to each other.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use shared::{
    domain::{
        Actor, DisputeId, Money, OfferId,
        dispute::{DisputeCommand, Stance},
    },
    web::{PathId, PathIds, Problem},
};
use utoipa::ToSchema;

use super::{
    access::party_of_dispute,
    command::Command,
    disputes::{NewEvidence, on_dispute, seal},
    documents::{CommandProblems, DisputeAnswer},
    gate::{Customer, Producer},
    orders::Nothing,
    state::AppState,
};

/// Bring evidence
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/evidence", operation_id = "submit_dispute_evidence", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")),
    request_body = NewEvidence,
    responses((status = 201, description = "Taken", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn submit_evidence(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<NewEvidence, (Customer, Producer)>,
) -> Result<Response, Problem> {
    let actor = party_of_dispute(&state, &command, dispute_id).await?;
    let evidence = command.body.sealed(&state, command.principal.user_id, "").await?;
    let target = on_dispute(&state, dispute_id, StatusCode::CREATED);
    command.execute(&state, target, actor, DisputeCommand::SubmitEvidence { evidence }).await
}

/// A cook's answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisputeResponse {
    /// What the cook says to it; at most 2,000 characters. Kept sealed.
    message: String,
    /// Where the cook stands; who agrees accepts the claim instead.
    #[serde(default)]
    stance: Stance,
}

/// Answer a dispute
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/respond", operation_id = "respond_to_dispute", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")),
    request_body = DisputeResponse,
    responses((status = 200, description = "Answered; an administrator decides", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn respond_to_dispute(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<DisputeResponse, Producer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let sealed = seal(&state, command.principal.user_id, Some(&command.body.message), "/message").await?;
    let message_sealed = sealed.ok_or_else(|| Problem::validation("/message", "missing", "say what you say to it"))?;
    let (stance, policy) = (command.body.stance, state.policies.dispute);
    let target = on_dispute(&state, dispute_id, StatusCode::OK);
    command.execute(&state, target, actor, DisputeCommand::Respond { message_sealed, stance, policy }).await
}

/// What a cook would give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOffer {
    /// How much; less than is claimed.
    amount: Money,
    /// A word with it; at most 2,000 characters. Kept sealed.
    #[serde(default)]
    #[schema(nullable = false)]
    message: Option<String>,
}

/// Offer a part
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/offers", operation_id = "make_dispute_offer", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")), request_body = NewOffer,
    responses((status = 201, description = "Offered", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn make_offer(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<NewOffer, Producer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let message_sealed = seal(&state, command.principal.user_id, command.body.message.as_deref(), "/message").await?;
    let offer = DisputeCommand::MakeOffer { amount: command.body.amount, message_sealed };
    command.execute(&state, on_dispute(&state, dispute_id, StatusCode::CREATED), actor, offer).await
}

/// Take an offer
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/offers/{offer_id}/accept", operation_id = "accept_dispute_offer",
    tag = "disputes", security(("bearer" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("offer_id" = OfferId, Path, description = "The offer"),
    ),
    request_body = Nothing,
    responses((status = 200, description = "Agreed; the dispute is over", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn accept_offer(
    State(state): State<AppState>,
    ids: PathIds<DisputeId, OfferId>,
    command: Command<Nothing, Customer>,
) -> Result<Response, Problem> {
    answer_offer(&state, ids, &command, |offer_id| DisputeCommand::AcceptOffer { offer_id }).await
}

/// Decline an offer
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/offers/{offer_id}/decline", operation_id = "decline_dispute_offer",
    tag = "disputes", security(("bearer" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("offer_id" = OfferId, Path, description = "The offer"),
    ),
    request_body = Nothing,
    responses((status = 200, description = "Declined; another may be made", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn decline_offer(
    State(state): State<AppState>,
    ids: PathIds<DisputeId, OfferId>,
    command: Command<Nothing, Customer>,
) -> Result<Response, Problem> {
    answer_offer(&state, ids, &command, |offer_id| DisputeCommand::DeclineOffer { offer_id }).await
}

async fn answer_offer(
    state: &AppState,
    PathIds(dispute_id, offer_id): PathIds<DisputeId, OfferId>,
    command: &Command<Nothing, Customer>,
    action: impl FnOnce(OfferId) -> DisputeCommand,
) -> Result<Response, Problem> {
    let actor: Actor = command.actor()?;
    let target = on_dispute(state, dispute_id, StatusCode::OK);
    command.execute(state, target, actor, action(offer_id)).await
}

/// A call for a decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Escalation {
    /// Why; at most 500 characters.
    #[serde(default)]
    #[schema(nullable = false)]
    cause: Option<String>,
}

/// Ask for a decision
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/escalate", operation_id = "escalate_dispute", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")),
    request_body = Escalation,
    responses((status = 200, description = "An administrator decides", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn escalate_dispute(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<Escalation, (Customer, Producer)>,
) -> Result<Response, Problem> {
    let actor = party_of_dispute(&state, &command, dispute_id).await?;
    let escalate = DisputeCommand::Escalate { cause: command.body.cause.clone(), policy: state.policies.dispute };
    command.execute(&state, on_dispute(&state, dispute_id, StatusCode::OK), actor, escalate).await
}

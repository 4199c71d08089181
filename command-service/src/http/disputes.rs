//! Opening a dispute, and letting it be.

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        Actor, DisputeId, Money, OfferId, OrderId, UserId,
        dispute::{
            Dispute, DisputeClaim, DisputeCommand, DisputeError, DisputeOutcome, DisputeReason, DisputeStatus,
            Evidence, EvidenceKind, OpenDispute, OpenedBy, Stage,
        },
        order::{ClaimDispute, Order, OrderCommand},
    },
    web::{ErrorCode, PathId, Problem},
};
use utoipa::ToSchema;

use super::{
    access::party,
    command::{Command, Step, Target, log_problem, to_json},
    documents::{CommandProblems, DisputeAnswer},
    gate::{Admin, Customer},
    orders::{Nothing, on_order},
    state::AppState,
};
use crate::{
    command_handler::{CommandError, Handled},
    event_log::Loaded,
};

/// Characters of what a person writes in a dispute.
pub(super) const WORDS_MAX: usize = 2_000;

/// A dispute after a command. `GET /api/v1/disputes/{id}` shows all of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DisputeData {
    /// The dispute.
    pub id: DisputeId,
    /// The order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: DisputeStatus,
    /// How much is wanted back.
    pub claimed_amount: Money,
    /// Until when the cook may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub response_due: Option<DateTime<Utc>>,
    /// When an administrator must have decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decision_due: Option<DateTime<Utc>>,
    /// The offer that waits for the customer's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub offer_id: Option<OfferId>,
    /// Whether a decision waits for the consent of another administrator.
    pub awaits_approval: bool,
    /// What it ended in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub outcome: Option<DisputeOutcome>,
    /// How much goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refund_amount: Option<Money>,
}

/// The dispute as JSON.
pub(super) fn dispute_data(dispute: &Dispute) -> Result<String, serde_json::Error> {
    let missing = || serde::ser::Error::custom("a command left a dispute that does not exist");
    let (terms, stage) = (dispute.terms().ok_or_else(missing)?, dispute.stage().ok_or_else(missing)?);
    let (outcome, refund_amount) = match stage {
        Stage::Resolved { outcome, refund_amount, .. } => (Some(outcome), Some(refund_amount)),
        Stage::Open { .. } | Stage::UnderReview { .. } => (None, None),
    };
    to_json(&DisputeData {
        id: terms.dispute_id,
        order_id: terms.order_id,
        status: stage.status(),
        claimed_amount: terms.claimed,
        response_due: dispute.response_due(),
        decision_due: dispute.decision_due(),
        offer_id: dispute.offer().map(|offer| offer.offer_id),
        awaits_approval: dispute.proposal().is_some(),
        outcome,
        refund_amount,
    })
}

/// A command's way to a dispute.
pub(super) fn on_dispute(state: &AppState, dispute_id: DisputeId, status: StatusCode) -> Target<'_, Dispute> {
    Target {
        handler: &state.disputes,
        aggregate_id: dispute_id.0,
        is_new: false,
        status,
        view: &dispute_data,
        problem: dispute_problem,
        answers_later: false,
    }
}

fn dispute_problem(error: &DisputeError) -> Problem {
    Problem::from(error)
}

/// Something to show.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Its words; at most 2,000 characters. Kept sealed.
    #[serde(default)]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// Its files by the SHA-256 of their content, 64 lower-case hex digits each; at most 10.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub file_refs: Vec<String>,
}

impl NewEvidence {
    /// The piece with its words sealed for who brings it; `place` is where the piece stands in the body.
    pub async fn sealed(&self, state: &AppState, subject: UserId, place: &str) -> Result<Evidence, Problem> {
        let text_sealed = seal(state, subject, self.text.as_deref(), &format!("{place}/text")).await?;
        Ok(Evidence { kind: self.kind, text_sealed, file_refs: self.file_refs.clone() })
    }
}

/// What a person wrote, sealed with their key.
pub(super) async fn seal(
    state: &AppState,
    subject: UserId,
    words: Option<&str>,
    pointer: &str,
) -> Result<Option<String>, Problem> {
    let Some(words) = words.map(str::trim).filter(|words| !words.is_empty()) else { return Ok(None) };
    if words.chars().count() > WORDS_MAX {
        let detail = format!("shorten the text to at most {WORDS_MAX} characters");
        return Err(Problem::validation(pointer, "wrong_length", detail));
    }
    let sealed = state.sealer.seal(subject, &words).await.map_err(|error| {
        tracing::warn!(%error, "personal data cannot be sealed");
        Problem::new(ErrorCode::ServiceUnavailable).retry_after(1)
    })?;
    Ok(Some(sealed))
}

/// A complaint about an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reason_code": "QUALITY", "description": "The soup was cold and half of it was missing.",
    "claimed_amount": { "amount": "200.00", "currency": "RUB" },
    "evidence": [{ "kind": "PHOTO",
        "file_refs": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"] }]
}))]
pub(super) struct NewDispute {
    /// What went wrong; `BANK` is not for people.
    reason_code: DisputeReason,
    /// What happened; at most 2,000 characters. Kept sealed.
    description: String,
    /// How much is wanted back; all that can go back if left out.
    #[serde(default)]
    #[schema(nullable = false)]
    claimed_amount: Option<Money>,
    /// At most 10 pieces; required for `QUALITY` and `NOT_AS_DESCRIBED`.
    #[serde(default)]
    #[schema(max_items = 10)]
    evidence: Vec<NewEvidence>,
    /// The decided dispute that is appealed.
    #[serde(default)]
    #[schema(nullable = false)]
    appeal_of: Option<DisputeId>,
}

/// Open a dispute
///
/// The cook's share is frozen with it, and the cook has a day to answer.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/disputes", operation_id = "open_dispute", tag = "disputes",
    security(("bearer" = [])),
    params(
        ("id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "Done once under this key"),
    ),
    request_body = NewDispute,
    responses((status = 201, description = "Opened", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn open_dispute(
    State(state): State<AppState>,
    PathId(order_id): PathId<OrderId>,
    command: Command<NewDispute, (Customer, Admin)>,
) -> Result<Response, Problem> {
    command.require_key()?;
    let actor = party(&state, &command, order_id).await?;
    let no_such_order = || Problem::not_found("there is no such order");
    let Some(before) = load_order(&state, order_id).await? else {
        return command.refuse(&state, no_such_order()).await;
    };
    let customer_id = before.aggregate.customer_id().unwrap_or(command.principal.user_id);
    // Nothing is sealed in somebody else's name.
    if matches!(actor, Actor::Customer(asking) if asking != customer_id) {
        return command.refuse(&state, no_such_order()).await;
    }
    let claim = sealed_claim(&state, customer_id, &command.body).await?;

    // First the order lets itself be claimed: there, claim and payout cannot both win.
    // Its answer says what can go back at that very moment: the order may have been paid since it was looked at.
    let claimed =
        |order: &Order| to_json(&(order.disputes().last().map(|claim| claim.dispute_id), order.left_to_refund(false)));
    let on_order = on_order(&state, order_id, false, StatusCode::CREATED, &claimed);
    let step = Step { command_id: command.step_id("claim"), flow: order_id.0, is_matched: true };
    let policy = state.policies.order;
    let action = OrderCommand::ClaimDispute(Box::new(ClaimDispute { order_id, claim: claim.clone(), policy }));
    let answer = match command.submit_step(&state, &on_order, step, actor.clone(), action).await? {
        Handled::Done(done) => claimed(&done.aggregate).map_err(Problem::internal)?,
        Handled::Replayed(receipt) if receipt.status == Some(StatusCode::CREATED.as_u16()) => {
            receipt.data.map(|data| data.to_string()).unwrap_or_default()
        }
        Handled::Replayed(receipt) => return command.replay(&state, &receipt),
    };
    let (dispute_id, refundable): (DisputeId, Money) = serde_json::from_str(&answer).map_err(Problem::internal)?;

    // Then the dispute is opened; should this process end here, a process manager opens it.
    let flow = before.correlation_id;
    let target = on_dispute(&state, dispute_id, StatusCode::CREATED);
    let open = opening(&state, (dispute_id, refundable), &actor, &claim, (order_id, &before.aggregate))?;
    let step = Step { command_id: command.command_id(), flow, is_matched: false };
    let handled = command.submit_step(&state, &target, step, actor, open).await?;
    command.answer(&state, &target, handled)
}

fn opening(
    state: &AppState,
    (dispute_id, refundable): (DisputeId, Money),
    actor: &Actor,
    claim: &DisputeClaim,
    (order_id, order): (OrderId, &Order),
) -> Result<DisputeCommand, Problem> {
    let missing = || Problem::internal("a claimed order that was never placed");
    Ok(DisputeCommand::Open(Box::new(OpenDispute {
        dispute_id,
        order_id,
        customer_id: order.customer_id().ok_or_else(missing)?,
        producer_id: order.producer_id().ok_or_else(missing)?,
        opened_by: if matches!(actor, Actor::Admin(_)) { OpenedBy::Admin } else { OpenedBy::Customer },
        claim: claim.clone(),
        refundable,
        policy: state.policies.dispute,
    })))
}

async fn load_order(state: &AppState, order_id: OrderId) -> Result<Option<Loaded<Order>>, Problem> {
    state.orders.load(order_id.0).await.map_err(|error| match error {
        CommandError::Log(error) => log_problem(error),
        other => Problem::internal(other),
    })
}

async fn sealed_claim(state: &AppState, customer_id: UserId, wish: &NewDispute) -> Result<DisputeClaim, Problem> {
    let description_sealed = seal(state, customer_id, Some(&wish.description), "/description").await?;
    if description_sealed.is_none() {
        return Err(Problem::validation("/description", "missing", "say what happened"));
    }
    let mut evidence = Vec::with_capacity(wish.evidence.len());
    for (index, piece) in wish.evidence.iter().enumerate().take(11) {
        evidence.push(piece.sealed(state, customer_id, &format!("/evidence/{index}")).await?);
    }
    Ok(DisputeClaim {
        reason_code: wish.reason_code,
        description_sealed,
        claimed_amount: wish.claimed_amount,
        evidence,
        appeal_of: wish.appeal_of,
    })
}

/// Let a dispute be
#[utoipa::path(
    post, path = "/api/v1/disputes/{id}/withdraw", operation_id = "withdraw_dispute", tag = "disputes",
    security(("bearer" = [])), params(("id" = DisputeId, Path, description = "The dispute")), request_body = Nothing,
    responses((status = 200, description = "Withdrawn", body = DisputeAnswer), CommandProblems)
)]
pub(super) async fn withdraw_dispute(
    State(state): State<AppState>,
    PathId(dispute_id): PathId<DisputeId>,
    command: Command<Nothing, Customer>,
) -> Result<Response, Problem> {
    let actor = command.actor()?;
    let target = on_dispute(&state, dispute_id, StatusCode::OK);
    command.execute(&state, target, actor, DisputeCommand::Withdraw).await
}

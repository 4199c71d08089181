//! Gift codes: shown to the buyer, and looked at under a limit on guesses.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde::Deserialize;
use shared::{
    domain::{
        GiftId, UserId,
        gift::{CodeRef, Gift, GiftError, GiftStatus},
    },
    web::{Caller, Envelope, ErrorCode, PathId, Principal, Problem, Role, ValidQuery},
};
use utoipa::IntoParams;

use super::{
    access::ClientAddress,
    documents::{CommandProblems, GiftBalanceAnswer, GiftCodeAnswer},
    gift_views::{GiftCodeData, balance_data},
    payments::load_problem,
    state::AppState,
};
use crate::{
    gift_vault::VaultError,
    guesses::{Guess, GuessError},
};

/// A code that somebody gave, counted as wrong until it turns out right.
pub(super) struct GivenCode {
    /// What the code is known by.
    pub code_ref: CodeRef,
    /// The gift that it belongs to.
    pub gift_id: Option<GiftId>,
    guess: Guess,
}

impl GivenCode {
    /// Looks a code up, for somebody who has guesses left.
    pub async fn look_up(
        state: &AppState,
        user_id: UserId,
        address: ClientAddress,
        typed: &str,
    ) -> Result<Self, Problem> {
        let guess = state.guesses.begin(user_id, address.0).await.map_err(guess_problem)?;
        let code_ref = state.vault.reference(typed);
        let gift_id = state.vault.find(&code_ref).await.map_err(vault_problem)?;
        Ok(Self { code_ref, gift_id, guess })
    }

    /// The gift; a wrong code stays counted.
    pub fn gift_id(&self) -> Result<GiftId, Problem> {
        self.gift_id.ok_or_else(no_such_gift)
    }

    /// Takes the guess back unless the answer tells that there is no such gift.
    pub async fn judge<T>(self, state: &AppState, answer: Result<T, Problem>) -> Result<T, Problem> {
        let is_wrong = answer.as_ref().is_err_and(|problem| problem.status() == ErrorCode::NotFound.status());
        if !is_wrong {
            state.guesses.take_back(self.guess).await.map_err(|error| guess_problem(error.into()))?;
        }
        answer
    }
}

/// The one answer for a wrong code, somebody else's gift and a blocked one.
pub(super) fn no_such_gift() -> Problem {
    Problem::from(&GiftError::NotFound)
}

fn guess_problem(error: GuessError) -> Problem {
    match error {
        GuessError::TooMany { retry_after_secs } => Problem::new(ErrorCode::RateLimited)
            .detail("too many wrong gift codes; wait before you try another")
            .retry_after(retry_after_secs),
        GuessError::Database(error) => unavailable(&error),
    }
}

pub(super) fn vault_problem(error: VaultError) -> Problem {
    match error {
        VaultError::Database(error) => unavailable(&error),
        VaultError::Corrupt => Problem::internal(error),
    }
}

fn unavailable(error: &sqlx::Error) -> Problem {
    tracing::warn!(%error, "gift codes cannot be looked up");
    Problem::new(ErrorCode::ServiceUnavailable).detail("the database cannot be reached; try again").retry_after(1)
}

/// The gift, whoever asks.
pub(super) async fn load_gift(state: &AppState, gift_id: GiftId) -> Result<Gift, Problem> {
    let loaded = state.gifts.load(gift_id.0).await.map_err(|error| load_problem(&error))?;
    loaded.map(|loaded| loaded.aggregate).ok_or_else(no_such_gift)
}

/// The gift, for its buyer.
pub(super) async fn load_bought(state: &AppState, caller: &Principal, gift_id: GiftId) -> Result<Gift, Problem> {
    let gift = load_gift(state, gift_id).await?;
    let is_theirs = gift.terms().is_some_and(|terms| terms.buyer_id == caller.user_id);
    if is_theirs { Ok(gift) } else { Err(no_such_gift()) }
}

/// Show a gift's code
///
/// To its buyer, from the payment to the activation; then the code is erased.
#[utoipa::path(
    get, path = "/api/v1/gifts/{id}/code", operation_id = "get_gift_code", tag = "gifts", security(("bearer" = [])),
    params(("id" = GiftId, Path, description = "The gift")),
    responses((status = 200, description = "The code", body = GiftCodeAnswer), CommandProblems)
)]
pub(super) async fn get_gift_code(
    State(state): State<AppState>,
    PathId(gift_id): PathId<GiftId>,
    Caller(caller): Caller,
) -> Result<Response, Problem> {
    caller.require(Role::Customer)?;
    let gift = load_bought(&state, &caller, gift_id).await?;
    let why_not = match gift.status() {
        Some(GiftStatus::Issued) if gift.is_blocked() => Some(GiftError::Blocked),
        Some(GiftStatus::Issued) => None,
        Some(GiftStatus::Activated | GiftStatus::PartiallyRedeemed | GiftStatus::Redeemed) => {
            Some(GiftError::AlreadyActivated)
        }
        Some(GiftStatus::Expired) => Some(GiftError::Expired),
        Some(GiftStatus::Cancelled) => Some(GiftError::AlreadyCancelled),
        Some(GiftStatus::PendingPayment) | None => Some(GiftError::InvalidTransition),
    };
    if let Some(error) = why_not {
        return Err(Problem::from(&error));
    }
    let code = state.vault.reveal(gift_id).await.map_err(vault_problem)?;
    let (Some(code), Some(issue)) = (code, gift.issue()) else {
        // It was activated once, and the order of its dish came to nothing: the recipient knows the code.
        return Err(Problem::from(&GiftError::AlreadyActivated));
    };
    Ok(unstored(Envelope::new(GiftCodeData { id: gift_id, code, expires_at: issue.expires_at })))
}

/// The code that is asked about.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BalanceQuery {
    /// The code, as it was given.
    #[param(example = "7F3K-9QXA-M2ZC-41TB")]
    code: String,
}

/// Show what is on a gift
///
/// To whoever has its code, unless the gift is somebody else's by now. Wrong codes are counted.
#[utoipa::path(
    get, path = "/api/v1/gifts/balance", operation_id = "get_gift_balance", tag = "gifts",
    security(("bearer" = [])), params(BalanceQuery),
    responses(
        (status = 200, description = "The balance", body = GiftBalanceAnswer),
        (status = 429, description = "Too many wrong codes; `Retry-After` says when to try again",
            body = shared::web::problem::ProblemDetails, content_type = "application/problem+json"),
        CommandProblems,
    )
)]
pub(super) async fn get_gift_balance(
    State(state): State<AppState>,
    Caller(caller): Caller,
    address: ClientAddress,
    ValidQuery(query): ValidQuery<BalanceQuery>,
) -> Result<Response, Problem> {
    caller.require(Role::Customer)?;
    let given = GivenCode::look_up(&state, caller.user_id, address, &query.code).await?;
    let gift_id = given.gift_id()?;
    let gift = load_gift(&state, gift_id).await?;
    let is_shown = gift.is_shown_to(caller.user_id, &given.code_ref);
    let data = balance_data(gift_id, &gift).filter(|_| is_shown).ok_or_else(no_such_gift);
    given.judge(&state, data).await.map(|data| unstored(Envelope::new(data)))
}

/// An answer that no cache keeps.
fn unstored(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer).into_response()
}

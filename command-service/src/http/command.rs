//! One way in for every command: who asks, under which key, of which version; and one way out.

use axum::{
    extract::{FromRequest, FromRequestParts, MatchedPath, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use shared::{
    domain::{Actor, EventSourced, Intent, Rejection, RejectionKind},
    log::{LogError, Position},
    runtime::metrics::{Endpoint, RouteName},
    web::{
        Caller, ErrorCode, Fingerprint, IdempotencyKey, IfMatch, JsonBody, Principal, Problem, RequestContext,
        headers::{CONSISTENCY_TOKEN, IDEMPOTENT_REPLAYED, etag},
        problem,
    },
};
use std::{marker::PhantomData, sync::Arc};
use uuid::Uuid;

use super::{
    gate::{Gate, OneRole},
    state::AppState,
};
use crate::{
    command_handler::{Answers, CommandError, CommandHandler, Handled, Submission},
    event_log::{AppendError, AppendOutcome, AppendRequest, Receipt, ReceiptDraft, find_receipt},
};

/// A command as it came over the wire from one of those who may give it, with everything but its meaning checked.
pub(super) struct Command<T, W> {
    /// Who asks.
    pub principal: Principal,
    /// What is asked.
    pub body: T,
    /// The version the caller has seen.
    pub if_match: Option<IfMatch>,
    key: Option<IdempotencyKey>,
    fingerprint: Fingerprint,
    route: RouteName,
    request_id: Arc<str>,
    traceparent: Arc<str>,
    command_id: Uuid,
    who: PhantomData<fn() -> W>,
}

impl<T: DeserializeOwned, W: Gate> FromRequest<AppState> for Command<T, W> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Caller(principal) = Caller::from_request_parts(&mut parts, state).await?;
        principal.require_any(W::ROLES)?;
        let key = IdempotencyKey::from_headers(&parts.headers)?;
        let if_match = IfMatch::from_headers(&parts.headers)?;
        let matched = parts.extensions.get::<MatchedPath>().cloned();
        let context = parts.extensions.get::<RequestContext>().cloned();
        let context = context.ok_or_else(|| Problem::internal("a command outside of the request layer"))?;
        let method = parts.method.clone();
        let body = JsonBody::<T>::from_request(Request::from_parts(parts, body), state).await?;
        let command_id = match &key {
            Some(key) => {
                let route = matched.as_ref().map_or("", MatchedPath::as_str);
                keyed_command_id(&principal, method.as_str(), route, key)
            }
            None => Uuid::now_v7(),
        };
        Ok(Self {
            principal,
            if_match,
            fingerprint: if key.is_some() { body.fingerprint() } else { Fingerprint([0; 32]) },
            key,
            route: RouteName { route: Endpoint::new(matched) },
            request_id: Arc::from(context.request_id.to_str().unwrap_or_default()),
            traceparent: Arc::from(context.traceparent.to_string()),
            command_id,
            who: PhantomData,
            body: body.value,
        })
    }
}

/// The command that a key stands for: it is the caller's own, on one method and route.
fn keyed_command_id(principal: &Principal, method: &str, route: &str, key: &IdempotencyKey) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(principal.user_id.0.as_bytes());
    for part in [method, route, key.as_str()] {
        hash.update([0]);
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

/// Where a command goes and how its success looks.
pub(super) struct Target<'a, A: EventSourced> {
    pub handler: &'a CommandHandler<A>,
    pub aggregate_id: Uuid,
    pub is_new: bool,
    pub status: StatusCode,
    /// The caller of an existing thing sees this of it.
    pub view: &'a (dyn Fn(&A) -> Result<String, serde_json::Error> + Sync),
    /// A refusal as a problem.
    pub problem: fn(&A::Error) -> Problem,
    /// Whether the answer is given later, by [`late_answer`].
    pub answers_later: bool,
}

/// One step of a command that takes several, or the whole of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Names it: done once.
    pub command_id: Uuid,
    /// The business flow that something new belongs to.
    pub flow: Uuid,
    /// Whether `If-Match` names the version of what this step is about.
    pub is_matched: bool,
}

impl<T, W: OneRole> Command<T, W> {
    /// Who gives it, in the role that it takes; 403 for a cook without a kitchen.
    pub fn actor(&self) -> Result<Actor, Problem> {
        self.principal.actor_for(W::ROLE)
    }
}

impl<T, W> Command<T, W> {
    /// 400 unless the command came with a key.
    pub fn require_key(&self) -> Result<(), Problem> {
        if self.key.is_some() { Ok(()) } else { Err(ErrorCode::IdempotencyKeyMissing.into()) }
    }

    /// 428 unless the command says which version it is about.
    pub fn require_if_match(&self) -> Result<(), Problem> {
        if self.if_match.is_some() { Ok(()) } else { Err(ErrorCode::PreconditionRequired.into()) }
    }

    /// What names the command.
    pub fn command_id(&self) -> Uuid {
        self.command_id
    }

    /// The trace the command belongs to.
    pub fn traceparent(&self) -> Arc<str> {
        Arc::clone(&self.traceparent)
    }

    /// Has the command done and answers with what it became.
    pub async fn execute<A: EventSourced>(
        &self,
        state: &AppState,
        target: Target<'_, A>,
        actor: Actor,
        action: A::Action,
    ) -> Result<Response, Problem> {
        let handled = self.submit(state, &target, actor, action).await?;
        self.answer(state, &target, handled)
    }

    /// The answer to what was done, or was done before.
    pub fn answer<A: EventSourced>(
        &self,
        state: &AppState,
        target: &Target<'_, A>,
        handled: Handled<A>,
    ) -> Result<Response, Problem> {
        match handled {
            Handled::Done(done) => {
                let data = (target.view)(&done.aggregate).map_err(Problem::internal)?;
                Ok(success(state, target.status, &data, done.sequence, done.position))
            }
            Handled::Replayed(receipt) => self.replay(state, &receipt),
        }
    }

    /// Has the command done.
    pub async fn submit<A: EventSourced>(
        &self,
        state: &AppState,
        target: &Target<'_, A>,
        actor: Actor,
        action: A::Action,
    ) -> Result<Handled<A>, Problem> {
        let whole = Step { command_id: self.command_id, flow: target.aggregate_id, is_matched: true };
        self.submit_step(state, target, whole, actor, action).await
    }

    /// Names what the command makes: the same for the same request again, and another for another request under the
    /// same key, which is none of this one's business.
    pub fn id_of(&self, what: &str) -> Uuid {
        let name = [what.as_bytes(), &self.fingerprint.0].concat();
        Uuid::new_v5(&self.command_id, &name)
    }

    /// The answer that was given to the same command before, if one was.
    pub async fn answered(&self, state: &AppState) -> Result<Option<Response>, Problem> {
        let found = find_receipt(&state.db, self.command_id).await.map_err(|error| log_problem(error.into()))?;
        found.map(|receipt| self.replay(state, &receipt)).transpose()
    }

    /// The name of the step `name` of a command that takes several.
    pub fn step_id(&self, name: &str) -> Uuid {
        Uuid::new_v5(&self.command_id, name.as_bytes())
    }

    /// Has one step of the command done.
    pub async fn submit_step<A: EventSourced>(
        &self,
        state: &AppState,
        target: &Target<'_, A>,
        step: Step,
        actor: Actor,
        action: A::Action,
    ) -> Result<Handled<A>, Problem> {
        let submission = Submission {
            aggregate_id: target.aggregate_id,
            is_new: target.is_new,
            command_id: step.command_id,
            fingerprint: self.key.is_some().then_some(self.fingerprint.0),
            expected_version: self.if_match.filter(|_| step.is_matched).and_then(IfMatch::version),
            correlation_id: step.flow,
            causation_id: step.command_id,
            request_id: Some(Arc::clone(&self.request_id)),
            traceparent: Some(Arc::clone(&self.traceparent)),
            intent: Intent { actor, now: state.clock.now(), command: action },
        };
        let answers = Rendered { target };
        let handled = target.handler.execute(submission, &answers).await.map_err(|error| refusal(target, error))?;
        if let Handled::Replayed(receipt) = &handled {
            self.check_fingerprint(receipt)?;
            state.metrics.idempotent_replays.get_or_create(&self.route).inc();
        }
        Ok(handled)
    }

    fn check_fingerprint(&self, receipt: &Receipt) -> Result<(), Problem> {
        if receipt.fingerprint == self.fingerprint.0 {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::IdempotencyKeyReused).detail("this key stands for another request; take a new one"))
    }

    /// What is refused before any aggregate is asked: kept under the key like every other refusal that stays so.
    pub async fn refuse(&self, state: &AppState, problem: Problem) -> Result<Response, Problem> {
        let stays = matches!(problem.status(), StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY);
        if self.key.is_none() || !stays {
            return Err(problem);
        }
        let receipt = ReceiptDraft {
            fingerprint: self.fingerprint.0,
            status: Some(problem.status().as_u16()),
            data: Some(Arc::from(String::from_utf8_lossy(&problem.to_bytes()))),
            sequence: 0,
        };
        let request = AppendRequest {
            command_id: self.command_id,
            receipt: Some(receipt),
            stream: None,
            timers: Vec::new(),
            portions: None,
            ticket: None,
        };
        match state.queue.append(request).await.map_err(append_problem)? {
            AppendOutcome::ReceiptFound(receipt) => {
                state.metrics.idempotent_replays.get_or_create(&self.route).inc();
                self.replay(state, &receipt)
            }
            AppendOutcome::Appended(_) | AppendOutcome::Conflict | AppendOutcome::ShortOfPortions => Err(problem),
        }
    }

    /// The answer that was given before, byte for byte.
    pub fn replay(&self, state: &AppState, receipt: &Receipt) -> Result<Response, Problem> {
        self.check_fingerprint(receipt)?;
        let status = receipt.status.and_then(|status| StatusCode::from_u16(status).ok());
        let (Some(status), Some(data)) = (status, &receipt.data) else {
            let detail = "the first request under this key is still being answered";
            return Err(Problem::new(ErrorCode::IdempotencyInProgress).detail(detail).retry_after(1));
        };
        let mut response = if status.is_success() {
            success(state, status, data, receipt.sequence, receipt.position)
        } else {
            (status, [(header::CONTENT_TYPE, problem::CONTENT_TYPE)], data.to_string()).into_response()
        };
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    /// Gives the answer of a command that could not be answered when it was recorded. Of several that answer at the
    /// same time, one is heard and all give its answer.
    pub async fn late_answer(
        &self,
        state: &AppState,
        status: StatusCode,
        data: String,
        replayed: bool,
    ) -> Result<Response, Problem> {
        let answered = state.queue.answer(self.command_id, status.as_u16(), Arc::from(data)).await;
        let receipt = answered.map_err(append_problem)?;
        let receipt = receipt.ok_or_else(|| Problem::internal("the receipt of an unanswered command is gone"))?;
        let mut response = self.replay(state, &receipt)?;
        if !replayed {
            response.headers_mut().remove(IDEMPOTENT_REPLAYED);
        }
        Ok(response)
    }
}

struct Rendered<'t, 'a, A: EventSourced> {
    target: &'t Target<'a, A>,
}

impl<A: EventSourced> Answers<A> for Rendered<'_, '_, A> {
    fn success(&self, aggregate: &A, _: u64) -> (Option<u16>, Option<Arc<str>>) {
        if self.target.answers_later {
            return (None, None);
        }
        match (self.target.view)(aggregate) {
            Ok(data) => (Some(self.target.status.as_u16()), Some(Arc::from(data))),
            Err(_) => (None, None),
        }
    }

    /// Kept: what stays so. A validation error or a missing right may be mended and sent again under the same key.
    fn refusal(&self, error: &A::Error, _: u64) -> Option<(u16, Arc<str>)> {
        match error.kind() {
            RejectionKind::NotFound | RejectionKind::Rule => {
                let problem = (self.target.problem)(error);
                let body = String::from_utf8_lossy(&problem.to_bytes()).into_owned();
                Some((problem.status().as_u16(), Arc::from(body)))
            }
            RejectionKind::PermissionDenied | RejectionKind::Validation => None,
        }
    }
}

fn success(state: &AppState, status: StatusCode, data: &str, version: u64, position: Position) -> Response {
    let token = state.opaque.seal_position(position);
    let body =
        format!(r#"{{"success":true,"data":{data},"meta":{{"version":{version},"consistency_token":"{token}"}}}}"#);
    let token = HeaderValue::try_from(token).unwrap_or_else(|_| HeaderValue::from_static(""));
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ETAG, etag(version)),
        (CONSISTENCY_TOKEN, token),
    ];
    (status, headers, body).into_response()
}

fn refusal<A: EventSourced>(target: &Target<'_, A>, error: CommandError<A::Error>) -> Problem {
    match error {
        CommandError::Refused(error) => (target.problem)(&error),
        CommandError::VersionMismatch { current } => Problem::new(ErrorCode::PreconditionFailed)
            .current_version(current)
            .detail("the version is another one now"),
        CommandError::LostRace => Problem::new(ErrorCode::ConcurrencyConflict)
            .detail("others changed the same thing at the same time; try again"),
        CommandError::Append(error) => append_problem(error),
        CommandError::Log(error) => log_problem(error),
    }
}

/// A log that does not take an append, as the caller sees it.
pub(super) fn append_problem(error: AppendError) -> Problem {
    match error {
        AppendError::Full | AppendError::Closed => unavailable("too many commands are waiting; try again"),
        AppendError::OutcomeUnknown(cause) => {
            tracing::warn!(%cause, "a command's outcome is not known");
            unavailable("the outcome is not known; send the same request with the same Idempotency-Key again")
        }
        AppendError::TooLarge { .. } => ErrorCode::PayloadTooLarge.into(),
        AppendError::Rejected(cause) => Problem::internal(cause),
    }
}

/// A log that cannot be read, as the caller sees it.
pub(super) fn log_problem(error: LogError) -> Problem {
    match error {
        LogError::Database(cause) => {
            tracing::warn!(%cause, "the log cannot be read");
            unavailable("the database cannot be reached; try again")
        }
        LogError::Unreadable { .. } => Problem::internal(error),
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(ErrorCode::ServiceUnavailable).detail(detail).retry_after(1)
}

/// The JSON of a view.
pub(super) fn to_json(view: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(view)
}

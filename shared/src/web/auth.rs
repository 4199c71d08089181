//! Who calls, and what they may be.

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use utoipa::ToSchema;

use super::{
    problem::{ErrorCode, Problem},
    token::{Authenticator, TokenError},
};
use crate::domain::{Actor, ProducerId, UserId};

/// What a person may be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders and pays.
    Customer = 1,
    /// Cooks, for a kitchen.
    Producer = 2,
    /// Runs the marketplace.
    Admin = 4,
    /// Looks at numbers.
    Analyst = 8,
}

impl Role {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Customer, "customer"),
        (Self::Producer, "producer"),
        (Self::Admin, "admin"),
        (Self::Analyst, "analyst"),
    ];

    /// The name in a token.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }
}

/// Any number of roles. Written as a list of names; names unknown here are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether `role` is among them.
    pub fn contains(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// These and `role`.
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | role as u8)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().map(|(role, _)| role).filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), Self::with)
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Role::as_str))
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Cow<'de, str>>::deserialize(deserializer)?;
        Ok(Role::ALL.into_iter().filter(|(_, name)| names.iter().any(|n| n == name)).map(|(role, _)| role).collect())
    }
}

/// The person behind a verified token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user_id: UserId,
    /// What the person may be.
    pub roles: Roles,
    /// The kitchen the person cooks for.
    pub producer_id: Option<ProducerId>,
    /// When the token ends, in seconds since 1970.
    pub expires_at: u64,
}

impl Principal {
    /// Whether the person may be this.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(role)
    }

    /// 403 unless the person may be this.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        self.require_any(&[role])
    }

    /// 403 unless the person may be one of these.
    pub fn require_any(&self, roles: &[Role]) -> Result<(), Problem> {
        if roles.iter().any(|role| self.is(*role)) {
            return Ok(());
        }
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        Err(Problem::new(ErrorCode::PermissionDenied).detail(format!("this needs the role {}", names.join(" or "))))
    }

    /// The actor of a command given in this role; an analyst gives none.
    pub fn actor_for(&self, role: Role) -> Result<Actor, Problem> {
        self.require(role)?;
        let denied = |detail: &str| Problem::new(ErrorCode::PermissionDenied).detail(detail);
        match role {
            Role::Customer => Ok(Actor::Customer(self.user_id)),
            Role::Admin => Ok(Actor::Admin(self.user_id)),
            Role::Producer => Ok(Actor::Producer { producer_id: self.kitchen()?, user_id: self.user_id }),
            Role::Analyst => Err(denied("an analyst only looks")),
        }
    }

    /// The kitchen of a producer; 403 for a token that names none.
    pub fn kitchen(&self) -> Result<ProducerId, Problem> {
        let denied = || Problem::new(ErrorCode::PermissionDenied).detail("the token names no producer_id");
        self.producer_id.ok_or_else(denied)
    }
}

/// The caller, who must be signed in: 401 otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let OptionalCaller(principal) = OptionalCaller::from_request_parts(parts, state).await?;
        principal.map(Self).ok_or_else(|| unauthenticated(None))
    }
}

/// The caller, if signed in. A token that is not believed is 401 here too: its bearer thinks to be signed in.
#[derive(Debug, Clone, Copy)]
pub struct OptionalCaller(pub Option<Principal>);

impl<S: Send + Sync> FromRequestParts<S> for OptionalCaller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).map_err(|error| unauthenticated(Some(error)))?;
        let Some(token) = token else { return Ok(Self(None)) };
        let principal = Authenticator::from_ref(state).authenticate(token).await;
        principal.map(|principal| Self(Some(principal))).map_err(|error| unauthenticated(Some(error)))
    }
}

/// 401, with what the caller must do and, of a token that was sent, why it is not believed.
pub fn unauthenticated(error: Option<TokenError>) -> Problem {
    let challenge = match error {
        None => "Bearer realm=\"homefood\"".to_owned(),
        Some(error) => {
            format!("Bearer realm=\"homefood\", error=\"invalid_token\", error_description=\"{error}\"")
        }
    };
    let detail = error.map_or_else(|| "no token was sent".to_owned(), |error| error.to_string());
    let problem = Problem::new(ErrorCode::Unauthenticated).detail(detail);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}

/// The token of `Authorization: Bearer <token>`, if there is one.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, TokenError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| TokenError::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenError::Malformed)?;
    let token = token.trim();
    if values.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(TokenError::Malformed);
    }
    Ok(Some(token))
}

/// What stands before the token among the subprotocols of a socket.
const SUBPROTOCOL_PREFIX: &str = "bearer.";

/// The token a browser sends with a socket, as the subprotocol `bearer.<jwt>`: it cannot set headers.
pub fn subprotocol_token(headers: &HeaderMap) -> Option<&str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = lists
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().strip_prefix(SUBPROTOCOL_PREFIX).filter(|token| !token.is_empty()));
    let token = tokens.next()?;
    // Two tokens leave open who calls.
    tokens.next().is_none().then_some(token)
}

#[cfg(test)]
mod tests;

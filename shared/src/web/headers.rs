//! Headers with a meaning: idempotency keys, versions, how long to wait.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use std::time::Duration;

use super::problem::{ErrorCode, Problem};

/// A key under which a command is done once.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is that of an earlier command with the same key.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// What a query must have seen at least.
pub const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
/// How far the view has seen.
pub const PROJECTION_POSITION: HeaderName = HeaderName::from_static("projection-position");
/// What the caller would like.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// What the caller got of it.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Names one request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest a caller may ask an answer to wait: the request itself ends after 10 s.
const WAIT_MAX_SECS: u64 = 8;

/// The only value of a header; `None` when absent, a problem when given twice or not in visible ASCII.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong(name, "duplicate", "is given twice"));
    }
    first.to_str().map(Some).map_err(|_| wrong(name, "malformed", "is not visible ASCII"))
}

fn wrong(name: &HeaderName, code: &'static str, what: &str) -> Problem {
    Problem::validation(String::new(), code, format!("the header {name} {what}"))
}

/// A key under which a command is done once. Written as a quoted string or bare, 1 to 255 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key without its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a request, if it has one.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(text) = only(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
        let key = unquote(text.trim_matches([' ', '\t']));
        let fits = |key: &String| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        let what = "must be 1 to 255 visible characters, quoted or bare";
        key.filter(fits).map(|key| Some(Self(key))).ok_or_else(|| wrong(&IDEMPOTENCY_KEY, "malformed", what))
    }
}

/// An sf-string (RFC 8941) without its quotes and escapes; a bare token as it is.
fn unquote(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else {
        return (!text.contains(['"', '\\'])).then(|| text.to_owned());
    };
    let quoted = rest.strip_suffix('"')?;
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            _ => key.push(character),
        }
    }
    Some(key)
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_headers(&parts.headers)?.ok_or_else(|| Problem::new(ErrorCode::IdempotencyKeyMissing))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::from_headers(&parts.headers)
    }
}

/// What a command expects of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// That it exists.
    Any,
    /// That it is at this version.
    Version(u64),
}

impl IfMatch {
    /// What a request expects, if it says so. Only this service's own tags are understood: `"v7"` or `*`.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        match only(headers, &header::IF_MATCH)?.map(str::trim) {
            None => Ok(None),
            Some("*") => Ok(Some(Self::Any)),
            Some(tag) => match parse_etag(tag) {
                Some(version) => Ok(Some(Self::Version(version))),
                None => Err(wrong(&header::IF_MATCH, "malformed", "must be one strong tag such as \"v7\", or *")),
            },
        }
    }

    /// The version expected, if one is.
    pub fn version(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Version(version) => Some(version),
        }
    }

    /// Whether a resource at `current` is what was expected; else 412 with the current version.
    pub fn check(self, current: u64) -> Result<(), Problem> {
        match self {
            Self::Version(version) if version != current => {
                Err(Problem::new(ErrorCode::PreconditionFailed).current_version(current))
            }
            Self::Any | Self::Version(_) => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_headers(&parts.headers)?.ok_or_else(|| Problem::new(ErrorCode::PreconditionRequired))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::from_headers(&parts.headers)
    }
}

/// The tag of a version.
pub fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"v{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"v0\""))
}

/// The version of a tag. A leading zero or plus would make two tags of one version.
fn parse_etag(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix("\"v")?.strip_suffix('"')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

/// Whether the caller already has this version (`If-None-Match`), so that 304 is enough.
pub fn has_version(headers: &HeaderMap, version: u64) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || parse_etag(tag.strip_prefix("W/").unwrap_or(tag)) == Some(version))
}

/// How long the caller would wait for an answer that is complete (`Prefer: wait=n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferWait {
    seconds: u64,
}

impl PreferWait {
    /// The wish of a request. What is not understood is ignored, as RFC 7240 has it.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let preferences = lists.flat_map(|list| list.split([',', ';']));
        let wait = |preference: &str| {
            let (name, value) = preference.split_once('=')?;
            let seconds = value.trim().trim_matches('"').parse::<u64>().ok()?;
            name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
        };
        preferences.filter_map(wait).next().map(|seconds| Self { seconds: seconds.min(WAIT_MAX_SECS) })
    }

    /// How long to wait.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// What the answer says under `Preference-Applied`.
    pub fn applied(self) -> HeaderValue {
        HeaderValue::try_from(format!("wait={}", self.seconds)).unwrap_or_else(|_| HeaderValue::from_static("wait=0"))
    }
}

#[cfg(test)]
mod tests;

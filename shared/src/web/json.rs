//! Bodies: JSON only, small, exactly of the shape asked for; and their fingerprints.

use axum::{
    body::BodyDataStream,
    extract::{FromRequest, Request},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, error::Category};
use serde_path_to_error::{Path, Segment};
use sha2::{Digest, Sha256};

use super::problem::{ErrorCode, Problem};

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a larger one that are taken and thrown away.
const DRAINED_BYTES_MAX: usize = 1024 * 1024;

/// A body of the shape `T`. Let `T` deny unknown fields. No body at all counts as `{}`.
#[derive(Debug, Clone)]
pub struct JsonBody<T> {
    /// What was sent.
    pub value: T,
    raw: Bytes,
    method: Method,
    uri: Uri,
}

impl<T> JsonBody<T> {
    /// The body as it was sent.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What the command is, whatever the order of its fields and its white space.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.method, self.uri.path(), &self.raw)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let mut pieces = body.into_data_stream();
        if announced.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
            return Err(too_large(&mut pieces).await);
        }
        let raw = read(&mut pieces).await?;
        let raw = if raw.is_empty() { Bytes::from_static(b"{}") } else { json_only(&parts.headers, raw)? };
        Ok(Self { value: parse(&raw)?, raw, method: parts.method, uri: parts.uri })
    }
}

fn json_only(headers: &HeaderMap, raw: Bytes) -> Result<Bytes, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(raw) } else { Err(ErrorCode::UnsupportedMediaType.into()) }
}

/// Takes what is on its way, within a bound: a refusal that is sent while the caller still writes gets lost with the
/// connection.
async fn too_large(pieces: &mut BodyDataStream) -> Problem {
    let mut taken = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        taken += piece.len();
        if taken > DRAINED_BYTES_MAX {
            return Problem::from(ErrorCode::PayloadTooLarge)
                .header(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    ErrorCode::PayloadTooLarge.into()
}

async fn read(pieces: &mut BodyDataStream) -> Result<Bytes, Problem> {
    let mut whole = Bytes::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::new(ErrorCode::MalformedJson).detail("the body ended early"))?;
        if whole.len() + piece.len() > BODY_BYTES_MAX {
            return Err(too_large(pieces).await);
        }
        // Nearly every body comes in one piece, which is then not copied.
        whole = if whole.is_empty() { piece } else { [whole, piece].iter().fold(BytesMut::new(), joined).freeze() };
    }
    Ok(whole)
}

fn joined(mut whole: BytesMut, piece: &Bytes) -> BytesMut {
    whole.extend_from_slice(piece);
    whole
}

/// Parses fast; only a refusal is parsed again, slowly, to learn where it went wrong. What is JSON and not of the shape
/// is never called malformed: a list that is too long for its place is a syntax error to serde.
pub fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Problem> {
    if has_nul(raw) {
        return Err(Problem::validation("", "nul_character", "a text contains the character U+0000"));
    }
    // serde would take an array for the values of the fields in their order, which is nobody's contract.
    if raw.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        serde_json::from_slice::<IgnoredAny>(raw).map_err(|error| malformed(&error))?;
        return Err(Problem::validation("", "wrong_type", "the body must be an object, not an array"));
    }
    serde_json::from_slice(raw).map_err(|error| match error.classify() {
        Category::Data => explain::<T>(raw),
        Category::Syntax | Category::Eof | Category::Io => match serde_json::from_slice::<Value>(raw) {
            Ok(_) => explain::<T>(raw),
            Err(error) => malformed(&error),
        },
    })
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
    Problem::new(ErrorCode::MalformedJson).detail(detail)
}

fn explain<T: DeserializeOwned>(raw: &[u8]) -> Problem {
    let mut json = serde_json::Deserializer::from_slice(raw);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => Problem::new(ErrorCode::MalformedJson).detail("there is more than one value in the body"),
        Err(error) => {
            let text = error.inner().to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            match error.inner().classify() {
                Category::Data => field_problem(error.path(), what),
                Category::Syntax | Category::Eof | Category::Io => {
                    field_problem(error.path(), "invalid length: the list has more items than there are places")
                }
            }
        }
    }
}

/// Turns what serde says of a field into a pointer and a code.
pub(super) fn field_problem(path: &Path, what: &str) -> Problem {
    let named = || what.split('`').nth(1).unwrap_or_default();
    let (mut pointer, code) = (pointer_of(path), code_of(what));
    let is_named = pointer.rsplit('/').next() == Some(&*escaped(named()));
    if matches!(code, "missing" | "unknown_field" | "duplicate_field") && !is_named {
        pointer = format!("{pointer}/{}", escaped(named()));
    }
    Problem::validation(pointer, code, what)
}

fn code_of(what: &str) -> &'static str {
    const CODES: [(&str, &str); 7] = [
        ("missing field", "missing"),
        ("unknown field", "unknown_field"),
        ("duplicate field", "duplicate_field"),
        ("unknown variant", "unknown_value"),
        ("invalid type", "wrong_type"),
        ("invalid length", "wrong_length"),
        ("invalid value", "out_of_range"),
    ];
    CODES.into_iter().find(|(start, _)| what.starts_with(start)).map_or("invalid", |(_, code)| code)
}

fn pointer_of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            // The variant of a tagged union has no place in the document.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Whether a text contains U+0000, which Postgres cannot keep. A raw one is not JSON; this finds the escaped.
fn has_nul(raw: &[u8]) -> bool {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        // An escaped backslash is two bytes: its second does not start an escape.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// SHA-256 over method, path and the canonical body: two commands with the same one are the same command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a command. `raw` has been parsed before, so it is JSON.
    pub fn of(method: &Method, path: &str, raw: &[u8]) -> Self {
        let mut text = format!("{method}\n{path}\n");
        match serde_json::from_slice(raw) {
            Ok(value) => write_canonical(&value, &mut text),
            Err(_) => text.push_str(&String::from_utf8_lossy(raw)),
        }
        Self(Sha256::digest(text).into())
    }
}

/// RFC 8785: keys sorted by UTF-16, no white space. Numbers are integers here, so their text is canonical already.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(item, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests;

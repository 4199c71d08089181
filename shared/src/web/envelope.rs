//! The one shape of a success: `{"success":true,"data":…,"meta":{…}}`.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;

/// A success. Lists put their array in `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Envelope<T> {
    /// Always true.
    #[schema(default = true)]
    pub success: bool,
    /// What was asked for.
    pub data: T,
    /// What is said about it.
    pub meta: Meta,
}

/// What is said about the data of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Meta {
    /// The version of the resource; its ETag is `"v<version>"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    pub version: Option<u64>,
    /// Send it as `Consistency-Token` with a query to see at least what this command did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub consistency_token: Option<String>,
    /// Send it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
    /// True if there is more than an answer of this kind shows; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub truncated: Option<bool>,
}

impl<T> Envelope<T> {
    /// Wraps `data`.
    pub fn new(data: T) -> Self {
        Self { success: true, data, meta: Meta::default() }
    }

    /// The version of the resource.
    pub fn version(mut self, version: u64) -> Self {
        self.meta.version = Some(version);
        self
    }

    /// What a query sends to see at least this.
    pub fn consistency_token(mut self, token: impl Into<String>) -> Self {
        self.meta.consistency_token = Some(token.into());
        self
    }

    /// Says that there is more than `data` shows, and no way to the rest from here.
    pub fn truncated(mut self, is_truncated: bool) -> Self {
        self.meta.truncated = is_truncated.then_some(true);
        self
    }

    /// Where the next page begins; `None` at the end.
    pub fn next_cursor(mut self, cursor: Option<String>) -> Self {
        self.meta.next_cursor = cursor;
        self
    }
}

impl<T: Serialize> Envelope<T> {
    /// The body, as it is sent and as a receipt keeps it.
    pub fn to_bytes(&self) -> Result<Bytes, serde_json::Error> {
        serde_json::to_vec(self).map(Bytes::from)
    }
}

impl<T: Serialize> IntoResponse for Envelope<T> {
    fn into_response(self) -> Response {
        match self.to_bytes() {
            Ok(body) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(cause) => Problem::internal(cause).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_absent_is_left_out() {
        let list = serde_json::to_value(Envelope::new([1, 2]).next_cursor(None)).expect("serialises");
        assert_eq!(list, json!({"success": true, "data": [1, 2], "meta": {}}));
        let one = Envelope::new("x").version(3).consistency_token("t");
        let expected = json!({"success": true, "data": "x", "meta": {"version": 3, "consistency_token": "t"}});
        assert_eq!(serde_json::to_value(one).expect("serialises"), expected);
    }
}

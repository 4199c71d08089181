//! What events look like, for those who read them elsewhere: `/asyncapi.json` and every released schema.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    Json, Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{asyncapi, problem::Problem};
use crate::domain::AggregateType;

const SCHEMA_JSON: HeaderValue = HeaderValue::from_static("application/schema+json");
/// A released schema never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Versions that are not written any more; the types know today's only.
const SUPERSEDED: &[(&str, u16, &str)] = &[
    ("order_created", 1, include_str!("../../../schemas/order_created/1.json")),
    ("order_paid", 1, include_str!("../../../schemas/order_paid/1.json")),
    ("payment_external_refund_recorded", 1, include_str!("../../../schemas/payment_external_refund_recorded/1.json")),
    ("payment_refund_resolved", 1, include_str!("../../../schemas/payment_refund_resolved/1.json")),
];

static SCHEMAS: LazyLock<BTreeMap<(String, u16), String>> = LazyLock::new(|| {
    let today = AggregateType::ALL.into_iter().flat_map(AggregateType::event_schemas);
    let today = today.map(|(name, version, schema)| ((name.to_owned(), version), format!("{:#}\n", schema.to_value())));
    let before = SUPERSEDED.iter().map(|(name, version, text)| (((*name).to_owned(), *version), (*text).to_owned()));
    today.chain(before).collect()
});

/// `/asyncapi.json`, `/schemas` and `/schemas/{event}/{version}`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/asyncapi.json", get(|| async { Json(asyncapi::document(env!("CARGO_PKG_VERSION"))) }))
        .route("/schemas", get(list))
        .route("/schemas/{event}/{version}", get(schema))
}

/// The schema of a released version of an event, as it is committed.
pub fn released_schema(event: &str, version: u16) -> Option<&'static str> {
    SCHEMAS.get(&(event.to_owned(), version)).map(String::as_str)
}

async fn list() -> Json<Value> {
    let entry = |(event, version): &(String, u16)| json!({ "event": event, "version": version, "schema": format!("/schemas/{event}/{version}") });
    Json(SCHEMAS.keys().map(entry).collect())
}

async fn schema(Path((event, version)): Path<(String, String)>) -> Response {
    let found = version.parse().ok().and_then(|version| released_schema(&event, version));
    let Some(text) = found else {
        return Problem::not_found("there is no such schema; /schemas lists them all").into_response();
    };
    ([(header::CONTENT_TYPE, SCHEMA_JSON), (header::CACHE_CONTROL, FOR_EVER)], text).into_response()
}

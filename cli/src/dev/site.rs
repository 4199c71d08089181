//! What a browser finds: the documents and the pages that show them, without the network.

use axum::{Json, Router, response::Redirect, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// `/docs` and `/openapi.json`.
pub fn router(document: OpenApi) -> Router {
    let served = document.clone();
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs/") }))
        .route("/openapi.json", get(move || async move { Json(served) }))
        .merge(SwaggerUi::new("/docs").url("/docs/openapi.json", document))
}

//! What operators ask of every service: health, metrics, and the pages of problems.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{contracts, problem::pages};
use crate::runtime::{
    Health, HealthStatus, Metrics,
    health::{HealthCheck, HealthReport, Verdict},
};

const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

#[derive(Clone)]
struct Ops {
    metrics: Arc<Metrics>,
    health: Health,
}

/// `/metrics`, `/health/`, `/health/live`, `/health/ready`, `/problems`, `/schemas` and `/asyncapi.json`.
pub fn routes<S: Clone + Send + Sync + 'static>(metrics: Arc<Metrics>, health: Health) -> OpenApiRouter<S> {
    let documented = OpenApiRouter::new().routes(routes!(report)).routes(routes!(live)).routes(routes!(ready));
    let documented = documented.routes(routes!(scrape)).route("/health", get(report));
    documented
        .with_state(Ops { metrics, health })
        .merge(OpenApiRouter::from(pages::router()))
        .merge(OpenApiRouter::from(contracts::router()))
}

/// How well the service and each of its parts is.
#[utoipa::path(
    get, path = "/health/", operation_id = "get_health", tag = "operations",
    responses(
        (status = 200, description = "Healthy or degraded", body = HealthReport),
        (status = 503, description = "Unhealthy", body = HealthReport),
    )
)]
async fn report(State(ops): State<Ops>) -> Response {
    answer(ops.health.report().await)
}

/// Whether the process runs; asks nobody else.
#[utoipa::path(
    get, path = "/health/live", operation_id = "get_liveness", tag = "operations",
    responses((status = 200, description = "It runs", body = HealthReport))
)]
async fn live() -> Response {
    let Verdict { status, message } = Verdict::healthy();
    let process = HealthCheck { name: "process".to_owned(), status, message, response_time_ms: 0 };
    answer(HealthReport { status, checks: vec![process] })
}

/// Whether requests may be sent here.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "get_readiness", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = HealthReport),
        (status = 503, description = "Not ready", body = HealthReport),
    )
)]
async fn ready(State(ops): State<Ops>) -> Response {
    answer(ops.health.readiness().await)
}

fn answer(report: HealthReport) -> Response {
    let status = match report.status {
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

/// Every metric, as OpenMetrics text.
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "operations",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"))
)]
async fn scrape(State(ops): State<Ops>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], ops.metrics.encode()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::health::Readiness;
    use axum::{Router, body::Body};
    use http::Request;
    use tower::ServiceExt;

    async fn get_path(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("infallible");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn only_unhealthy_is_503_and_life_asks_nobody() {
        let health = Health::new();
        let database = health.cell("database", Readiness::Required);
        let relay = health.cell("relay", Readiness::NotRequired);
        let (router, api) = routes::<()>(Metrics::new("test", "0"), health).split_for_parts();
        assert!(api.paths.paths.contains_key("/health/") && api.paths.paths.contains_key("/metrics"));

        relay.set(HealthStatus::Degraded, "behind");
        for path in ["/health", "/health/"] {
            let (status, body) = get_path(&router, path).await;
            assert_eq!(status, StatusCode::OK);
            assert!(body.starts_with("{\"status\":\"degraded\",\"checks\":[{\"name\":\"database\""), "{body}");
        }
        database.set(HealthStatus::Unhealthy, "gone");
        let statuses = ["/health/", "/health/ready", "/health/live"].map(|path| get_path(&router, path));
        let statuses = futures::future::join_all(statuses).await;
        assert_eq!(statuses.into_iter().map(|(status, _)| status.as_u16()).collect::<Vec<_>>(), [503, 503, 200]);
    }

    #[tokio::test]
    async fn metrics_and_problems_are_served() {
        let (router, _) = routes::<()>(Metrics::new("test", "0"), Health::new()).split_for_parts();
        let (status, body) = get_path(&router, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.ends_with("# EOF\n"));
        assert_eq!(get_path(&router, "/problems/not-found").await.0, StatusCode::OK);
    }
}

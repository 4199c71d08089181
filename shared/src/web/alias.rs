//! `/api/…` is `/api/v1/…`, and a trailing slash does not matter: both are served, not redirected.

use http::{Request, Uri, uri::PathAndQuery};
use std::task::{Context, Poll};
use tower::Service;

/// Rewrites the path before the router inside sees it. Wrap the whole router, not a route.
#[derive(Debug, Clone)]
pub struct Alias<S> {
    inner: S,
}

impl<S> Alias<S> {
    /// Wraps a router.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Alias<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.inner.call(request)
    }
}

/// The address the API is served at; `None` when it is this one already.
fn canonical(uri: &Uri) -> Option<Uri> {
    let below_api = uri.path().strip_prefix("/api/")?;
    let trimmed = below_api.strip_suffix('/').unwrap_or(below_api);
    let has_version = trimmed == "v1" || trimmed.starts_with("v1/");
    if has_version && trimmed.len() == below_api.len() {
        return None;
    }
    let base = if has_version { "/api/" } else { "/api/v1/" };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = PathAndQuery::try_from(format!("{base}{trimmed}{query}")).ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, routing::get};
    use http::StatusCode;
    use tower::ServiceExt;

    #[track_caller]
    fn check(asked: &str, served: &str) {
        let uri: Uri = asked.parse().expect("an address");
        assert_eq!(canonical(&uri).unwrap_or(uri).to_string(), served);
    }

    #[test]
    fn the_alias_and_the_slash_lead_to_the_same_address() {
        check("/api/v1/orders", "/api/v1/orders");
        check("/api/v1/orders/", "/api/v1/orders");
        check("/api/orders", "/api/v1/orders");
        check("/api/orders/", "/api/v1/orders");
        check("/api/orders/?status=PAID", "/api/v1/orders?status=PAID");
        check("/api/orders?next=/api/x/", "/api/v1/orders?next=/api/x/");
        check("/api/v1/orders/%2F/", "/api/v1/orders/%2F");
        check("/api/v1/", "/api/v1");
        check("http://host/api/orders/", "http://host/api/v1/orders");
    }

    #[test]
    fn everything_else_is_left_alone() {
        for path in ["/", "/api", "/apis/orders", "/health/", "/docs/", "/metrics", "*"] {
            check(path, path);
        }
        check("/api/v1x", "/api/v1/v1x");
    }

    #[tokio::test]
    async fn the_router_inside_sees_the_canonical_path() {
        let router: Router = Router::new().route("/api/v1/orders", get(|uri: Uri| async move { uri.to_string() }));
        let request = Request::get("/api/orders/?a=b").body(Body::empty()).expect("a request");
        let response = Alias::new(router).oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("a body");
        assert_eq!(body, "/api/v1/orders?a=b");
    }
}

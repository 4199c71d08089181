//! What happens to every request: its name, its trace, its time, its count; and no panic or silence gets out.

mod unread;

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::{Layer, Service};
use uuid::Uuid;

use self::unread::Lent;
use super::{
    headers::{REQUEST_ID, TRACEPARENT},
    problem::{ErrorCode, Problem},
};
use crate::runtime::{
    Correlation, Metrics, TraceParent,
    metrics::{self, Endpoint, MethodLabel, TraceId, TraceLabel},
    supervisor::panic_message,
};

/// How long an answer may take to begin.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a handler may want to know of the request it answers.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The name of this one request: the caller's, or one of ours.
    pub request_id: HeaderValue,
    /// Ties together everything the request causes: its name if that is a UUID, else derived from it.
    pub correlation_id: Uuid,
    /// The trace the request belongs to.
    pub traceparent: TraceParent,
}

impl RequestContext {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|id| is_valid_id(id));
        let (request_id, correlation_id) = match given {
            Some(id) => (id.clone(), correlation_of(id.as_bytes())),
            None => {
                let id = Uuid::now_v7();
                let mut buffer = Uuid::encode_buffer();
                let text = id.hyphenated().encode_lower(&mut buffer);
                (HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("")), id)
            }
        };
        let trace = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
        let traceparent = trace.unwrap_or_else(|| TraceParent::of(correlation_id));
        Self { request_id, correlation_id, traceparent }
    }
}

fn is_valid_id(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn correlation_of(request_id: &[u8]) -> Uuid {
    let named = || Uuid::new_v5(&Uuid::NAMESPACE_OID, request_id);
    Uuid::try_parse_ascii(request_id).ok().filter(|id| !id.is_nil()).unwrap_or_else(named)
}

/// Puts everything every request needs around a router that has all its routes.
pub fn finish<S: Clone + Send + Sync + 'static>(router: Router<S>, metrics: Arc<Metrics>) -> Router<S> {
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).layer(RequestLayer { metrics })
}

async fn not_found() -> Problem {
    Problem::not_found("nothing is served at this path")
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(ErrorCode::MethodNotAllowed).detail(format!("{method} is not served at this path"))
}

#[derive(Clone)]
struct RequestLayer {
    metrics: Arc<Metrics>,
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService { inner, metrics: Arc::clone(&self.metrics) }
    }
}

#[derive(Clone)]
struct RequestService<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Service<Request<Body>> for RequestService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let started = Instant::now();
        let context = RequestContext::of(request.headers());
        let seen = Seen {
            method: MethodLabel::from(request.method()),
            endpoint: Endpoint::new(request.extensions().get::<MatchedPath>().cloned()),
            metrics: Arc::clone(&self.metrics),
            started,
        };
        let mut correlation = Correlation::new(context.correlation_id, context.traceparent);
        correlation.instance = Some(request.uri().clone());
        request.extensions_mut().insert(context.clone());
        let (lent, request) = lend(request);
        let answer = self.inner.call(request);
        Box::pin(correlation.scope(async move {
            let answer = tokio::time::timeout(TIMEOUT, AssertUnwindSafe(answer).catch_unwind()).await;
            let mut response = match answer {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(panic)) => {
                    Problem::internal(format_args!("a handler panicked: {}", panic_message(&*panic))).into_response()
                }
                Err(_) => {
                    let problem = Problem::new(ErrorCode::ServiceUnavailable).retry_after(1);
                    problem.detail("the answer took longer than 10 s").into_response()
                }
            };
            if let Some(lent) = lent {
                lent.settle(&mut response).await;
            }
            context.write_to(response.headers_mut());
            seen.record(response.status(), context.traceparent);
            Ok(response)
        }))
    }
}

/// Most requests have no body, and nothing to settle.
fn lend(request: Request<Body>) -> (Option<Lent>, Request<Body>) {
    if request.body().is_end_stream() {
        return (None, request);
    }
    let (parts, body) = request.into_parts();
    let (lent, body) = Lent::new(body);
    (Some(lent), Request::from_parts(parts, body))
}

impl RequestContext {
    fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.request_id.clone());
        if let Ok(value) = HeaderValue::try_from(self.traceparent.to_string()) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// What is counted and logged of a request.
struct Seen {
    method: MethodLabel,
    endpoint: Endpoint,
    metrics: Arc<Metrics>,
    started: Instant,
}

impl Seen {
    fn record(self, status: StatusCode, traceparent: TraceParent) {
        let Self { method, endpoint, metrics, started } = self;
        let elapsed = started.elapsed();
        let (code, millis) = (status.as_u16(), elapsed.as_secs_f64() * 1_000.0);
        let (verb, route) = (method.as_str(), endpoint.as_str());
        if status.is_server_error() {
            tracing::warn!(method = verb, endpoint = route, status = code, millis, "{verb} {route} answered {code}");
        } else {
            tracing::debug!(method = verb, endpoint = route, status = code, millis, "{verb} {route} answered {code}");
        }
        let trace = TraceLabel { trace_id: TraceId(traceparent.trace_id) };
        let labels = metrics::Route { method, endpoint };
        metrics.api_request_duration.get_or_create(&labels).observe(elapsed.as_secs_f64(), Some(trace), None);
        let labels = metrics::Request { method, endpoint: labels.endpoint, status: code };
        metrics.api_requests.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests;

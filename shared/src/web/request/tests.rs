use super::*;
use axum::{Extension, body::to_bytes, routing::get};
use serde_json::Value;
use tower::ServiceExt;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn router(metrics: Arc<Metrics>) -> Router {
    let who = async |Extension(context): Extension<RequestContext>| context.correlation_id.to_string();
    let router = Router::new()
        .route("/api/v1/orders/{id}", get(who).post(async || Problem::new(ErrorCode::NotFound)))
        .route("/panic", get(async || -> StatusCode { panic!("the secret of the handler") }))
        .route("/hang", get(std::future::pending::<StatusCode>));
    finish(router, metrics)
}

async fn send(method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    router(Metrics::new("test", "0")).oneshot(request).await.expect("infallible")
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 100_000).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("text")
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&text(response).await).expect("JSON")
}

#[tokio::test]
async fn a_request_keeps_its_name_and_trace() {
    let id = Uuid::now_v7().to_string();
    let response = send("GET", "/api/v1/orders/1", &[("request-id", &id), ("traceparent", TRACE)]).await;
    assert_eq!(response.headers()["request-id"], id);
    assert_eq!(response.headers()["traceparent"], TRACE);
    assert_eq!(text(response).await, id);
}

#[tokio::test]
async fn a_name_that_is_no_uuid_still_gives_one_correlation() {
    let first = send("GET", "/api/v1/orders/1", &[("request-id", "checkout-77")]).await;
    assert_eq!(first.headers()["request-id"], "checkout-77");
    let second = send("GET", "/api/v1/orders/1", &[("request-id", "checkout-77")]).await;
    assert_eq!(text(first).await, text(second).await);
}

#[tokio::test]
async fn a_request_without_a_good_name_or_trace_gets_one() {
    let long = "x".repeat(129);
    for wrong in ["", "a b", &long] {
        let response = send("GET", "/api/v1/orders/1", &[("request-id", wrong), ("traceparent", "00-1-2-3")]).await;
        let name = response.headers()["request-id"].to_str().expect("text").to_owned();
        assert!(Uuid::try_parse(&name).is_ok(), "{name}");
        let trace: TraceParent = response.headers()["traceparent"].to_str().expect("text").parse().expect("valid");
        assert_eq!(Uuid::from_u128(trace.trace_id).to_string(), name);
        assert_eq!(text(response).await, name);
    }
}

#[tokio::test]
async fn what_is_not_served_is_a_problem() {
    let response = send("GET", "/nowhere?x=1", &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let request_id = response.headers()["request-id"].clone();
    let body = json(response).await;
    assert_eq!(body["instance"], "/nowhere");
    assert_eq!(body["correlation_id"], request_id.to_str().expect("text"));

    let response = send("DELETE", "/api/v1/orders/1", &[]).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    assert_eq!(json(response).await["error_code"], "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let response = send("GET", "/panic", &[]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.headers().contains_key("request-id"));
    let body = text(response).await;
    assert!(body.contains("INTERNAL_ERROR") && !body.contains("secret"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_503() {
    let started = Instant::now();
    let response = send("GET", "/hang", &[]).await;
    assert_eq!(started.elapsed().as_secs(), TIMEOUT.as_secs());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn requests_are_counted_by_template() {
    let metrics = Metrics::new("test", "0");
    for (method, path) in [("GET", "/api/v1/orders/1"), ("GET", "/api/v1/orders/2"), ("POST", "/api/v1/orders/3")] {
        let request = Request::builder().method(method).uri(path).header("traceparent", TRACE);
        let request = request.body(Body::empty()).expect("a request");
        router(Arc::clone(&metrics)).oneshot(request).await.expect("infallible");
    }
    let request = Request::get("/nowhere").body(Body::empty()).expect("a request");
    router(Arc::clone(&metrics)).oneshot(request).await.expect("infallible");
    let text = metrics.encode();
    for line in [
        "api_requests_total{method=\"GET\",endpoint=\"/api/v1/orders/{id}\",status=\"200\"} 2",
        "api_requests_total{method=\"POST\",endpoint=\"/api/v1/orders/{id}\",status=\"404\"} 1",
        "api_requests_total{method=\"GET\",endpoint=\"unmatched\",status=\"404\"} 1",
        "api_request_duration_seconds_count{method=\"GET\",endpoint=\"/api/v1/orders/{id}\"} 2",
        "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

/// Sends the pieces one after the other on one connection; what came back until the other side had no more to say.
async fn talk(pieces: &[&str]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router =
        Router::new().route("/refuse", axum::routing::post(|| async { Problem::from(ErrorCode::Unauthenticated) }));
    let router = finish(router, Metrics::new("test", "0"));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    let _ = stream.read_to_string(&mut heard).await;
    server.abort();
    heard
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_leaves_the_connection_usable_or_says_that_it_does_not() {
    let head = "POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n";
    let heard = talk(&[head, "{}", head, "{}"]).await;
    assert_eq!(heard.matches("HTTP/1.1 401").count(), 2, "{heard}");
    assert!(!heard.contains("connection: close"), "{heard}");
    let heard = talk(&["POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n", "{"]).await;
    assert!(heard.contains("HTTP/1.1 401") && heard.contains("connection: close"), "{heard}");
}

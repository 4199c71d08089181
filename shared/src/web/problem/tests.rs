use super::*;
use crate::runtime::{Correlation, TraceParent};
use axum::{body::Body, body::to_bytes};
use http::Request;
use serde_json::json;
use tower::ServiceExt;

#[derive(Debug, thiserror::Error)]
#[error("the order is not payable")]
struct Refused(RejectionKind);

impl Rejection for Refused {
    fn kind(&self) -> RejectionKind {
        self.0
    }

    fn rule(&self) -> &'static str {
        "order_not_payable"
    }

    fn pointer(&self) -> Option<std::borrow::Cow<'static, str>> {
        Some("/quantity".into())
    }
}

async fn body_of(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), 100_000).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn a_problem_has_the_members_of_the_seed_and_of_the_rfc() {
    let id = Uuid::now_v7();
    let mut correlation = Correlation::new(id, TraceParent::of(id));
    correlation.instance = Some(http::Uri::from_static("/api/v1/orders/7?secret=1"));
    let rejection: &dyn Rejection = &Refused(RejectionKind::Rule);
    let problem = Problem::from(rejection).current_version(7).extension("limit", 3).retry_after(1);
    let response = correlation.scope(async { problem.into_response() }).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    let expected = json!({
        "type": "/problems/business-rule-violation",
        "title": "Against a rule",
        "status": 422,
        "detail": "the order is not payable",
        "instance": "/api/v1/orders/7",
        "success": false,
        "error_code": "BUSINESS_RULE_VIOLATION",
        "rule_name": "order_not_payable",
        "correlation_id": id.to_string(),
        "current_version": 7,
        "limit": 3,
    });
    assert_eq!(body_of(response).await, expected);
}

#[test]
fn each_kind_of_rejection_has_its_code() {
    let code = |kind| Problem::from(&Refused(kind)).code();
    assert_eq!(code(RejectionKind::NotFound), ErrorCode::NotFound);
    assert_eq!(code(RejectionKind::Rule), ErrorCode::BusinessRuleViolation);
    assert_eq!(code(RejectionKind::PermissionDenied), ErrorCode::PermissionDenied);
    assert_eq!(code(RejectionKind::Validation), ErrorCode::ValidationError);
    let problem = Problem::from(&Refused(RejectionKind::Validation));
    let expected = FieldError { pointer: "/quantity".into(), code: "order_not_payable".into() };
    assert_eq!(problem.details().errors, [expected]);
}

#[tokio::test]
async fn each_code_has_a_page_where_its_type_points() {
    for code in ErrorCode::ALL {
        let address = Problem::new(*code).details().r#type.clone();
        let request = Request::get(&address).body(Body::empty()).expect("a request");
        let response = pages::router::<()>().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        let page = body_of(response).await;
        assert_eq!(page["error_code"], code.as_str());
        for member in ["cause", "fix", "retry"] {
            assert!(page[member].as_str().is_some_and(|text| text.ends_with('.')), "{address}: {member}");
        }
    }
}

#[tokio::test]
async fn a_browser_gets_html_and_a_wrong_address_a_problem() {
    let get = |path: &str, accept: &str| {
        let request = Request::get(path).header("accept", accept).body(Body::empty()).expect("a request");
        pages::router::<()>().oneshot(request)
    };
    let response = get("/problems/not-found", "text/html,*/*").await.expect("infallible");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let list = get("/problems", "*/*").await.expect("infallible");
    assert_eq!(body_of(list).await.as_array().map(Vec::len), Some(ErrorCode::ALL.len()));
    let response = get("/problems/nonsense", "text/html").await.expect("infallible");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(body_of(response).await["error_code"], "NOT_FOUND");
}

use super::*;
use crate::{
    runtime::settings::{Settings, SettingsError, SharedSettings, parse_from},
    web::token::Grant,
};
use axum::{Router, body::Body, response::Response, routing::get};
use clap::Parser;
use http::{HeaderName, Request, StatusCode};
use std::{ffi::OsString, time::Duration};
use tower::ServiceExt;
use uuid::Uuid;

#[derive(Debug, Parser)]
struct TestSettings {
    #[command(flatten)]
    shared: SharedSettings,
}

impl Settings for TestSettings {
    fn check(&self) -> Result<(), SettingsError> {
        self.shared.check()
    }
}

async fn development() -> Authenticator {
    let folder = tempfile::TempDir::new().expect("a folder");
    let key_file = folder.path().join("key.pem");
    let arguments = ["x", "--database-url", "d", "--nats-url", "n", "--environment", "development"];
    let arguments = arguments.into_iter().map(OsString::from);
    let arguments = arguments.chain(["--jwt-dev-key-file".into(), key_file.into_os_string()]);
    let settings: TestSettings = parse_from(arguments).expect("settings");
    Authenticator::from_settings(&settings.shared).await.expect("keys")
}

fn principal(roles: &[Role], producer_id: Option<ProducerId>) -> Principal {
    let roles = roles.iter().copied().collect();
    Principal { user_id: UserId(Uuid::from_u128(1)), roles, producer_id, expires_at: 0 }
}

fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
}

async fn call(authenticator: Authenticator, path: &str, authorization: Option<&str>) -> Response {
    let router = Router::new()
        .route("/me", get(async |Caller(principal): Caller| principal.user_id.to_string()))
        .route("/menu", get(async |OptionalCaller(principal)| principal.is_some().to_string()))
        .with_state(authenticator);
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
}

#[tokio::test]
async fn a_caller_is_known_by_the_token() {
    let authenticator = development().await;
    let grant = Grant {
        user_id: UserId(Uuid::from_u128(5)),
        roles: Roles::default().with(Role::Customer),
        producer_id: None,
        lifetime: Duration::from_secs(60),
    };
    let token = authenticator.dev_issuer().expect("development").mint(&grant).expect("minted");
    for scheme in ["Bearer", "bearer"] {
        let response = call(authenticator.clone(), "/me", Some(&format!("{scheme} {token}"))).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(call(authenticator, "/menu", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_is_not_signed_in_learns_how() {
    let authenticator = development().await;
    let response = call(authenticator.clone(), "/me", None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"homefood\"");
    for path in ["/me", "/menu"] {
        for wrong in ["Bearer nonsense", "Bearer ", "Bearer", "Basic YTpi", "", "Bearer a b"] {
            let response = call(authenticator.clone(), path, Some(wrong)).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {wrong}");
            let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().expect("text");
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
    }
}

#[test]
fn two_authorizations_are_none() {
    assert_eq!(bearer(&headers(header::AUTHORIZATION, &["Bearer a", "Bearer b"])), Err(TokenError::Malformed));
    assert_eq!(bearer(&HeaderMap::new()), Ok(None));
}

#[test]
fn a_socket_brings_its_token_as_a_subprotocol() {
    let token = |values: &[&str]| {
        let headers = headers(header::SEC_WEBSOCKET_PROTOCOL, values);
        subprotocol_token(&headers).map(str::to_owned)
    };
    assert_eq!(token(&["homefood.v1, bearer.a.b.c"]).as_deref(), Some("a.b.c"));
    assert_eq!(token(&["homefood.v1", "bearer.a.b.c"]).as_deref(), Some("a.b.c"));
    for none in [&["homefood.v1"] as &[&str], &["bearer."], &["bearer"], &["bearer.a, bearer.b"], &[]] {
        assert_eq!(token(none), None, "{none:?}");
    }
}

#[test]
fn an_act_needs_its_role() {
    let code = |refused: Result<Actor, Problem>| refused.map_err(|problem| problem.code());
    let kitchen = ProducerId(Uuid::from_u128(2));
    let cook = principal(&[Role::Producer], Some(kitchen));
    let actor = Actor::Producer { producer_id: kitchen, user_id: cook.user_id };
    assert_eq!(code(cook.actor_for(Role::Producer)), Ok(actor));
    let denied = Err(ErrorCode::PermissionDenied);
    assert_eq!(code(cook.actor_for(Role::Customer)), denied);
    assert_eq!(code(principal(&[Role::Producer], None).actor_for(Role::Producer)), denied);
    assert_eq!(code(principal(&[Role::Analyst], None).actor_for(Role::Analyst)), denied);
    let admin = principal(&[Role::Admin], None);
    assert_eq!(code(admin.actor_for(Role::Admin)), Ok(Actor::Admin(admin.user_id)));
    assert!(admin.require_any(&[Role::Analyst, Role::Admin]).is_ok());
    let problem = cook.require_any(&[Role::Analyst, Role::Admin]).expect_err("refused");
    assert_eq!(problem.details().detail.as_deref(), Some("this needs the role analyst or admin"));
}

#[test]
fn roles_are_a_list_of_names() {
    let roles: Roles = serde_json::from_str("[\"admin\",\"customer\",\"astronaut\"]").expect("a list");
    assert_eq!(serde_json::to_string(&roles).expect("JSON"), "[\"customer\",\"admin\"]");
    assert_eq!(roles, [Role::Admin, Role::Customer].into_iter().collect());
    assert!(serde_json::from_str::<Roles>("\"admin\"").is_err());
}

use super::*;

fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
    let values = values.iter().map(|value| HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    values.map(|value| (name.clone(), value)).collect()
}

fn key(values: &[&str]) -> Result<Option<String>, ErrorCode> {
    let key = IdempotencyKey::from_headers(&headers(&IDEMPOTENCY_KEY, values));
    key.map(|key| key.map(|key| key.0)).map_err(|problem| problem.code())
}

fn if_match(values: &[&str]) -> Result<Option<IfMatch>, ErrorCode> {
    IfMatch::from_headers(&headers(&header::IF_MATCH, values)).map_err(|problem| problem.code())
}

#[test]
fn a_key_may_be_quoted_or_bare() {
    assert_eq!(key(&[]), Ok(None));
    assert_eq!(key(&["8e03978e-40d5"]), Ok(Some("8e03978e-40d5".into())));
    assert_eq!(key(&[" \"8e03978e-40d5\" "]), Ok(Some("8e03978e-40d5".into())));
    assert_eq!(key(&[r#""a\"b\\c""#]), Ok(Some(r#"a"b\c"#.into())));
    assert_eq!(key(&[&"k".repeat(255)]).map(|key| key.is_some()), Ok(true));
}

#[test]
fn keys_of_another_shape_are_refused() {
    let long = "k".repeat(256);
    for wrong in ["", "\"\"", "\"a", "a\"b", "\"a\"b\"", "a b", "\"a b\"", "\"a\\n\"", "\"a\\\"", "ключ", &long] {
        assert_eq!(key(&[wrong]), Err(ErrorCode::ValidationError), "{wrong}");
    }
    assert_eq!(key(&["a", "a"]), Err(ErrorCode::ValidationError));
}

#[test]
fn versions_are_expected_by_their_tag() {
    assert_eq!(if_match(&[]), Ok(None));
    assert_eq!(if_match(&["*"]), Ok(Some(IfMatch::Any)));
    assert_eq!(if_match(&["\"v7\""]), Ok(Some(IfMatch::Version(7))));
    for wrong in ["v7", "\"7\"", "W/\"v7\"", "\"v\"", "\"v-1\"", "\"v+1\"", "\"v07\"", "\"v1\", \"v2\"", ""] {
        assert_eq!(if_match(&[wrong]), Err(ErrorCode::ValidationError), "{wrong}");
    }
    assert_eq!(if_match(&["\"v99999999999999999999\""]), Err(ErrorCode::ValidationError));
    assert!(IfMatch::Version(7).check(7).is_ok() && IfMatch::Any.check(7).is_ok());
    let problem = IfMatch::Version(6).check(7).expect_err("refused");
    assert_eq!((problem.code(), problem.details().current_version), (ErrorCode::PreconditionFailed, Some(7)));
}

#[test]
fn a_tag_is_written_as_it_is_read() {
    assert_eq!(etag(7), "\"v7\"");
    assert_eq!(parse_etag("\"v0\""), Some(0));
}

#[test]
fn a_version_the_caller_has_is_recognised() {
    let has = |values: &[&str]| has_version(&headers(&header::IF_NONE_MATCH, values), 7);
    assert!(has(&["\"v7\""]) && has(&["W/\"v7\""]) && has(&["\"v6\", \"v7\""]) && has(&["*"]));
    assert!(!has(&[]) && !has(&["\"v6\""]) && !has(&["\"v70\""]));
}

#[test]
fn a_wait_is_understood_capped_or_ignored() {
    let wait = |values: &[&str]| PreferWait::from_headers(&headers(&PREFER, values)).map(|wait| wait.seconds);
    assert_eq!(wait(&["wait=2"]), Some(2));
    assert_eq!(wait(&["respond-async, Wait = 3"]), Some(3));
    assert_eq!(wait(&["wait=100"]), Some(WAIT_MAX_SECS));
    for ignored in ["", "wait", "wait=", "wait=soon", "wait=-1", "waiting=2"] {
        assert_eq!(wait(&[ignored]), None, "{ignored}");
    }
    assert_eq!(PreferWait { seconds: 2 }.applied(), "wait=2");
}

use super::*;
use axum::body::Body;
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    items: Vec<Item>,
    note: Option<String>,
}

/// Spans of two ends each.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Hours {
    spans: Vec<(String, String)>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Item {
    quantity: u32,
    size: Size,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Accept {
    note: Option<String>,
}

async fn read_order(content_type: &str, body: impl Into<Body>) -> Result<JsonBody<Order>, Problem> {
    let request = Request::post("/api/v1/orders").header(header::CONTENT_TYPE, content_type).body(body.into());
    JsonBody::from_request(request.expect("a request"), &()).await
}

#[track_caller]
fn check_refused(body: &str, pointer: &str, code: &str) {
    let problem = parse::<Order>(body.as_bytes()).expect_err(body);
    assert_eq!(problem.code(), ErrorCode::ValidationError, "{body}");
    let error = &problem.details().errors[0];
    assert_eq!((error.pointer.as_str(), &*error.code), (pointer, code), "{body}");
    let detail = problem.details().detail.as_deref().unwrap_or_default();
    assert!(!detail.contains("line"), "{detail}");
}

#[test]
fn a_wrong_field_is_pointed_at() {
    check_refused("{}", "/items", "missing");
    check_refused(r#"{"items":[],"notes":"x"}"#, "/notes", "unknown_field");
    check_refused(r#"{"items":[{"quantity":1,"size":"small","a/b":1}]}"#, "/items/0/a~1b", "unknown_field");
    check_refused(r#"{"items":[{"quantity":"1","size":"small"}]}"#, "/items/0/quantity", "wrong_type");
    check_refused(r#"{"items":[{"quantity":1.5,"size":"small"}]}"#, "/items/0/quantity", "wrong_type");
    check_refused(r#"{"items":[{"quantity":-1,"size":"small"}]}"#, "/items/0/quantity", "out_of_range");
    check_refused(r#"{"items":[{"quantity":1,"size":"huge"}]}"#, "/items/0/size", "unknown_value");
    check_refused(r#"{"items":[{"size":"small"}]}"#, "/items/0/quantity", "missing");
    check_refused(r#"{"items":[],"items":[]}"#, "/items", "duplicate_field");
    check_refused("[[],null]", "", "wrong_type");
    check_refused("3", "", "wrong_type");
}

#[test]
fn a_list_with_too_many_items_is_json_of_another_shape() {
    for (body, pointer) in [
        (r#"{"spans":[["09:00","12:00","13:00"]]}"#, "/spans/0"),
        (r#"{"spans":[["09:00","12:00"],["13:00"]]}"#, "/spans/1"),
    ] {
        let problem = parse::<Hours>(body.as_bytes()).expect_err(body);
        let error = &problem.details().errors[0];
        assert_eq!(
            (problem.code(), &*error.pointer, &*error.code),
            (ErrorCode::ValidationError, pointer, "wrong_length")
        );
    }
    for wrong in [r#"{"spans":[["09:00","12:00","13:00"]"#, r#"{"spans":[["\ud800",""]]}"#] {
        let problem = parse::<Hours>(wrong.as_bytes()).expect_err(wrong);
        assert_eq!(problem.code(), ErrorCode::MalformedJson, "{wrong}");
    }
}

#[test]
fn what_is_not_json_is_malformed() {
    for wrong in ["", "{", "{\"items\":}", "{\"items\":[]} x", "\u{0}", "{\"note\":\"\u{1}\"}", "NaN"] {
        let problem = parse::<Order>(wrong.as_bytes()).expect_err(wrong);
        assert_eq!(problem.code(), ErrorCode::MalformedJson, "{wrong:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse::<Order>(deep.as_bytes()).is_err());
    assert!(parse::<Order>(b"{\"note\":\"\xff\"}").is_err());
}

#[test]
fn a_nul_character_is_refused_and_its_likeness_is_not() {
    check_refused(r#"{"items":[],"note":"a\u0000b"}"#, "", "nul_character");
    check_refused(r#"{"items":[],"note":"\\\u0000"}"#, "", "nul_character");
    let note = |body: &str| parse::<Order>(body.as_bytes()).expect("accepted").note;
    assert_eq!(note(r#"{"items":[],"note":"\\u0000"}"#).as_deref(), Some("\\u0000"));
    assert_eq!(note(r#"{"items":[],"note":"\u0001\\"}"#).as_deref(), Some("\u{1}\\"));
    assert!(!has_nul(b"\\") && !has_nul(b"\\u000"));
}

#[tokio::test]
async fn a_body_is_json_and_small() {
    let good = r#"{"items":[{"quantity":1,"size":"large"}]}"#;
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        assert!(read_order(content_type, good).await.is_ok(), "{content_type}");
    }
    for content_type in ["text/plain", "", "application/jsonp", "application/x-www-form-urlencoded"] {
        let problem = read_order(content_type, good).await.expect_err(content_type);
        assert_eq!(problem.code(), ErrorCode::UnsupportedMediaType);
    }
    let large = format!("{{\"items\":[]{}}}", " ".repeat(BODY_BYTES_MAX));
    let pieces =
        large.as_bytes().chunks(1_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let streamed = Body::from_stream(futures::stream::iter(pieces));
    let problem = read_order("application/json", streamed).await.expect_err("too large");
    assert_eq!(problem.code(), ErrorCode::PayloadTooLarge);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let pieces = ["{\"items\"", ":[", "]}"].map(Ok::<_, std::io::Error>);
    let body = read_order("application/json", Body::from_stream(futures::stream::iter(pieces))).await.expect("read");
    assert_eq!(body.raw().as_ref(), b"{\"items\":[]}");
    let broken = futures::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    assert!(read_order("application/json", Body::from_stream(broken)).await.is_err());
}

#[tokio::test]
async fn no_body_counts_as_an_empty_object() {
    let request = Request::post("/x").body(Body::empty()).expect("a request");
    let body: JsonBody<Accept> = JsonBody::from_request(request, &()).await.expect("accepted");
    assert_eq!(body.value, Accept { note: None });
}

#[test]
fn a_fingerprint_sees_the_command_and_not_its_spelling() {
    let of = |path, body: &str| Fingerprint::of(&Method::POST, path, body.as_bytes());
    let first = of("/a", r#"{"b":[1,{"y":"é","x":null}],"a":"1"}"#);
    assert_eq!(first, of("/a", "{ \"a\": \"1\",\n\"b\":[1, {\"x\":null, \"y\":\"\\u00e9\"}] }"));
    assert_ne!(first, of("/b", r#"{"b":[1,{"y":"é","x":null}],"a":"1"}"#));
    assert_ne!(first, of("/a", r#"{"b":[{"y":"é","x":null},1],"a":"1"}"#));
    assert_ne!(first, Fingerprint::of(&Method::PUT, "/a", br#"{"b":[1,{"y":"\u00e9","x":null}],"a":"1"}"#));
}

#[test]
fn keys_are_sorted_by_utf16() {
    let mut text = String::new();
    let value = serde_json::from_str("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3}").expect("JSON");
    write_canonical(&value, &mut text);
    assert_eq!(text, "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
}

//! The pages problems point to: cause, fix, may I try again.

use axum::{
    Json, Router,
    extract::Path,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{ErrorCode, Problem, Retry};

/// `/problems` and `/problems/{slug}`, for people as HTML and for machines as JSON.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/problems", get(list)).route("/problems/{slug}", get(page))
}

async fn list(headers: HeaderMap) -> Response {
    if !wants_html(&headers) {
        let pages: Vec<Value> = ErrorCode::ALL.iter().map(|code| json_page(*code)).collect();
        return Json(pages).into_response();
    }
    let line = |code: &ErrorCode| {
        format!("<li><a href=\"/problems/{}\">{}</a>: {}</li>", code.slug(), code.as_str(), code.title())
    };
    let lines: String = ErrorCode::ALL.iter().map(line).collect();
    html("Problems", &format!("<ul>{lines}</ul>"))
}

async fn page(Path(slug): Path<String>, headers: HeaderMap) -> Response {
    let Some(code) = ErrorCode::from_slug(&slug) else {
        return Problem::not_found("there is no problem of this name; /problems lists them all").into_response();
    };
    if !wants_html(&headers) {
        return Json(json_page(code)).into_response();
    }
    let body = format!(
        "<p><code>{}</code>, status {}</p><h2>Cause</h2><p>{}</p><h2>Fix</h2><p>{}</p><h2>May I try again?</h2><p>{}</p>",
        code.as_str(),
        code.status(),
        code.cause(),
        code.fix(),
        advice(code.retry()),
    );
    html(code.title(), &body)
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn json_page(code: ErrorCode) -> Value {
    json!({
        "type": format!("/problems/{}", code.slug()),
        "error_code": code,
        "status": code.status().as_u16(),
        "title": code.title(),
        "cause": code.cause(),
        "fix": code.fix(),
        "retry": advice(code.retry()),
    })
}

/// Only texts of this program go in, so nothing needs escaping.
fn html(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}}</style>\
         <h1>{title}</h1>{body}</html>"
    );
    Html(page).into_response()
}

fn advice(retry: Retry) -> &'static str {
    match retry {
        Retry::No => "No: the same request will be refused again.",
        Retry::Later => "Yes, later: wait as long as Retry-After says.",
        Retry::AfterReading => "Not as it is: read the resource again and decide anew.",
    }
}

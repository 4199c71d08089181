//! `openapi.json` says of every route what it may be refused with, and in which shape.

use std::fs;

use serde_json::{Map, Value};

use super::tree::{check, root};

const PROBLEM: &str = "application/problem+json";
/// Their 503 is the report itself.
const REPORTS: [&str; 2] = ["/health/", "/health/ready"];
/// The webhook is never limited, and answers a bank that speaks no JSON with 403.
const WEBHOOK: &str = "/api/v1/webhooks/tbank";

struct Route {
    name: String,
    path: String,
    operation: Map<String, Value>,
}

impl Route {
    fn statuses(&self) -> impl Iterator<Item = (&str, &Value)> {
        let responses = self.operation.get("responses").and_then(Value::as_object);
        responses.into_iter().flatten().map(|(status, response)| (status.as_str(), response))
    }

    fn lacks(&self, wanted: &[&str]) -> Vec<String> {
        let lacking = wanted.iter().filter(|status| !self.statuses().any(|(found, _)| found == **status));
        lacking.map(|status| format!("{}: {status}", self.name)).collect()
    }

    /// The header of that name, if it is documented, and whether it is required.
    fn header(&self, name: &str) -> Option<bool> {
        let parameters = self.operation.get("parameters").and_then(Value::as_array)?;
        let found = parameters.iter().find(|it| it["in"] == "header" && it["name"] == name)?;
        Some(found["required"] == true)
    }

    fn is_of_the_api(&self) -> bool {
        self.path.starts_with("/api/v1/") && !self.path.starts_with("/api/v1/dev/")
    }
}

fn routes() -> Vec<Route> {
    let text = fs::read_to_string(root().join("openapi.json")).expect("openapi.json");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let routes = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().expect("an object").iter();
        operations.filter_map(move |(method, operation)| {
            let operation = operation.as_object().filter(|it| it.contains_key("responses"))?.clone();
            Some(Route { name: format!("{method} {path}"), path: path.clone(), operation })
        })
    });
    routes.collect()
}

fn judged(what: &str, judge: impl Fn(&Route) -> Vec<String>) {
    check(what, routes().iter().flat_map(judge).collect());
}

#[test]
fn every_refusal_is_a_problem() {
    judged("answer `application/problem+json` with a `Problem`", |route| {
        let refusals = route.statuses().filter(|(status, _)| status.starts_with(['4', '5']));
        let wrong = refusals.filter(|(_, response)| {
            let content = response["content"].as_object();
            let is_problem = content.is_some_and(|content| {
                let schema = content.get(PROBLEM).map(|it| it["schema"]["$ref"].as_str().unwrap_or_default());
                content.len() == 1 && schema.is_some_and(|schema| schema.ends_with("/Problem"))
            });
            !is_problem && !REPORTS.contains(&route.path.as_str())
        });
        wrong.map(|(status, _)| format!("{}: {status}", route.name)).collect()
    });
}

#[test]
fn who_must_sign_in_reads_of_401_and_403() {
    judged("document them", |route| {
        if route.operation.contains_key("security") { route.lacks(&["401", "403"]) } else { Vec::new() }
    });
}

#[test]
fn what_takes_parameters_or_a_body_says_how_it_refuses_them() {
    judged("document it", |route| {
        let has_parameters = route.operation.get("parameters").is_some_and(|it| it != &Value::Array(Vec::new()));
        let body = route.operation.get("requestBody").map(|body| &body["content"]);
        let is_json = body.is_some_and(|content| content.get("application/json").is_some());
        let mut wanted = Vec::new();
        if route.path != WEBHOOK {
            wanted.extend((has_parameters || is_json).then_some("400"));
            wanted.extend(is_json.then_some("415"));
        }
        wanted.extend(body.is_some().then_some("413"));
        if route.is_of_the_api() && route.path.contains('{') {
            wanted.push("404");
        }
        route.lacks(&wanted)
    });
}

#[test]
fn what_looks_at_versions_and_keys_says_what_becomes_of_wrong_ones() {
    judged("document it", |route| {
        let mut wanted = Vec::new();
        match route.header("If-Match") {
            Some(true) => wanted.extend(["412", "428"]),
            Some(false) => wanted.push("412"),
            None => {}
        }
        if route.header("Idempotency-Key").is_some() {
            wanted.extend(["409", "422"]);
        }
        route.lacks(&wanted)
    });
}

#[test]
fn every_route_of_the_api_may_be_refused_to_whoever_asks_too_much() {
    judged("document 429", |route| {
        if route.is_of_the_api() && route.path != WEBHOOK { route.lacks(&["429"]) } else { Vec::new() }
    });
}

#[test]
fn every_answer_has_a_description_and_every_success_a_shape() {
    judged("describe it", |route| {
        let wrong = route.statuses().filter(|(status, response)| {
            let described = response["description"].as_str().is_some_and(|text| !text.trim().is_empty());
            let has_shape = response["content"].as_object().is_some_and(|content| !content.is_empty());
            !described || (status.starts_with('2') && *status != "204" && !has_shape)
        });
        wrong.map(|(status, _)| format!("{}: {status}", route.name)).collect()
    });
}

//! The table of who may do what, walked whole: every documented route by everybody. A new route without a line here fails.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::domain::{DisputeId, OrderId};
use uuid::Uuid;

use crate::harness::{Client, KITCHEN, TestSystem, complaint, return_url, scenario_dish, wish};

/// What somebody is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    /// Who are you?
    Whom,
    /// Not with your role.
    No,
    /// For you there is no such thing.
    Nothing,
    /// Allowed, whatever the rules of the business say then.
    Yes,
    /// Allowed to ask, and told that there is no such thing.
    Asked,
    /// Not asked for a token at all: a page, a probe, or a bank with a signature of its own.
    Open,
}

use To::{Asked, No, Nothing, Open, Whom, Yes};

/// Nobody, the customer, another customer, the cook, another cook, an administrator, an analyst.
type Row = [To; 7];

const EVERYBODY: Row = [Open; 7];
const SIGNED_IN: Row = [Whom, Yes, Yes, Yes, Yes, Yes, Yes];
const ADMIN: Row = [Whom, No, No, No, No, Yes, No];
/// What the administrator asks about is not there; others are not told so.
const ADMIN_ASKS: Row = [Whom, No, No, No, No, Asked, No];
const ANY_CUSTOMER: Row = [Whom, Yes, Yes, No, No, No, No];
/// A gift that is not there sounds like one of somebody else.
const ANY_CUSTOMER_ASKS: Row = [Whom, Asked, Asked, No, No, No, No];
const OWNER: Row = [Whom, Yes, Nothing, No, No, No, No];
const OWNER_OR_ADMIN: Row = [Whom, Yes, Nothing, No, No, Yes, No];
const COOK: Row = [Whom, No, No, Yes, Nothing, No, No];
const COOK_OR_ADMIN: Row = [Whom, No, No, Yes, Nothing, Yes, No];
const BOTH_SIDES: Row = [Whom, Yes, Nothing, Yes, Nothing, No, No];
const EVERY_SIDE: Row = [Whom, Yes, Nothing, Yes, Nothing, Yes, No];
const PARTIES: Row = [Whom, Yes, Nothing, Yes, Nothing, Yes, Nothing];
const LISTS: Row = [Whom, Yes, Yes, Yes, Yes, Yes, No];
const REPORTS: Row = [Whom, No, No, Yes, Yes, Yes, Yes];

/// The routes in an order in which none ends what a later one needs, each with a body that is in order.
#[rustfmt::skip]
fn table() -> Vec<(&'static str, Value, Row)> {
    let rub = |amount: &str| json!({ "amount": amount, "currency": "RUB" });
    let why = || json!({ "reason": "to see who may" });
    let nothing = || json!({});
    let resolution = json!({ "finding": "NOT_DONE", "reason": "to see who may" });
    let registry = |it: &str| json!({ "amount": rub("0.00"), "registry_ref": it });
    let gift = json!({ "value": rub("500.00"), "recipient": { "name": "Boris" }, "return_url": "http://localhost:3000/paid" });
    let kitchen = json!({ "name": "Maria's", "city": "Moscow", "active": true, "timezone": "Europe/Moscow",
        "opening_hours": {}, "delivery_types": ["BUILDING", "PICKUP"], "delivery_fee": rub("0.00"), "delivery_time_minutes": 45 });
    let dish = json!({ "producer_id": KITCHEN, "name": "Soup", "price": rub("100.00"), "is_available": true });
    vec![
        ("GET /api/v1/dishes", Value::Null, EVERYBODY),
        ("GET /api/v1/dishes/{id}", Value::Null, EVERYBODY),
        ("GET /api/v1/producers", Value::Null, EVERYBODY),
        ("GET /api/v1/producers/{id}", Value::Null, EVERYBODY),
        ("GET /api/v1/categories", Value::Null, EVERYBODY),
        ("GET /health/", Value::Null, EVERYBODY),
        ("GET /health/live", Value::Null, EVERYBODY),
        ("GET /health/ready", Value::Null, EVERYBODY),
        ("GET /metrics", Value::Null, EVERYBODY),
        ("GET /dev/pay/{id}", Value::Null, EVERYBODY),
        ("GET /ws", Value::Null, EVERYBODY),
        ("POST /api/v1/webhooks/tbank", nothing(), EVERYBODY),
        ("PUT /api/v1/categories/{id}", json!({ "name": "Soups" }), ADMIN),
        ("PUT /api/v1/producers/{id}", kitchen, COOK_OR_ADMIN),
        ("PUT /api/v1/dishes/{id}", dish, COOK_OR_ADMIN),

        ("GET /api/v1/orders", Value::Null, LISTS),
        ("GET /api/v1/orders/{id}", Value::Null, PARTIES),
        ("GET /api/v1/orders/{id}/history", Value::Null, PARTIES),
        ("GET /api/v1/orders/{id}/refunds", Value::Null, PARTIES),
        ("GET /api/v1/payments/{id}", Value::Null, PARTIES),
        ("GET /api/v1/disputes", Value::Null, LISTS),
        ("GET /api/v1/disputes/{id}", Value::Null, PARTIES),
        ("GET /api/v1/gifts", Value::Null, ANY_CUSTOMER),
        ("GET /api/v1/gifts/{id}", Value::Null, [Whom, Yes, Nothing, Nothing, Nothing, Yes, Nothing]),
        ("GET /api/v1/gifts/{id}/code", Value::Null, OWNER),
        ("GET /api/v1/gifts/balance", Value::Null, ANY_CUSTOMER_ASKS),
        ("GET /api/v1/feed/stream", Value::Null, SIGNED_IN),
        ("POST /api/v1/ws-tickets", nothing(), SIGNED_IN),

        ("POST /api/v1/orders", wish(scenario_dish(0), 1), ANY_CUSTOMER),
        ("POST /api/v1/orders/{id}/payments", return_url(), OWNER),
        ("POST /api/v1/orders/{id}/rating", json!({ "rating": 5 }), OWNER),
        ("POST /api/v1/orders/{id}/complete", nothing(), OWNER_OR_ADMIN),
        ("POST /api/v1/orders/{id}/accept", json!({ "eta_minutes": 20 }), COOK),
        ("POST /api/v1/orders/{id}/eta", json!({ "eta_minutes": 20 }), COOK),
        ("POST /api/v1/orders/{id}/start-preparation", nothing(), COOK),
        ("POST /api/v1/orders/{id}/ready", nothing(), COOK),
        ("POST /api/v1/orders/{id}/dispatch", nothing(), COOK),
        ("POST /api/v1/orders/{id}/deliver", nothing(), COOK),
        ("POST /api/v1/orders/{id}/reject", json!({ "reason_code": "OTHER" }), COOK),
        ("POST /api/v1/orders/{id}/refunds", json!({ "amount": rub("1.00") }), ADMIN),
        ("POST /api/v1/payments/{id}/sync", nothing(), ADMIN),
        ("POST /api/v1/payments/{id}/chargebacks", registry("C"), ADMIN),
        ("POST /api/v1/payments/{id}/external-refunds", registry("R"), ADMIN),
        ("POST /api/v1/payments/{id}/integrity-resolution", json!({ "decision": "REFUND_ALL" }), ADMIN),

        ("POST /api/v1/orders/{id}/disputes", complaint(None), OWNER_OR_ADMIN),
        ("POST /api/v1/disputes/{id}/evidence", json!({ "kind": "STATEMENT", "text": "so it was" }), BOTH_SIDES),
        ("POST /api/v1/disputes/{id}/offers", json!({ "amount": rub("1.00") }), COOK),
        ("POST /api/v1/disputes/{id}/offers/{offer_id}/accept", nothing(), OWNER),
        ("POST /api/v1/disputes/{id}/offers/{offer_id}/decline", nothing(), OWNER),
        ("POST /api/v1/disputes/{id}/respond", json!({ "message": "not at all" }), COOK),
        ("POST /api/v1/disputes/{id}/escalate", nothing(), BOTH_SIDES),
        ("POST /api/v1/disputes/{id}/resolution/approve", nothing(), ADMIN),
        ("POST /api/v1/disputes/{id}/resolve", json!({ "outcome": "REJECTED" }), ADMIN),
        ("POST /api/v1/disputes/{id}/accept-claim", nothing(), COOK),
        ("POST /api/v1/disputes/{id}/withdraw", nothing(), OWNER),
        ("POST /api/v1/orders/{id}/cancel", nothing(), EVERY_SIDE),

        ("POST /api/v1/gifts", gift, ANY_CUSTOMER),
        ("POST /api/v1/gifts/activate", json!({ "code": "0000-0000-0000-0000" }), ANY_CUSTOMER_ASKS),
        ("POST /api/v1/gifts/{id}/payments", return_url(), OWNER),
        ("POST /api/v1/gifts/{id}/convert", nothing(), [Whom, Nothing, Nothing, No, No, No, No]),
        ("POST /api/v1/gifts/{id}/block", why(), ADMIN),
        ("POST /api/v1/gifts/{id}/unblock", why(), ADMIN),
        ("POST /api/v1/gifts/{id}/refund", json!({ "amount": rub("1.00") }), OWNER_OR_ADMIN),
        ("POST /api/v1/gifts/{id}/cancel", nothing(), OWNER_OR_ADMIN),

        ("GET /api/v1/analytics/orders", Value::Null, REPORTS),
        ("GET /api/v1/analytics/daily-revenue", Value::Null, REPORTS),
        ("GET /api/v1/analytics/popular-dishes", Value::Null, REPORTS),
        ("GET /api/v1/analytics/top-producers", Value::Null, REPORTS),

        ("GET /api/v1/admin/events", Value::Null, ADMIN),
        ("GET /api/v1/admin/replay", Value::Null, ADMIN),
        ("GET /api/v1/admin/replay/diff", Value::Null, ADMIN),
        ("GET /api/v1/admin/replay/fields", Value::Null, ADMIN),
        ("GET /api/v1/admin/trace/{id}", Value::Null, ADMIN),
        ("GET /api/v1/admin/ledger/accounts", Value::Null, ADMIN),
        ("GET /api/v1/admin/projections", Value::Null, ADMIN),
        ("GET /api/v1/admin/projections/{name}", Value::Null, ADMIN),
        ("GET /api/v1/admin/projections/{name}/rows/{id}", Value::Null, ADMIN),
        ("POST /api/v1/admin/projections/{name}/rows/{id}/heal", why(), ADMIN),
        ("POST /api/v1/admin/projections/{name}/rebuild", why(), ADMIN),
        ("POST /api/v1/admin/projections/{name}/swap", why(), ADMIN),
        ("POST /api/v1/admin/projections/{name}/verify", why(), ADMIN),
        ("POST /api/v1/admin/projections/{name}/rollback", why(), ADMIN),
        ("POST /api/v1/admin/projections/{name}/forget", why(), ADMIN),
        ("GET /api/v1/operations", Value::Null, ADMIN),
        ("GET /api/v1/operations/{id}", Value::Null, ADMIN_ASKS),
        ("POST /api/v1/operations/{id}/pause", why(), ADMIN_ASKS),
        ("POST /api/v1/operations/{id}/resume", why(), ADMIN_ASKS),
        ("POST /api/v1/operations/{id}/cancel", why(), ADMIN_ASKS),
        ("GET /api/v1/admin/dlq", Value::Null, ADMIN),
        ("GET /api/v1/admin/dlq/groups", Value::Null, ADMIN),
        ("POST /api/v1/admin/dlq/redrive", why(), ADMIN),
        ("GET /api/v1/admin/dlq/{id}", Value::Null, ADMIN_ASKS),
        ("POST /api/v1/admin/dlq/{id}/test", nothing(), ADMIN_ASKS),
        ("POST /api/v1/admin/dlq/{id}/retry", why(), ADMIN_ASKS),
        ("POST /api/v1/admin/dlq/{id}/discard", why(), ADMIN_ASKS),
        ("POST /api/v1/admin/bank-registry", nothing(), ADMIN),
        ("GET /api/v1/admin/payment-cases", Value::Null, ADMIN),
        ("GET /api/v1/admin/payment-cases/{id}", Value::Null, ADMIN_ASKS),
        ("POST /api/v1/admin/payment-cases/{id}/close", why(), ADMIN_ASKS),
        ("POST /api/v1/payments/{id}/refunds/{refund_id}/resolution", resolution, ADMIN),
        ("POST /api/v1/admin/audit", why(), ADMIN),
        ("POST /api/v1/admin/users/{id}/erase", why(), ADMIN),
        ("POST /api/v1/dev/fake/{payment_id}/{act}", nothing(), SIGNED_IN),
        ("POST /api/v1/dev/clock", json!({ "advance_seconds": 0 }), SIGNED_IN),
    ]
}

/// What stands for the names in a route.
struct Things {
    order: Uuid,
    payment: Uuid,
    gift: Uuid,
    customer: Uuid,
}

impl Things {
    fn path(&self, template: &str) -> String {
        let id = match template.split('/').nth(3).unwrap_or_default() {
            "orders" => self.order,
            "payments" => self.payment,
            "disputes" => DisputeId::of_order(OrderId(self.order), 1).0,
            "gifts" => self.gift,
            "dishes" => scenario_dish(0),
            "producers" => KITCHEN,
            "admin" if template.contains("/users/") => self.customer,
            "admin" if template.contains("/dlq/") => Uuid::nil(),
            "admin" => self.order,
            _ => Uuid::now_v7(),
        };
        let path = template
            .replace("{id}", &id.to_string())
            .replace("{offer_id}", &Uuid::now_v7().to_string())
            .replace("{refund_id}", &Uuid::now_v7().to_string())
            .replace("{payment_id}", &self.payment.to_string())
            .replace("{act}", "complete")
            .replace("{name}", "orders");
        let query = match template {
            "/api/v1/gifts" => "?role=bought",
            "/api/v1/gifts/balance" => "?code=0000-0000-0000-0000",
            "/api/v1/admin/replay/diff" => "?from_version=1&aggregate_id=",
            "/api/v1/admin/replay" | "/api/v1/admin/replay/fields" => "?aggregate_id=",
            _ => "",
        };
        if query.ends_with("aggregate_id=") { format!("{path}{query}{}", self.order) } else { path + query }
    }
}

/// Only the answer's beginning: a stream has no end.
async fn knock(client: &Client, method: &Method, path: &str, body: &Value) -> StatusCode {
    let request = client.request(method.clone(), path).header("Idempotency-Key", Uuid::now_v7().to_string());
    let is_versioned = ["/refunds", "/resolve", "/approve"].iter().any(|end| path.ends_with(end));
    let request = if is_versioned && *method == Method::POST { request.header("If-Match", "*") } else { request };
    let request = if body.is_null() { request } else { request.json(body) };
    request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}")).status()
}

fn fits(answer: u16, wanted: To) -> bool {
    match wanted {
        Whom => answer == 401,
        No => answer == 403,
        Nothing | Asked => answer == 404,
        Yes => !matches!(answer, 401 | 403 | 404) && answer < 500,
        // A probe may say that something is unwell, a bank that does not sign is turned away.
        Open => answer != 401,
    }
}

#[test]
fn every_documented_route_has_a_line_in_the_table_and_every_line_a_route() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut routes = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "parameters") {
            routes.insert(format!("{} {path}", method.to_uppercase()), 0);
        }
    }
    for (route, ..) in table() {
        let lines = routes.get_mut(route).unwrap_or_else(|| panic!("{route} is in no document"));
        *lines += 1;
    }
    let wrong: Vec<_> = routes.iter().filter(|(_, lines)| **lines != 1).collect();
    assert!(wrong.is_empty(), "say who may: {wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_may_what_the_table_says_and_nothing_else() {
    let system = TestSystem::start().await;
    let (gift, _) = system.paid_gift("500.00").await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    let opened = system.customer().dispute(order, &complaint(None)).await.expect(201);
    let things = Things { order, payment, gift, customer: system.people.customer.user_id };
    system
        .customer()
        .after(&format!("/api/v1/disputes/{}", opened.data()["id"].as_str().unwrap()), &opened.token())
        .await;
    system.come_to_rest(&Default::default()).await;
    let people = [
        ("nobody", system.nobody()),
        ("the customer", system.customer()),
        ("another customer", system.other_customer()),
        ("the cook", system.producer()),
        ("another cook", system.other_producer()),
        ("an administrator", system.admin()),
        ("an analyst", system.analyst()),
    ];
    let mut wrong = Vec::new();
    for (route, body, row) in table() {
        let (method, template) = route.split_once(' ').unwrap();
        let (method, path) = (method.parse::<Method>().unwrap(), things.path(template));
        let mut columns: Vec<_> = people.iter().zip(row).collect();
        // Strangers first: what they are refused must not have happened already.
        columns.sort_by_key(|(_, wanted)| matches!(wanted, Yes | Open));
        for ((who, client), wanted) in columns {
            let answer = knock(client, &method, &path, &body).await.as_u16();
            if !fits(answer, wanted) {
                wrong.push(format!("{who}: {route} is {answer}, not {wanted:?}"));
            }
            // Whoever may not ask learns nothing of how to ask.
            if matches!(wanted, Whom | No) && !body.is_null() {
                let answer = client.request(method.clone(), &path).body("{").send().await.unwrap().status().as_u16();
                if !fits(answer, wanted) {
                    wrong.push(format!("{who}: {route} without key and body is {answer}, not {wanted:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    system.stop().await;
}

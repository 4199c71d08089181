//! Whatever is wrong in a body, the answer points at it.

use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::harness::{Client, TestSystem, complaint, roubles, scenario_dish};

/// An operation that takes a JSON object, and the schema of its body.
struct Operation {
    method: Method,
    path: String,
    properties: Map<String, Value>,
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Every operation of the document but those that are no part of the product.
fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let is_aside = ["/dev/", "/webhooks/"].iter().any(|aside| path.contains(aside));
        for (method, operation) in methods.as_object().unwrap().iter().filter(|_| !is_aside) {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(properties) = resolve(document, schema)["properties"].as_object() else { continue };
            let method = method.to_uppercase().parse().unwrap();
            found.push(Operation { method, path: with_ids(path), properties: properties.clone() });
        }
    }
    found
}

/// An address that leads to nothing: what is wrong with a body is said before.
fn with_ids(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{name}" | "{projection}" => "orders".to_owned(),
        part if part.starts_with('{') => Uuid::now_v7().to_string(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Something that the schema does not take.
fn wrong(document: &Value, schema: &Value) -> Value {
    let schema = resolve(document, schema);
    let is_composed = |kind: &Value| kind == "object" || kind == "array";
    let composed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(is_composed),
        kind => is_composed(kind) || kind.is_null(),
    };
    if composed { json!(7) } else { json!({ "surprise": 1 }) }
}

async fn send(client: &Client, operation: &Operation, body: &Value) -> crate::harness::Answer {
    let request = client.request(operation.method.clone(), &operation.path);
    let request = request.header("Idempotency-Key", Uuid::now_v7().to_string()).header("If-Match", "*");
    client.send(request.json(body)).await
}

/// Asked by whoever may.
async fn refused(people: &[Client], operation: &Operation, body: &Value) -> Value {
    for person in people {
        let answer = send(person, operation, body).await;
        if answer.status != 403 {
            let told = format!("{} {} {body}: {}", operation.method, operation.path, answer.text());
            assert_eq!(answer.status, 400, "{told}");
            assert_eq!(answer.json()["error_code"], "VALIDATION_ERROR", "{told}");
            return answer.json();
        }
    }
    panic!("nobody may {} {}", operation.method, operation.path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_the_wrong_type_or_of_no_body_is_named_in_every_body_there_is() {
    let system = TestSystem::start().await;
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let people = [system.customer(), system.producer(), system.admin()];
    let (mut bodies, mut fields) = (0, 0);
    for operation in operations(&document) {
        bodies += 1;
        let problem = refused(&people, &operation, &json!({ "surprise": 1 })).await;
        assert_eq!(problem["errors"][0]["pointer"], "/surprise", "{}: {problem}", operation.path);
        for (name, schema) in &operation.properties {
            fields += 1;
            let problem = refused(&people, &operation, &json!({ name: wrong(&document, schema) })).await;
            let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
            let place = format!("/{name}");
            let is_there = pointer == place || pointer.starts_with(&format!("{place}/"));
            assert!(is_there, "{} {name}: {problem}", operation.path);
        }
    }
    assert!(bodies > 25 && fields > 60, "{bodies} bodies, {fields} fields");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_business_does_not_take_is_named_where_it_stands() {
    let system = TestSystem::start().await;
    let (customer, cook, admin) = (&system.customer(), &system.producer(), &system.admin());
    let (paid, payment) = system.paid_order(scenario_dish(0), 1).await;
    let waiting = customer.place(scenario_dish(0), 1).await;
    let (eaten, _, dispute) = system.disputed_order(&complaint(Some("300.00"))).await;
    cook.in_dispute(dispute, "respond", json!({ "message": "No." })).await.expect(200);
    let complete = system.paid_order(scenario_dish(0), 1).await.0;
    system.deliver(complete).await;
    customer.act(complete, "complete").await.expect(200);
    let order = |id: Uuid, act: &str| format!("/api/v1/orders/{id}/{act}");
    let about = |act: &str| format!("/api/v1/disputes/{dispute}/{act}");
    let of_payment = |act: &str| format!("/api/v1/payments/{payment}/{act}");
    let (long, longer) = ("x".repeat(501), "x".repeat(2_001));
    let (hash, no_hash) = ("a".repeat(64), "A".repeat(64));
    let dish = scenario_dish(0);
    let piece = |refs: Vec<&String>| json!({ "kind": "PHOTO", "file_refs": refs });
    let claim = |field: &str, value: Value| {
        let mut claim = complaint(None);
        claim[field] = value;
        claim
    };
    let dollars = json!({ "amount": "1.00", "currency": "USD" });
    let table = [
        (customer, order(waiting, "cancel"), json!({ "reason": long }), "/reason"),
        (customer, order(waiting, "cancel"), json!({ "reason_code": "ADMIN" }), "/reason_code"),
        (customer, order(waiting, "payments"), json!({ "return_url": "https://elsewhere.example" }), "/return_url"),
        (cook, order(paid, "accept"), json!({ "eta_minutes": 601 }), "/eta_minutes"),
        (cook, order(paid, "eta"), json!({ "eta_minutes": 0 }), "/eta_minutes"),
        (cook, order(paid, "reject"), json!({ "reason_code": "OTHER", "comment": long }), "/comment"),
        (cook, order(paid, "start-preparation"), json!({ "note": long }), "/note"),
        (cook, order(paid, "ready"), json!({ "note": long }), "/note"),
        (cook, order(paid, "dispatch"), json!({ "note": long }), "/note"),
        (cook, order(paid, "deliver"), json!({ "proof_ref": long }), "/proof_ref"),
        (admin, order(paid, "refunds"), json!({ "amount": roubles("0.00") }), "/amount"),
        (admin, order(paid, "refunds"), json!({ "amount": { "amount": 1.5, "currency": "RUB" } }), "/amount/amount"),
        (customer, order(complete, "rating"), json!({ "rating": 6 }), "/rating"),
        (customer, order(complete, "rating"), json!({ "rating": 5, "comment": long }), "/comment"),
        (customer, order(complete, "rating"), rated(&[(dish, 5), (dish, 6)]), "/per_item/1/rating"),
        (customer, order(complete, "rating"), rated(&[(dish, 5), (dish, 5)]), "/per_item/1/dish_id"),
        (customer, order(complete, "rating"), rated(&[(Uuid::now_v7(), 5)]), "/per_item/0/dish_id"),
        (customer, order(paid, "disputes"), claim("description", json!("")), "/description"),
        (customer, order(paid, "disputes"), claim("description", json!(longer)), "/description"),
        (customer, order(paid, "disputes"), claim("reason_code", json!("BANK")), "/reason_code"),
        (customer, order(paid, "disputes"), claim("claimed_amount", roubles("0.00")), "/claimed_amount"),
        (customer, order(paid, "disputes"), claim("appeal_of", json!(Uuid::now_v7())), "/appeal_of"),
        (
            customer,
            order(paid, "disputes"),
            claim("evidence", json!([piece(vec![&hash]), piece(vec![&no_hash])])),
            "/evidence/1/file_refs/0",
        ),
        (
            customer,
            order(paid, "disputes"),
            claim("evidence", json!([piece(vec![&hash; 11])])),
            "/evidence/0/file_refs",
        ),
        (
            customer,
            order(paid, "disputes"),
            claim("evidence", json!([{ "kind": "CHAT", "text": longer }])),
            "/evidence/0/text",
        ),
        (customer, order(paid, "disputes"), claim("evidence", json!([{ "kind": "CHAT" }])), "/evidence/0/text"),
        (customer, order(paid, "disputes"), claim("evidence", json!(vec![piece(vec![&hash]); 11])), "/evidence"),
        (customer, about("evidence"), json!({ "kind": "CHAT" }), "/text"),
        (customer, about("evidence"), json!({ "kind": "CHAT", "text": longer }), "/text"),
        (customer, about("evidence"), piece(vec![&hash, &no_hash]), "/file_refs/1"),
        (cook, about("evidence"), piece(vec![&hash; 11]), "/file_refs"),
        (cook, about("respond"), json!({ "message": "" }), "/message"),
        (cook, about("respond"), json!({ "message": longer }), "/message"),
        (cook, about("offers"), json!({ "amount": roubles("0.00") }), "/amount"),
        (cook, about("offers"), json!({ "amount": dollars }), "/amount"),
        (cook, about("offers"), json!({ "amount": roubles("1.00"), "message": longer }), "/message"),
        (customer, about("escalate"), json!({ "cause": long }), "/cause"),
        (admin, about("resolve"), json!({ "outcome": "REFUND_PARTIAL" }), "/refund_amount"),
        (
            admin,
            about("resolve"),
            json!({ "outcome": "REFUND_PARTIAL", "refund_amount": roubles("500.00") }),
            "/refund_amount",
        ),
        (admin, about("resolve"), json!({ "outcome": "REJECTED", "refund_amount": roubles("1.00") }), "/refund_amount"),
        (admin, about("resolve"), json!({ "outcome": "REJECTED", "comment": long }), "/comment"),
        (admin, about("resolve"), json!({ "outcome": "WITHDRAWN" }), "/outcome"),
        (admin, of_payment("chargebacks"), json!({ "amount": roubles("0.00"), "registry_ref": "r" }), "/amount"),
        (admin, of_payment("chargebacks"), json!({ "amount": roubles("1.00"), "registry_ref": " " }), "/registry_ref"),
        (
            admin,
            of_payment("external-refunds"),
            json!({ "amount": roubles("1.00"), "registry_ref": long }),
            "/registry_ref",
        ),
        (
            admin,
            of_payment(&format!("refunds/{eaten}/resolution")),
            json!({ "finding": "DONE", "reason": "" }),
            "/reason",
        ),
        (admin, of_payment("integrity-resolution"), json!({ "decision": "FORGET" }), "/decision"),
        (customer, "/api/v1/gifts".into(), gift("deliver_at", json!("2020-01-01T00:00:00Z")), "/deliver_at"),
        (customer, "/api/v1/gifts".into(), gift("message", json!(long)), "/message"),
        (customer, "/api/v1/gifts".into(), gift("recipient", json!({ "phone": "8-900" })), "/recipient/phone"),
        (customer, "/api/v1/gifts".into(), gift("recipient", json!({ "email": "nobody" })), "/recipient/email"),
        (customer, "/api/v1/gifts".into(), gift("quantity", json!(2)), "/quantity"),
        (customer, "/api/v1/gifts/activate".into(), json!({}), "/code"),
    ];
    let mut wrong = Vec::new();
    for (who, path, body, pointer) in table {
        let operation = Operation { method: Method::POST, path, properties: Map::new() };
        let answer = send(who, &operation, &body).await;
        let is_validation = answer.status == 400 && answer.json()["error_code"] == "VALIDATION_ERROR";
        if !is_validation || answer.json()["errors"][0]["pointer"] != pointer {
            wrong.push(format!("{} {body} should point at {pointer}: {}", operation.path, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    system.finish().await;
}

fn rated(marks: &[(Uuid, u8)]) -> Value {
    let marks = marks.iter().map(|(dish, rating)| json!({ "dish_id": dish, "rating": rating }));
    json!({ "rating": 5, "per_item": marks.collect::<Vec<_>>() })
}

fn gift(field: &str, value: Value) -> Value {
    let mut gift = json!({ "value": roubles("1000.00"), "recipient": { "name": "Boris" },
        "return_url": "http://localhost:3000/paid" });
    gift[field] = value;
    gift
}

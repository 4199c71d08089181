//! One order: who sees it, what of it, at which version.

use serde_json::{Value, json};
use shared::{
    sealing::{OrderContact, Sealer},
    web::Role,
};
use uuid::Uuid;

use super::{ANNA, BORIS, COOK, KITCHEN, Test};
use crate::projections::samples;

#[tokio::test]
async fn parties_see_their_order_and_nobody_else_does() {
    let mut test = Test::start().await;
    let sealer = Sealer::new(test.app.db.clone(), test.app.platform.settings.pii_kek().expose());
    let contact = OrderContact { user_name: "Anna".into(), phone: "+79990000000".into(), ..OrderContact::default() };
    let id = Uuid::now_v7();
    let mut created = samples::created(ANNA, KITCHEN);
    created.pii_sealed = Some(sealer.seal(ANNA, &contact).await.unwrap());
    test.log.push(id, created);
    let path = format!("/api/v1/orders/{id}");

    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let (status, headers, body) = test.get(&path, &anna).await;
    assert_eq!(status, 200);
    assert_eq!(headers["etag"], "\"v1\"");
    assert_eq!(headers["projection-position"], "1");
    assert_eq!(headers["preference-applied"], "wait=8");
    let data = &body["data"];
    assert_eq!((&data["quantity"], &data["status"]), (&json!(2), &json!("WAITING_FOR_PAYMENT")));
    assert_eq!(data["total_price"], json!({"amount": "200.00", "currency": "RUB"}));
    assert_eq!(data["allowed_actions"], json!(["pay", "cancel"]));
    assert_eq!(data["contact"]["phone"], "+79990000000");
    assert_eq!(body["meta"], json!({"version": 1}));

    // Before the payment the cook sees the order, but not whom it is for.
    let cook = test.headers(COOK, &[Role::Producer]);
    let (status, _, body) = test.get(&path, &cook).await;
    assert_eq!((status, &body["data"]["contact"]), (200, &Value::Null));
    test.log.push(id, samples::paid(id));
    let cook = test.commit(COOK, &[Role::Producer]).await;
    let (_, _, body) = test.get(&path, &cook).await;
    assert_eq!(body["data"]["contact"]["user_name"], "Anna");
    assert_eq!(body["data"]["allowed_actions"], json!(["accept", "reject", "cancel"]));

    for (user, roles, expected) in
        [(BORIS, &[Role::Customer][..], 404), (BORIS, &[Role::Admin], 200), (BORIS, &[Role::Analyst], 404)]
    {
        let headers = test.headers(user, roles);
        assert_eq!(test.get(&path, &headers).await.0, expected, "{roles:?}");
    }
    assert_eq!(test.get(&path, &[]).await.0, 401);
    let anna = test.headers(ANNA, &[Role::Customer]);
    assert_eq!(test.get(&format!("/api/v1/orders/{}", Uuid::now_v7()), &anna).await.0, 404);
    assert_eq!(test.get("/api/v1/orders/7", &anna).await.0, 400);
}

#[tokio::test]
async fn a_day_after_the_delivery_the_cook_forgets_whom_it_was_for() {
    let mut test = Test::start().await;
    let sealer = Sealer::new(test.app.db.clone(), test.app.platform.settings.pii_kek().expose());
    let id = Uuid::now_v7();
    let mut created = samples::created(ANNA, KITCHEN);
    created.pii_sealed = Some(sealer.seal(ANNA, &OrderContact::default()).await.unwrap());
    test.log.push(id, created);
    test.log.push(id, samples::paid(id));
    test.log.push(id, samples::accepted());
    test.log.push(id, samples::started());
    test.log.push(id, samples::ready());
    test.log.push(id, samples::dispatched());
    test.log.push(id, samples::delivered());
    let cook = test.commit(COOK, &[Role::Producer]).await;
    let path = format!("/api/v1/orders/{id}");
    assert!(test.get(&path, &cook).await.2["data"]["contact"].is_object());
    test.app.platform.clock.advance(chrono::Duration::hours(25));
    assert!(test.get(&path, &cook).await.2["data"]["contact"].is_null());
    let anna = test.headers(ANNA, &[Role::Customer]);
    assert!(test.get(&path, &anna).await.2["data"]["contact"].is_object());
}

#[tokio::test]
async fn a_known_version_is_304() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let mut anna = test.commit(ANNA, &[Role::Customer]).await;
    anna.push(("if-none-match", "\"v1\"".to_owned()));
    let (status, headers, body) = test.get(&format!("/api/v1/orders/{id}"), &anna).await;
    assert_eq!((status, &headers["etag"], body), (304, &"\"v1\"".parse().unwrap(), Value::Null));
}

#[tokio::test]
async fn a_query_that_names_the_future_is_late_or_stale() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let path = format!("/api/v1/orders/{id}");
    assert_eq!(test.get(&path, &anna).await.0, 200);
    let token = test.app.seen(1_000);
    let headers = [anna[0].clone(), ("consistency-token", token), ("prefer", "wait=0".to_owned())];
    let (status, answer, body) = test.get(&path, &headers).await;
    assert_eq!((status, &body["error_code"]), (503, &json!("PROJECTION_LAG")));
    assert_eq!((answer["retry-after"].to_str().unwrap(), &body["projection_position"]), ("1", &json!(1)));
    let (status, answer, _) = test.get(&format!("{path}?allow_stale=true"), &headers).await;
    assert_eq!((status, answer["projection-position"].to_str().unwrap()), (200, "1"));
    let forged = [anna[0].clone(), ("consistency-token", "AAAA".to_owned())];
    assert_eq!(test.get(&path, &forged).await.0, 400);
}

#[tokio::test]
async fn a_history_shows_every_event_without_personal_data() {
    let mut test = Test::start().await;
    let id = Uuid::now_v7();
    let mut created = samples::created(ANNA, KITCHEN);
    created.pii_sealed = Some("sealed".to_owned());
    test.log.push(id, created);
    test.log.push(id, samples::paid(id));
    test.log.push(id, samples::accepted());
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let (status, _, body) = test.get(&format!("/api/v1/orders/{id}/history?to_version=2"), &anna).await;
    assert_eq!(status, 200);
    let types: Vec<_> = body["data"].as_array().unwrap().iter().map(|entry| &entry["event_type"]).collect();
    assert_eq!(types, ["order_created", "order_paid"]);
    assert_eq!(body["data"][0]["actor"], "system");
    assert!(!body.to_string().contains("sealed"));
    let (status, _, body) = test.get(&format!("/api/v1/orders/{id}/history?to_version=4"), &anna).await;
    let wrong = &body["errors"][0];
    assert_eq!((status, &wrong["pointer"], &wrong["code"]), (400, &json!("/to_version"), &json!("out_of_range")));
    assert!(body["detail"].as_str().unwrap().contains("newest is 3"), "{body}");
    let boris = test.headers(BORIS, &[Role::Customer]);
    assert_eq!(test.get(&format!("/api/v1/orders/{id}/history"), &boris).await.0, 404);
}

#[tokio::test]
async fn a_token_is_not_honoured_by_rows_that_a_crash_of_the_server_took_back() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let path = format!("/api/v1/orders/{id}");
    assert_eq!(test.get(&path, &anna).await.0, 200);
    sqlx::query("CREATE TABLE kept AS SELECT * FROM orders").execute(&test.app.db).await.unwrap();
    test.log.push(id, samples::paid(id));
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    assert_eq!(test.get(&path, &anna).await.2["meta"]["version"], 2);
    sqlx::query(
        "DO $$ BEGIN
             DELETE FROM orders;
             INSERT INTO orders SELECT * FROM kept;
             UPDATE projection_checkpoints SET position = 1 WHERE name = 'orders';
         END $$",
    )
    .execute(&test.app.db)
    .await
    .unwrap();
    let (status, _, body) = test.get(&path, &anna).await;
    assert_eq!((status, &body["meta"]["version"]), (200, &json!(2)), "{body}");
}

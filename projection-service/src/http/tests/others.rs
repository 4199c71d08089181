//! Payments and the catalogue.

use serde_json::json;
use shared::{
    domain::{
        OrderId, PaymentId,
        order::OrderPaymentRequested,
        payment::{CaptureMode, PaymentInitiated, PaymentSessionOpened, Provider, Purpose},
    },
    web::Role,
};
use uuid::Uuid;

use super::{ANNA, BORIS, COOK, KITCHEN, Test};

#[tokio::test]
async fn a_payment_is_shown_to_its_payer_and_its_sum_to_the_cook() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let payment_id = PaymentId::of_order_attempt(OrderId(id), 1);
    let requested = OrderPaymentRequested {
        payment_id,
        attempt_no: 1,
        amount_due: shared::domain::Money::rub(20_000),
        provider: None,
        return_url: "http://localhost".to_owned(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: chrono::Utc::now(),
    };
    test.log.push(id, requested);
    let initiated = PaymentInitiated {
        purpose: Purpose::Order { order_id: OrderId(id) },
        amount: shared::domain::Money::rub(20_000),
        provider: Provider::DevFake,
        provider_order_ref: "ref".to_owned(),
        return_url: "http://localhost".to_owned(),
        capture_mode: CaptureMode::OnPayment,
        expires_at: chrono::Utc::now(),
    };
    test.log.push_payment(payment_id.0, initiated);
    let opened = PaymentSessionOpened {
        provider_payment_id: "77".to_owned(),
        payment_url: "http://localhost/pay".to_owned(),
        init_try: 1,
    };
    test.log.push_payment(payment_id.0, opened);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let path = format!("/api/v1/payments/{payment_id}");
    let (status, headers, body) = test.get(&path, &anna).await;
    assert_eq!((status, &headers["etag"]), (200, &"\"v2\"".parse().unwrap()), "{body}");
    assert_eq!(body["data"]["status"], "AWAITING_CUSTOMER");
    assert_eq!(body["data"]["payment_url"], "http://localhost/pay");
    assert!(body["data"]["provider_payment_id"].is_null());
    let cook = test.headers(COOK, &[Role::Producer]);
    let (_, _, body) = test.get(&path, &cook).await;
    let shown: Vec<_> = body["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(shown, ["amount", "order_id", "payment_id", "status"]);
    let admin = test.headers(BORIS, &[Role::Admin]);
    assert_eq!(test.get(&path, &admin).await.2["data"]["provider_payment_id"], "77");
    let boris = test.headers(BORIS, &[Role::Customer]);
    assert_eq!(test.get(&path, &boris).await.0, 404);
    let (_, _, order) = test.get(&format!("/api/v1/orders/{id}"), &anna).await;
    assert_eq!(order["data"]["payment"]["status"], "PENDING");
    assert_eq!(order["data"]["payment"]["payment_id"], json!(payment_id));
}

#[tokio::test]
async fn the_catalogue_is_open_and_looks_are_counted_once() {
    let test = Test::start().await;
    let db = &test.app.db;
    let category = Uuid::now_v7();
    sqlx::query("INSERT INTO categories (id, name) VALUES ($1, 'Soups')").bind(category).execute(db).await.unwrap();
    sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'Olga', 'Moscow')")
        .bind(KITCHEN.0)
        .bind(COOK.0)
        .execute(db)
        .await
        .unwrap();
    let dishes: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
    for (dish, name) in dishes.iter().zip(["Borscht", "Shchi", "Okroshka", "Solyanka", "Ukha"]) {
        sqlx::query(
            "INSERT INTO dishes (id, producer_id, name, price_minor, category_id) VALUES ($1, $2, $3, 10000, $4)",
        )
        .bind(dish)
        .bind(KITCHEN.0)
        .bind(name)
        .bind(category)
        .execute(db)
        .await
        .unwrap();
    }
    let (_, _, page) = test.get(&format!("/api/v1/dishes?limit=3&category_id={category}"), &[]).await;
    let cursor = page["meta"]["next_cursor"].as_str().unwrap();
    let next = format!("/api/v1/dishes?limit=3&category_id={category}&cursor={cursor}");
    let (_, _, rest) = test.get(&next, &[]).await;
    let names: Vec<_> = [&page, &rest].iter().flat_map(|page| page["data"].as_array().unwrap()).collect();
    let names: Vec<_> = names.iter().map(|dish| dish["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Borscht", "Okroshka", "Shchi", "Solyanka", "Ukha"]);
    assert!(rest["meta"]["next_cursor"].is_null());

    let path = format!("/api/v1/dishes/{}", dishes[0]);
    for _ in 0..3 {
        assert_eq!(test.get(&path, &[]).await.0, 200);
    }
    crate::testing::eventually("the look is counted", || async {
        test.get(&path, &[]).await.2["data"]["views_count"] == json!(1)
    })
    .await;
    assert_eq!(test.get(&format!("/api/v1/producers/{KITCHEN}"), &[]).await.2["data"]["city"], "Moscow");
    assert_eq!(test.get("/api/v1/producers", &[]).await.2["data"][0]["name"], "Olga");
    assert_eq!(test.get("/api/v1/categories", &[]).await.2["data"][0]["name"], "Soups");
    assert_eq!(test.get(&format!("/api/v1/dishes/{}", Uuid::now_v7()), &[]).await.0, 404);
}

#[tokio::test]
async fn a_row_that_neither_log_nor_table_has_cannot_be_healed() {
    let mut test = Test::start().await;
    let (known, phantom) = (test.order(ANNA), Uuid::now_v7());
    let admin = test.commit(BORIS, &[Role::Admin]).await;
    assert_eq!(test.get(&format!("/api/v1/orders/{known}"), &admin).await.0, 200);
    let heal = async |id: Uuid| {
        let path = format!("/api/v1/admin/projections/orders/rows/{id}/heal");
        let (status, _, body) = test.app.operate(&path, Some(&json!({"reason": "x"}))).await;
        (status, body["data"]["drifted"].as_bool())
    };
    assert_eq!(heal(known).await, (200, Some(false)));
    assert_eq!(heal(phantom).await, (404, None));
    // A row that no event made is wrong, and goes.
    sqlx::query(
        "INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', $1::uuid))).* FROM orders o",
    )
    .bind(phantom)
    .execute(&test.app.db)
    .await
    .unwrap();
    assert_eq!(heal(phantom).await, (200, Some(true)));
    assert_eq!(heal(phantom).await, (404, None));
}

#[tokio::test]
async fn a_row_that_the_fold_refuses_today_is_left_alone_and_the_event_is_named() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let admin = test.commit(BORIS, &[Role::Admin]).await;
    assert_eq!(test.get(&format!("/api/v1/orders/{id}"), &admin).await.0, 200);
    test.app.failpoints.set_fold("orders", id);
    let path = format!("/api/v1/admin/projections/orders/rows/{id}/heal");
    let (status, _, problem) = test.app.operate(&path, Some(&json!({"reason": "x"}))).await;
    assert_eq!((status, &problem["rule_name"]), (422, &json!("fold_refuses")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("position 1"), "{problem}");
    assert_eq!(test.get(&format!("/api/v1/orders/{id}"), &admin).await.0, 200);
}

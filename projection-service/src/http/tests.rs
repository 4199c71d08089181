//! The queries over a real database: who sees what, pages, versions, waiting.

use serde_json::{Value, json};
use shared::{
    domain::{
        OrderId, PaymentId, ProducerId, UserId,
        order::{OrderPaymentRequested, OrderStatus},
        payment::{CaptureMode, PaymentInitiated, PaymentSessionOpened, Provider, Purpose},
    },
    sealing::{OrderContact, Sealer},
    web::Role,
};
use uuid::Uuid;

use crate::{
    projections::samples::{self, Log},
    testing::App,
};

const ANNA: UserId = UserId(Uuid::from_u128(0xA));
const BORIS: UserId = UserId(Uuid::from_u128(0xB));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));
const COOK: UserId = UserId(Uuid::from_u128(0xFF));

struct Test {
    app: App,
    log: Log,
}

impl Test {
    async fn start() -> Self {
        Self { app: App::start().await, log: Log::new() }
    }

    fn order(&mut self, customer: UserId) -> Uuid {
        let id = Uuid::now_v7();
        self.log.push(id, samples::created(customer, KITCHEN));
        id
    }

    /// Appends, and answers the headers with which a query sees it.
    async fn commit(&mut self, user: UserId, roles: &[Role]) -> Vec<(&'static str, String)> {
        self.log.write(&self.app.db).await;
        self.headers(user, roles)
    }

    fn headers(&self, user: UserId, roles: &[Role]) -> Vec<(&'static str, String)> {
        let kitchen = roles.contains(&Role::Producer).then_some(KITCHEN);
        let token = self.app.token(user, roles, kitchen);
        let seen = self.app.seen(self.log.events.len() as u64);
        vec![("authorization", format!("Bearer {token}")), ("consistency-token", seen), ("prefer", "wait=8".to_owned())]
    }

    async fn get(&self, path: &str, headers: &[(&'static str, String)]) -> (u16, http::HeaderMap, Value) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.app.get(path, &headers).await
    }
}

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
async fn pages_are_stable_while_orders_come_in() {
    let mut test = Test::start().await;
    let mut mine: Vec<Uuid> = (0..25).map(|_| test.order(ANNA)).collect();
    mine.reverse();
    test.order(BORIS);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/orders?limit=10".to_owned();
    loop {
        let (status, _, body) = test.get(&path, &anna).await;
        assert_eq!(status, 200, "{body}");
        let ids = body["data"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().parse::<Uuid>());
        seen.extend(ids.map(Result::unwrap));
        let Some(cursor) = body["meta"]["next_cursor"].as_str() else { break };
        path = format!("/api/v1/orders?limit=10&cursor={cursor}");
        // Newer orders do not shift what comes next.
        test.order(ANNA);
        test.log.write(&test.app.db).await;
    }
    assert_eq!(seen, mine);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_filter_and_its_owner() {
    let mut test = Test::start().await;
    for _ in 0..3 {
        test.order(ANNA);
    }
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let (_, _, body) = test.get("/api/v1/orders?limit=1", &anna).await;
    let cursor = body["meta"]["next_cursor"].as_str().unwrap();
    let changed = format!("/api/v1/orders?limit=1&status=PAID&cursor={cursor}");
    assert_eq!(test.get(&changed, &anna).await.0, 400);
    let boris = test.headers(BORIS, &[Role::Customer]);
    assert_eq!(test.get(&format!("/api/v1/orders?limit=1&cursor={cursor}"), &boris).await.0, 400);
    for wrong in ["limit=0", "limit=101", "status=EATEN", "cursor=x", "colour=red", "from=yesterday"] {
        assert_eq!(test.get(&format!("/api/v1/orders?{wrong}"), &anna).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn filters_and_roles_decide_what_a_list_shows() {
    let mut test = Test::start().await;
    let (first, second) = (test.order(ANNA), test.order(BORIS));
    test.log.push(first, samples::paid(first));
    test.log.push(second, samples::cancelled(OrderStatus::WaitingForPayment));
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let cook = test.headers(COOK, &[Role::Producer]);
    let admin = test.headers(BORIS, &[Role::Admin]);
    let stranger = ProducerId(Uuid::from_u128(0xE));
    for (headers, query, expected) in [
        (&anna, "?status=PAID", 1),
        (&anna, "?status=CANCELLED", 0),
        (&anna, "?from=2100-01-01T00:00:00Z", 0),
        (&anna, "?to=2100-01-01T00:00:00Z", 1),
        (&cook, "", 2),
        (&cook, &format!("?producer_id={KITCHEN}"), 2),
        (&cook, &format!("?producer_id={stranger}"), 0),
        (&admin, "", 2),
        (&admin, "?status=CANCELLED", 1),
        (&admin, &format!("?producer_id={stranger}"), 0),
    ] {
        let (status, _, body) = test.get(&format!("/api/v1/orders{query}"), headers).await;
        assert_eq!((status, body["data"].as_array().map(Vec::len)), (200, Some(expected)), "{query}: {body}");
    }
    let analyst = test.headers(BORIS, &[Role::Analyst]);
    assert_eq!(test.get("/api/v1/orders", &analyst).await.0, 403);
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
    let boris = test.headers(BORIS, &[Role::Customer]);
    assert_eq!(test.get(&format!("/api/v1/orders/{id}/history"), &boris).await.0, 404);
}

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

#[test]
fn the_document_names_every_route_once_and_describes_every_answer() {
    let document = serde_json::to_value(super::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/orders/{id}/history") && paths.contains_key("/ws"));
    let mut names = Vec::new();
    for item in paths.values() {
        for operation in item.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap());
            for answer in operation["responses"].as_object().unwrap().values() {
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{operation}");
            }
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

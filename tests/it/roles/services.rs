//! Both services as they are deployed: each alone, under its own role.

use std::{
    ffi::OsString,
    path::Path,
    time::{Duration, Instant},
};

use command_service::{app::CommandService, settings::CommandSettings};
use dev_servers::TestServers;
use projection_service::{app::ProjectionService, settings::ProjectionSettings};
use serde_json::{Value, json};
use shared::{
    domain::UserId,
    runtime::{
        Platform, Secret, jetstream,
        settings::{Settings, parse_from},
    },
    subjects::Names,
    web::{self, Role, Roles, token::Grant},
};
use sqlx::PgPool;
use tokio::net::TcpListener;
use uuid::{Uuid, uuid};

use super::{COMMAND, PROJECTION, address_for, database};

const DISH: Uuid = uuid!("01900000-0000-7000-8000-000000000101");

/// A service that answers HTTP.
struct Serving {
    platform: Platform,
    address: String,
}

#[tokio::test]
async fn an_order_is_placed_and_shown_by_services_under_their_own_roles() {
    let (owner, url) = database().await;
    open_kitchen(&owner).await;
    let keys = tempfile::tempdir().unwrap();
    let names = Names::of(&Uuid::new_v4().simple().to_string());
    let write_side = command_service(address_for(COMMAND, &url).await, keys.path(), names.clone()).await;
    let read_side = projection_service(address_for(PROJECTION, &url).await, keys.path(), names).await;

    let customer = token(&write_side.platform, Role::Customer);
    let http = reqwest::Client::new();
    let order = json!({
        "dish_id": DISH, "quantity": 2, "delivery_type": "BUILDING",
        "delivery_address_text": "Building 7, flat 12", "user_name": "Anna", "phone": "+79990000001",
    });
    let place = http.post(format!("{}/api/v1/orders", write_side.address)).bearer_auth(&customer).json(&order);
    let place = place.header("Idempotency-Key", "roles-1");
    let placed = answer(place.try_clone().unwrap()).await;
    assert_eq!(placed.0, 201, "{}", placed.1);
    // Receipts work too.
    assert_eq!(answer(place).await, placed);

    let id = placed.1["data"]["id"].as_str().unwrap();
    eventually("the order is shown to its customer", async || {
        let shown = http.get(format!("{}/api/v1/orders/{id}", read_side.address)).bearer_auth(&customer);
        let (status, body) = answer(shown).await;
        status == 200 && body["data"]["contact"]["delivery_address_text"] == "Building 7, flat 12"
    })
    .await;
    let ticket = http.post(format!("{}/api/v1/ws-tickets", read_side.address)).bearer_auth(&customer);
    let (status, body) = answer(ticket).await;
    assert!(status < 300, "{status} {body}");
    replace_and_compare(&http, &read_side).await;
    for service in [&write_side, &read_side] {
        eventually("every part is well", async || {
            let (_, report) = answer(http.get(format!("{}/health/", service.address))).await;
            report["status"] == "healthy"
        })
        .await;
    }
    for service in [write_side, read_side] {
        service.platform.supervisor.shutdown(Duration::from_secs(10)).await;
    }
}

/// The read side may not change tables, but it may have read models replaced.
async fn replace_and_compare(http: &reqwest::Client, read_side: &Serving) {
    let admin = token(&read_side.platform, Role::Admin);
    for act in ["rebuild", "verify", "rollback", "forget"] {
        let url = format!("{}/api/v1/admin/projections/orders/{act}", read_side.address);
        let (status, begun) = answer(http.post(url).bearer_auth(&admin).json(&json!({"reason": "a test"}))).await;
        assert!(status < 300, "{act}: {begun}");
        if act == "forget" {
            assert_eq!(begun["data"]["generations"], 1);
            continue;
        }
        let url = format!("{}/api/v1/operations/{}", read_side.address, begun["data"]["id"].as_str().unwrap());
        eventually(act, async || {
            let (_, found) = answer(http.get(&url).bearer_auth(&admin)).await;
            assert!(!matches!(found["data"]["state"].as_str(), Some("failed" | "paused")), "{found}");
            found["data"]["state"] == "succeeded"
        })
        .await;
    }
}

/// A kitchen that is always open, with one dish.
async fn open_kitchen(owner: &PgPool) {
    let kitchen = Uuid::now_v7();
    sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'Olga', 'Kazan')")
        .bind(kitchen)
        .bind(Uuid::now_v7())
        .execute(owner)
        .await
        .unwrap();
    let dish =
        "INSERT INTO dishes (id, producer_id, name, price_minor, portions_left) VALUES ($1, $2, 'Borscht', 35000, 2)";
    sqlx::query(dish).bind(DISH).bind(kitchen).execute(owner).await.unwrap();
}

async fn command_service(database_url: Secret, keys: &Path, names: Names) -> Serving {
    let settings: CommandSettings = settings(&database_url, keys).await;
    let platform = Platform::new("command-service", settings.shared.clone()).await.unwrap();
    let nats = jetstream::connect(&settings.shared.nats_url, "test").await.unwrap();
    let connections = command_service::app::Connections { nats, names, with_relay: true };
    let service = CommandService::start(&platform, &settings.write_side, connections).await.unwrap();
    serve(platform, service.router).await
}

async fn projection_service(database_url: Secret, keys: &Path, names: Names) -> Serving {
    let settings: ProjectionSettings = settings(&database_url, keys).await;
    let platform = Platform::new("projection-service", settings.shared.clone()).await.unwrap();
    let nats = Some(jetstream::connect(&settings.shared.nats_url, "test").await.unwrap());
    let connections = projection_service::app::Connections { nats, names, feed: None };
    let service = ProjectionService::start(&platform, &settings.read_side, connections).await.unwrap();
    serve(platform, service.router).await
}

async fn settings<T: Settings>(database_url: &Secret, keys: &Path) -> T {
    let key_file = keys.join("key.pem");
    let arguments = [
        "service",
        "--environment=development",
        "--database-url",
        database_url.expose(),
        "--nats-url",
        TestServers::shared().await.nats_url(),
        "--jwt-dev-key-file",
        key_file.to_str().unwrap(),
    ];
    parse_from(arguments.map(OsString::from)).unwrap()
}

async fn serve(platform: Platform, router: utoipa_axum::router::OpenApiRouter) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ops = web::ops::routes(platform.metrics.clone(), platform.health.clone());
    let (router, _) = router.merge(ops).split_for_parts();
    tokio::spawn(web::serve(listener, router, platform.metrics.clone(), platform.supervisor.token()));
    Serving { platform, address }
}

fn token(platform: &Platform, role: Role) -> String {
    let grant = Grant {
        user_id: UserId(Uuid::now_v7()),
        roles: Roles::from_iter([role]),
        producer_id: None,
        lifetime: Duration::from_secs(600),
    };
    platform.authenticator.dev_issuer().unwrap().mint(&grant).unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Waits until `condition` holds; panics if it never does.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(120), "{what}: never came true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

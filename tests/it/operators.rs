//! What operators do to a running system, and that nobody else notices.

use async_nats::jetstream;
use futures::{StreamExt, stream};
use projection_service::projections::NAMES;
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Client, Parts, SOON_SECS, ServiceProcess, TestSystem, eventually, id_of, scenario_dish};

/// Begins a long act; where to follow it.
pub async fn begin(admin: &Client, path: &str, body: Value) -> String {
    let begun = admin.post(path, &body).await.expect(202);
    begun.header("operation-location").to_owned()
}

/// Waits until a long act has come to its end, and answers it.
pub async fn ends(admin: &Client, operation: &str) -> Value {
    eventually(SOON_SECS, || async {
        let Ok(answer) = admin.try_send(admin.request(reqwest::Method::GET, operation)).await else {
            return Err("nobody answers".to_owned());
        };
        let found = answer.expect(200).data();
        match found["state"].as_str() {
            Some("planned" | "running") => Err(found.to_string()),
            _ => Ok(found),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_projection_is_rebuilt_while_people_order_and_nobody_is_told_twice() {
    let system = TestSystem::builder().instances(&[Parts::ALL, Parts::READ]).start().await;
    let (customer, admin) = (system.customer(), system.admin());
    for _ in 0..20 {
        system.paid_order(scenario_dish(0), 1).await;
    }
    let people = stream::iter(0..60).for_each_concurrent(4, |_| async {
        let order = customer.place(scenario_dish(0), 1).await;
        let cancelled = customer.act(order, "cancel").await.expect(200);
        // What one has done is seen, through every swap.
        let seen = customer.order_after(order, &cancelled.token()).await.expect(200);
        assert_eq!(seen.data()["status"], "CANCELLED");
    });
    let operator = async {
        for name in NAMES.iter().copied().chain(["orders"]) {
            let path = format!("/api/v1/admin/projections/{name}/rebuild");
            let operation = begin(&admin, &path, json!({"reason": "a test"})).await;
            let ended = ends(&admin, &operation).await;
            assert_eq!(ended["state"], "succeeded", "{ended}");
        }
        let rollback = begin(&admin, "/api/v1/admin/projections/orders/rollback", json!({"reason": "back"})).await;
        assert_eq!(ends(&admin, &rollback).await["state"], "succeeded");
    };
    tokio::join!(people, operator);
    let shown = admin.get("/api/v1/admin/projections/orders").await.expect(200).data();
    let states: Vec<_> = shown["generations"].as_array().unwrap().iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["kept", "live", "kept"]);
    for name in ["orders", "payments", "gifts"] {
        let path = format!("/api/v1/admin/projections/{name}/verify");
        let operation = begin(&admin, &path, json!({"reason": "to be sure"})).await;
        assert_eq!(ends(&admin, &operation).await["result"]["drifted"], 0);
    }
    system.finish().await;
}

/// Adds many orders that were only placed, as one more transaction of the log.
async fn grow_log(system: &TestSystem, events: i64) {
    let mut tx = system.db.begin().await.unwrap();
    let head: i64 = sqlx::query_scalar("UPDATE log_head SET position = position + $1 RETURNING position")
        .bind(events)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        "
        INSERT INTO events
        SELECT aggregate_type, gen_random_uuid()::text, 1, event_type, event_version, payload, metadata, $2 - $1 + n,
               gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), actor, occurred_at, recorded_at, slice
        FROM (SELECT * FROM events WHERE event_type = 'order_created' LIMIT 1) e, generate_series(1, $1) n
        ",
    )
    .bind(events)
    .bind(head)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query("SELECT pg_notify('homefood_log', $1::text)").bind(head).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_goes_on_in_another_process_after_kill_nine_at_half() {
    let mut system = TestSystem::builder().instances(&[Parts::READ]).start().await;
    let mut doomed = ServiceProcess::start(&system).await;
    let customer = system.customer().at(&doomed.url);
    customer.place(scenario_dish(0), 1).await;
    grow_log(&system, 30_000).await;
    let admin = system.admin().at(&doomed.url);
    eventually(SOON_SECS, || async {
        let shown = admin.get("/api/v1/admin/projections/orders").await.expect(200).data();
        if shown["lag"] == 0 { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    // Only the doomed one is left to do it.
    system.instances.remove(0).stop().await.unwrap();
    let operation = begin(&admin, "/api/v1/admin/projections/orders/rebuild", json!({"reason": "a test"})).await;
    let half = eventually(SOON_SECS, || async {
        let found = admin.get(&operation).await.expect(200).data();
        let done = found["progress"]["done"].as_u64().unwrap();
        if done >= 10_000 { Ok(done) } else { Err(found.to_string()) }
    })
    .await;
    doomed.kill().await;
    let url = system.add_instance(Parts::ALL).await;
    let admin = admin.at(&url);
    let first = admin.get(&operation).await.expect(200).data();
    assert!(first["progress"]["done"].as_u64().unwrap() >= half, "{first}");
    let ended = ends(&admin, &operation).await;
    assert_eq!((&ended["state"], &ended["result"]["events"]), (&json!("succeeded"), &json!(30_001)), "{ended}");
    let verify = begin(&admin, "/api/v1/admin/projections/orders/verify", json!({"reason": "to be sure"})).await;
    let verified = ends(&admin, &verify).await;
    assert_eq!((&verified["result"]["drifted"], &verified["result"]["events"]), (&json!(0), &json!(30_001)));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_process_managers_are_listed_copied_and_redriven_like_others() {
    let mut system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.come_to_rest(&Default::default()).await;
    // As if the process managers had not known what to do with the payment's success.
    sqlx::query(
        "
        INSERT INTO dead_letters (id, queue_name, handler, message_type, payload, position, aggregate_type,
            aggregate_id, sequence, status, error_message, error_traceback, max_retries, first_failed_at, last_failed_at)
        SELECT gen_random_uuid(), 'process_managers', 'process_managers', event_type, payload, position, aggregate_type,
               aggregate_id::uuid, sequence, 'PARKED', 'order_payment: what now?', 'order_payment', 0, now(), now()
        FROM events WHERE event_type = 'payment_succeeded' AND aggregate_id = $1
        ",
    )
    .bind(payment.to_string())
    .execute(&system.db)
    .await
    .unwrap();
    let admin = system.admin();
    let letters = admin.get("/api/v1/admin/dlq?queue=process_managers").await.expect(200).data();
    let letter = &letters[0];
    assert_eq!((&letter["status"], &letter["message_type"]), (&json!("PARKED"), &json!("payment_succeeded")));
    let subject = system.setup.names.dead_letter("process_managers", shared::domain::AggregateType::Payment, payment);
    let jetstream = jetstream::new(system.nats.clone());
    let name = system.setup.names.dead_letters_stream();
    let copy = eventually(SOON_SECS, || async {
        let stream = jetstream.get_stream(&name).await.map_err(|error| error.to_string())?;
        stream.get_last_raw_message_by_subject(&subject).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(copy.headers.get("homefood-dlq-handler").map(|value| value.as_str()), Some("process_managers"));
    let id = id_of(&letter["id"]);
    admin.post(&format!("/api/v1/admin/dlq/{id}/test"), &json!({})).await.expect_rule("trial_unsupported");
    // The leader learns of letters that are not its own when it takes office.
    let begun = system.events().await.len();
    let url = system.add_instance(Parts::ALL).await;
    system.instances.remove(0).stop().await.unwrap();
    let admin = admin.at(&url);
    let path = format!("/api/v1/admin/dlq/{id}/retry");
    let operation = begin(&admin, &path, json!({"reason": "it knows now"})).await;
    let ended = ends(&admin, &operation).await;
    assert_eq!(ended["result"], json!({"selected": 1, "redriven": 1, "failed": 0, "skipped": 0}), "{ended}");
    // Its consequences had been drawn; their receipts were found.
    assert_eq!(system.events().await.len(), begun);
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_what_happened_and_how_things_stood() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 1).await;
    system.deliver(order).await;
    system.audit().await;
    let admin = system.admin();
    let payments = admin.get("/api/v1/admin/events?aggregate_type=payment&limit=100").await.expect(200).data();
    let payments = payments.as_array().unwrap();
    assert!(!payments.is_empty() && payments.iter().all(|event| event["aggregate_type"] == "payment"), "{payments:?}");
    admin.get("/api/v1/admin/events?aggregate_type=zzz").await.expect_problem(400, "VALIDATION_ERROR");
    let events = admin.get(&format!("/api/v1/admin/events?aggregate_id={order}&limit=100")).await.expect(200);
    assert!(!events.text().contains("pii_sealed"));
    let events = events.data();
    let types: Vec<String> =
        events.as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types, system.order_events(order).await);
    let versions = types.len();
    // The differences from version to version lead from nothing to what is there now.
    let mut changes = 0;
    for version in 0..versions {
        let path =
            format!("/api/v1/admin/replay/diff?aggregate_id={order}&from_version={version}&to_version={}", version + 1);
        changes += admin.get(&path).await.expect(200).data().as_array().unwrap().len();
    }
    assert!(changes >= versions);
    let now = admin.get(&format!("/api/v1/admin/replay?aggregate_id={order}")).await.expect(200).data();
    assert_eq!(now["version"], versions);
    let fields = admin.get(&format!("/api/v1/admin/replay/fields?aggregate_id={order}")).await.expect(200).data();
    assert!(fields.as_array().unwrap().iter().any(|field| field["event_type"] == "order_delivered"), "{fields}");
    // The whole flow, over both aggregates.
    let flow = events[0]["correlation_id"].as_str().unwrap();
    let tree = admin.get(&format!("/api/v1/admin/trace/{flow}")).await.expect(200).data();
    let tree = tree.as_array().unwrap();
    assert_eq!(tree.len(), system.events().await.len());
    assert!(
        tree.iter().any(|entry| entry["event"]["aggregate_id"] == json!(payment) && entry["depth"].as_u64() > Some(0))
    );
    let row = format!("/api/v1/admin/projections/orders/rows/{order}?at_position=1");
    assert_eq!(admin.get(&row).await.expect(200).data()[0]["status"], "WAITING_FOR_PAYMENT");
    // So are the other read models' rows of it, each as of every position.
    for (name, grows) in [("order_facts", "/lines"), ("ledger", "/postings"), ("feed", "/told")] {
        let mut sizes = Vec::new();
        for position in [1, versions as u64, system.head().await] {
            let row = format!("/api/v1/admin/projections/{name}/rows/{order}?at_position={position}");
            let rows = admin.get(&row).await.expect(200).data();
            sizes.push(rows[0].pointer(grows).unwrap().as_array().unwrap().len());
        }
        assert!(sizes.is_sorted() && sizes[2] > 0, "{name}: {sizes:?}");
        let nothing = format!("/api/v1/admin/projections/{name}/rows/{}", Uuid::now_v7());
        admin.get(&nothing).await.expect_problem(404, "NOT_FOUND");
    }
    // Nobody else does.
    let unknown = Uuid::now_v7();
    admin.get(&format!("/api/v1/admin/trace/{unknown}")).await.expect_problem(404, "NOT_FOUND");
    for path in ["/api/v1/admin/events", "/api/v1/admin/projections", "/api/v1/admin/dlq", "/api/v1/operations"] {
        system.customer().get(path).await.expect_problem(403, "PERMISSION_DENIED");
        system.nobody().get(path).await.expect_problem(401, "UNAUTHENTICATED");
    }
    let rebuild = "/api/v1/admin/projections/orders/rebuild";
    system.producer().post(rebuild, &json!({"reason": "mine"})).await.expect_problem(403, "PERMISSION_DENIED");
    system.admin().post(rebuild, &json!({})).await.expect_problem(400, "VALIDATION_ERROR");
    system
        .admin()
        .post("/api/v1/admin/projections/gone/verify", &json!({"reason": "x"}))
        .await
        .expect_problem(404, "NOT_FOUND");
    system.finish().await;
}

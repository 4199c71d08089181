//! Erasing a person: what was said cannot be read any more, and everything else stays what it is.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, SOON_SECS, TestSystem, complaint, eventually, id_of, roubles, scenario_dish, wish};

async fn erase(client: &Client, user: Uuid, reason: &str) -> crate::harness::Answer {
    client.post(&format!("/api/v1/admin/users/{user}/erase"), &json!({ "reason": reason })).await
}

/// All that is kept of the sums, and the log with what happened but not who it was for.
async fn books(system: &TestSystem) -> (Value, Vec<String>) {
    let accounts = system.admin().get("/api/v1/admin/ledger/accounts").await.expect(200).data();
    let log = system.events().await.iter().map(|event| format!("{} {}", event.position, event.payload)).collect();
    (accounts, log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s63_an_erased_person_cannot_be_read_and_history_and_books_stay() {
    let system = TestSystem::start().await;
    let (customer, admin) = (system.customer(), system.admin());
    let person = system.people.customer.user_id;
    let (gift, code) = system
        .paid_gift_of(
            &json!({ "value": roubles("500.00"), "message": "the xylophone", "recipient": { "name": "Boris" } }),
        )
        .await;
    let said = complaint(None);
    let (order, _, dispute) = system.disputed_order(&said).await;
    system.come_to_rest(&Default::default()).await;
    let order_path = format!("/api/v1/orders/{order}");
    let shown = |path: String| {
        let admin = system.admin();
        async move { admin.get(&path).await.expect(200).data() }
    };
    assert_eq!(shown(order_path.clone()).await["contact"]["phone"], "+79990000001");
    let before = books(&system).await;
    let at_the_first = admin.get(&format!("{order_path}/history?to_version=3")).await.expect(200).data();

    erase(&admin, person, "").await.expect_problem(400, "VALIDATION_ERROR");
    erase(&admin, Uuid::now_v7(), "asked for it").await.expect_problem(404, "NOT_FOUND");
    for nobody_else in [&customer, &system.producer(), &system.analyst()] {
        erase(nobody_else, person, "mischief").await.expect_problem(403, "PERMISSION_DENIED");
    }
    let erased = erase(&admin, person, "asked for it").await.expect(200).data();
    assert_eq!(erased["user_id"], json!(person));

    // The other processes hear of it.
    eventually(SOON_SECS, || async {
        let contact = shown(order_path.clone()).await["contact"].clone();
        if contact.is_null() { Ok(()) } else { Err(contact.to_string()) }
    })
    .await;
    for path in [order_path.clone(), format!("/api/v1/gifts/{gift}"), format!("/api/v1/disputes/{dispute}")] {
        for client in [&customer, &system.producer(), &admin] {
            let answer = client.get(&path).await;
            assert!([200, 404].contains(&answer.status), "{path}: {}", answer.text());
            for word in ["+79990000001", "Anna", "Building 7", "xylophone", "Boris", "two hours late"] {
                assert!(!answer.text().contains(word), "{path} still says {word}: {}", answer.text());
            }
        }
    }
    assert_eq!(books(&system).await, before, "the log and the books are what they were");
    let replayed = admin.get(&format!("{order_path}/history?to_version=3")).await.expect(200).data();
    assert_eq!(replayed, at_the_first, "the same history");

    // Once is enough, and it is known who did it and why.
    let again = erase(&system.another_admin(), person, "again").await.expect(200).data();
    assert_eq!(again["erased_at"], erased["erased_at"]);
    let acts: Vec<(Uuid, String, String)> =
        sqlx::query_as("SELECT subject_id, erased_by, reason FROM erasures").fetch_all(&system.db).await.unwrap();
    let by = format!("admin:{}", system.people.admin.user_id);
    assert_eq!(acts, [(person, by, "asked for it".to_owned())]);

    // Who comes back is a new person to the system: what is new can be read, what is old cannot.
    let placed = customer.post("/api/v1/orders", &wish(scenario_dish(0), 1)).await.expect(201);
    let new = id_of(&placed.data()["id"]);
    let seen = customer.order_after(new, &placed.token()).await.expect(200).data();
    assert_eq!(seen["contact"]["phone"], "+79990000001");
    assert_eq!(customer.get(&order_path).await.expect(200).data()["contact"], Value::Null);
    customer.get(&format!("/api/v1/gifts/{gift}")).await.expect(200);
    // The gift itself is money, and still there.
    system.other_customer().activate(&code).await.expect(200);
    system.finish().await;
}

//! Gifts are bought, taken and spent: all of them once.

use serde_json::json;
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{TestSystem, id_of, other_dish, roubles, scenario_dish, wish_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_pays_an_order_and_keeps_the_rest() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let holder = system.other_customer();
    let placed = holder.order_with(6, &json!({ "gift_id": gift })).await.expect(201).data();
    assert_eq!((&placed["total_price"], &placed["amount_due"]), (&roubles("600.00"), &roubles("0.00")));
    system.order_reaches(id_of(&placed["id"]), OrderStatus::Paid).await;
    let seen = json!({ "status": "PARTIALLY_REDEEMED", "available": roubles("400.00"), "redeemed": roubles("600.00") });
    system.gift_shows(gift, seen).await;
    let bought = system.customer().get("/api/v1/gifts?role=bought").await.expect(200).data();
    assert_eq!(bought[0]["id"], json!(gift));
    let received = holder.get("/api/v1/gifts?role=received").await.expect(200).data();
    assert_eq!(received[0]["allowed_actions"], json!(["spend"]));
    assert_eq!(holder.get("/api/v1/gifts?role=bought").await.expect(200).data(), json!([]));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_at_once_spend_no_more_than_there_is() {
    let system = TestSystem::start().await;
    let holder = system.other_customer();
    let exact = json!({ "gift_id": system.taken_gift("1000.00").await, "gift_amount": roubles("700.00") });
    let (one, other) = tokio::join!(holder.order_with(8, &exact), holder.order_with(8, &exact));
    let (winner, loser) = if one.status == 201 { (one, other) } else { (other, one) };
    winner.expect(201);
    loser.expect_rule("gift_insufficient_balance");
    // Without an amount the second takes what is left.
    let any = json!({ "gift_id": system.taken_gift("1000.00").await });
    let (one, other) = tokio::join!(holder.order_with(7, &any), holder.order_with(7, &any));
    let due =
        |answer: crate::harness::Answer| answer.expect(201).data()["amount_due"]["amount"].as_str().unwrap().to_owned();
    let mut dues = [due(one), due(other)];
    dues.sort();
    assert_eq!(dues, ["0.00", "400.00"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_taken_by_one() {
    let system = TestSystem::start().await;
    let (gift, code) = system.paid_gift("1000.00").await;
    let holder = system.other_customer();
    let (one, other) = tokio::join!(holder.activate(&code), holder.activate(&code));
    let (winner, loser) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(winner.expect(200).data()["status"], "ACTIVATED");
    loser.expect_rule("gift_already_activated");
    system.new_customer().activate(&code).await.expect_problem(404, "NOT_FOUND");
    system.customer().get(&format!("/api/v1/gifts/{gift}/code")).await.expect_rule("gift_already_activated");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_for_the_card_can_be_paid_by_card() {
    let system = TestSystem::start().await;
    let (_, code) = system.paid_gift("995.00").await;
    let holder = system.other_customer();
    // The code alone is enough: it takes the gift and spends it in one step.
    let placed = holder.order_with(10, &json!({ "gift_code": code })).await.expect(201).data();
    assert_eq!(placed["amount_due"], roubles("10.00"));
    let order = id_of(&placed["id"]);
    let payment = holder.pay(order).await;
    holder.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let paid = system.payload(order, "order_paid").await;
    assert_eq!((&paid["card_amount"], &paid["gift_amount"]), (&roubles("10.00"), &roubles("990.00")));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_order_that_is_called_off_gives_its_share_up() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("300.00").await;
    let holder = system.other_customer();
    let order = holder.place_with(10, &json!({ "gift_id": gift })).await;
    system.gift_shows(gift, json!({ "available": roubles("0.00"), "reserved": roubles("300.00") })).await;
    holder.act(order, "cancel").await.expect(200);
    system.gift_shows(gift, json!({ "available": roubles("300.00"), "status": "ACTIVATED" })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_goes_to_the_card_first_and_the_rest_to_the_gift() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("300.00").await;
    let holder = system.other_customer();
    let order = holder.place_with(10, &json!({ "gift_id": gift })).await;
    let payment = holder.pay(order).await;
    holder.complete_at_bank(payment).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.gift_shows(gift, json!({ "status": "REDEEMED" })).await;
    let version = system.order_events(order).await.len() as u64;
    system.admin().refund(order, "800.00", version).await.expect(202);
    let authorized = system.payload(order, "order_refund_authorized").await;
    assert_eq!((&authorized["card_amount"], &authorized["gift_amount"]), (&roubles("700.00"), &roubles("100.00")));
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.gift_shows(gift, json!({ "status": "PARTIALLY_REDEEMED", "available": roubles("100.00") })).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_sent_twenty_times_reserves_once() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let holder = system.other_customer();
    let (wish, key) = (wish_with(3, &json!({ "gift_id": gift })), Uuid::now_v7().to_string());
    let answers = futures::future::join_all((0..20).map(|_| holder.post_once("/api/v1/orders", &wish, &key))).await;
    let first = answers[0].data()["id"].clone();
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.data()["id"] == first));
    system.gift_gets(gift, "gift_redeemed").await;
    let events = system.gift_events(gift).await;
    assert_eq!(events.iter().filter(|event| *event == "gift_reserved").count(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_refused_holds_nothing_of_the_gift() {
    let system = TestSystem::start().await;
    let gift = system.taken_gift("1000.00").await;
    let holder = system.other_customer();
    let changed = json!({ "gift_id": gift, "expected_total": roubles("1.00") });
    holder.order_with(3, &changed).await.expect_rule("price_changed");
    let too_much = json!({ "gift_id": gift, "gift_amount": roubles("300.01") });
    holder.order_with(3, &too_much).await.expect_problem(400, "VALIDATION_ERROR");
    assert!(!system.gift_events(gift).await.contains(&"gift_reserved".to_owned()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dish_is_given_at_the_price_of_the_day() {
    let system = TestSystem::start().await;
    let wish = json!({ "dish_id": scenario_dish(0), "quantity": 2, "message": "Enjoy!" });
    let (gift, code) = system.paid_gift_of(&wish).await;
    sqlx::query("UPDATE dishes SET price_minor = 99900, price_version = 2 WHERE id = $1")
        .bind(scenario_dish(0))
        .execute(&system.db)
        .await
        .unwrap();
    sqlx::query("SELECT pg_notify('homefood_catalogue', '')").execute(&system.db).await.unwrap();
    let holder = system.other_customer();
    holder.activate(&code).await.expect_problem(400, "VALIDATION_ERROR");
    let body = json!({ "code": code, "delivery_type": "PICKUP", "user_name": "Boris" });
    let taken = holder.gift_command("/activate", &body).await.expect(200).data();
    let order = id_of(&taken["order_id"]);
    system.order_gets(order, "order_paid").await;
    let created = system.payload(order, "order_created").await;
    assert_eq!((&created["total_price"], &created["amount_due"]), (&roubles("200.00"), &roubles("0.00")));
    assert_eq!(created["items"][0]["price_source"], "GIFT_LOCK");
    system.gift_shows(gift, json!({ "status": "REDEEMED" })).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    holder.order(order).await.expect(200);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dish_that_is_gone_becomes_its_value() {
    let system = TestSystem::start().await;
    let (gift, code) = system.paid_gift_of(&json!({ "dish_id": other_dish() })).await;
    let holder = system.other_customer();
    let convert = format!("/{gift}/convert");
    holder.gift_command(&convert, &json!({ "code": code })).await.expect_rule("gift_dish_available");
    sqlx::query("UPDATE dishes SET is_available = false WHERE id = $1")
        .bind(other_dish())
        .execute(&system.db)
        .await
        .unwrap();
    sqlx::query("SELECT pg_notify('homefood_catalogue', '')").execute(&system.db).await.unwrap();
    let body = json!({ "code": code, "delivery_type": "PICKUP" });
    crate::harness::eventually(crate::harness::SOON_SECS, || async {
        let answer = holder.gift_command("/activate", &body).await;
        if answer.status == 422 { Ok(answer.expect_rule("gift_dish_unavailable")) } else { Err(answer.text()) }
    })
    .await;
    let converted = holder.gift_command(&convert, &json!({ "code": code })).await.expect(200).data();
    assert_eq!((&converted["kind"], &converted["available"]), (&json!("AMOUNT"), &roubles("200.00")));
    holder.activate(&code).await.expect(200);
    let order = holder.place_with(2, &json!({ "gift_id": gift })).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_named_is_told_on_the_day_and_needs_no_code() {
    let system = TestSystem::start().await;
    let day = system.setup.clock.now() + chrono::TimeDelta::days(3);
    let recipient = json!({ "user_id": system.people.other_customer.user_id, "name": "Boris" });
    let wish = json!({ "value": roubles("500.00"), "recipient": recipient, "deliver_at": day, "message": "Be well" });
    let (gift, code) = system.paid_gift_of(&wish).await;
    let (buyer, holder) = (system.customer(), system.other_customer());
    let path = format!("/api/v1/gifts/{gift}");
    system.gift_shows(gift, json!({ "status": "ISSUED" })).await;
    assert_eq!(buyer.get(&path).await.data()["recipient"]["message"], "Be well");
    holder.get(&path).await.expect_problem(404, "NOT_FOUND");
    system.new_customer().activate(&code).await.expect_problem(404, "NOT_FOUND");
    buyer.activate(&code).await.expect_rule("gift_restricted");
    system.advance(chrono::TimeDelta::days(3));
    system.gift_gets(gift, "gift_delivered").await;
    assert_eq!(system.payload(gift, "gift_delivered").await["channel"], "FEED");
    system.gift_shows(gift, json!({ "recipient_user_id": system.people.other_customer.user_id })).await;
    holder.gift_command("/activate", &json!({ "gift_id": gift })).await.expect(200);
    let order = holder.place_with(5, &json!({ "gift_id": gift })).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_a_gift_reads_the_message_and_nothing_else_of_what_the_buyer_said() {
    let system = TestSystem::start().await;
    let wish = json!({ "value": roubles("500.00"), "message": "Enjoy!", "recipient": { "name": "Boris", "phone": "+79990000000" } });
    let (gift, code) = system.paid_gift_of(&wish).await;
    system.other_customer().activate(&code).await.expect(200);
    system.gift_shows(gift, json!({ "status": "ACTIVATED" })).await;
    let path = format!("/api/v1/gifts/{gift}");
    let read = system.other_customer().get(&path).await.expect(200).data();
    assert_eq!((&read["recipient"], &read["attempts"]), (&json!({ "message": "Enjoy!" }), &serde_json::Value::Null));
    let bought = system.customer().get(&path).await.expect(200).data();
    assert_eq!((&bought["recipient"]["name"], &bought["recipient"]["message"]), (&json!("Boris"), &json!("Enjoy!")));
    // Who keeps what they bought sees both sides of it.
    let (own, code) = system.paid_gift("500.00").await;
    system.customer().activate(&code).await.expect(200);
    system.gift_shows(own, json!({ "status": "ACTIVATED" })).await;
    let kept = system.customer().get(&format!("/api/v1/gifts/{own}")).await.expect(200).data();
    assert_eq!((&kept["allowed_actions"], kept["attempts"].as_array().map(Vec::len)), (&json!(["spend"]), Some(1)));
    system.finish().await;
}

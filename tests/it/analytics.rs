//! Reports: what is counted, whose, and in which days.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::domain::order::OrderStatus;
use uuid::Uuid;

use crate::harness::{Client, SOON_SECS, TestSystem, eventually, id_of, other_dish, scenario_dish};

fn rub(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "RUB" })
}

/// An order of the first kitchen that was delivered, completed and given a mark of 4, and 3 for its dish.
async fn completed(system: &TestSystem, dish: Uuid, quantity: u32) -> Uuid {
    let (order, _) = system.paid_order(dish, quantity).await;
    system.deliver(order).await;
    let customer = system.customer();
    customer.act(order, "complete").await.expect(200);
    let marks = json!({ "rating": 4, "per_item": [{ "dish_id": dish, "rating": 3 }] });
    customer.post(&format!("/api/v1/orders/{order}/rating"), &marks).await.expect(201);
    order
}

/// A report, after everything has been counted.
async fn report(system: &TestSystem, client: &Client, path: &str) -> Value {
    system.come_to_rest(&Default::default()).await;
    client.get(&format!("/api/v1/analytics/{path}")).await.expect(200).data()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_counted_and_added_up() {
    let system = TestSystem::start().await;
    let admin = system.admin();
    let nothing = report(&system, &admin, "orders").await;
    assert_eq!((&nothing["total_orders"], &nothing["completion_rate"]), (&json!(0), &json!(0.0)));
    assert_eq!((&nothing["average_order_value"], &nothing["total_revenue"]), (&rub("0.00"), &rub("0.00")));

    let first = completed(&system, scenario_dish(0), 2).await;
    completed(&system, scenario_dish(0), 1).await;
    let (cancelled, _) = system.paid_order(scenario_dish(0), 3).await;
    system.producer().act(cancelled, "reject").await.expect(200);
    system.customer().place(other_dish(), 1).await;
    let version = system.customer().order(first).await.version();
    system.admin().refund(first, "50.00", version).await.expect(202);

    let all = report(&system, &admin, "orders").await;
    let counts = ["total_orders", "completed_orders", "cancelled_orders"].map(|field| all[field].as_i64().unwrap());
    assert_eq!(counts, [4, 2, 1], "{all}");
    assert_eq!((&all["total_revenue"], &all["average_order_value"]), (&rub("300.00"), &rub("150.00")));
    assert_eq!((&all["completion_rate"], &all["net_revenue"]), (&json!(50.0), &rub("250.00")));
    let own = report(&system, &system.producer(), "orders").await;
    assert_eq!((&own["total_orders"], &own["total_revenue"]), (&json!(3), &rub("300.00")));
    let other = report(&system, &system.other_producer(), "orders").await;
    assert_eq!((&other["total_orders"], &other["total_revenue"]), (&json!(1), &rub("0.00")));
    let later = report(&system, &admin, "orders?from=2100-01-01T00:00:00Z").await;
    assert_eq!(later["total_orders"], 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kitchens_are_ranked_by_what_they_earned_and_nothing_is_zero() {
    let system = TestSystem::start().await;
    completed(&system, scenario_dish(0), 2).await;
    system.customer().place(other_dish(), 1).await;
    let ranked = report(&system, &system.admin(), "top-producers?limit=10").await;
    let names: Vec<_> = ranked.as_array().unwrap().iter().map(|row| row["producer_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Maria's", "David's"]);
    let (first, second) = (&ranked[0], &ranked[1]);
    assert_eq!((&first["total_revenue"], &second["total_revenue"]), (&rub("200.00"), &rub("0.00")));
    assert_eq!((&first["average_rating"], &first["completed_orders"]), (&json!(4.0), &json!(1)));
    // Nobody has waited for the other kitchen yet: what it declares.
    assert_eq!(second["average_delivery_time_minutes"], 60.0);
    assert!(first["average_delivery_time_minutes"].as_f64().unwrap() < 60.0, "{first}");
    let one = report(&system, &system.admin(), "top-producers?limit=1").await;
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    let own = report(&system, &system.other_producer(), "top-producers").await;
    assert_eq!((own.as_array().map(Vec::len), &own[0]["producer_name"]), (Some(1), &json!("David's")));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dishes_are_ranked_by_orders_and_say_how_often_they_were_looked_at() {
    let system = TestSystem::start().await;
    completed(&system, scenario_dish(0), 5).await;
    for _ in 0..2 {
        system.customer().place(scenario_dish(1), 1).await;
    }
    let dish = format!("/api/v1/dishes/{}", scenario_dish(0));
    for client in [system.customer(), system.customer(), system.other_customer()] {
        client.get(&dish).await.expect(200);
    }
    let ranked = report(&system, &system.admin(), "popular-dishes").await;
    let dishes: Vec<_> = ranked.as_array().unwrap().iter().map(|row| id_of(&row["dish_id"])).collect();
    assert_eq!(dishes, [scenario_dish(1), scenario_dish(0)]);
    let (first, second) = (&ranked[0], &ranked[1]);
    assert_eq!((&first["total_orders"], &first["total_revenue"]), (&json!(2), &rub("0.00")));
    assert_eq!((&second["total_portions"], &second["total_revenue"]), (&json!(5), &rub("500.00")));
    assert_eq!((&second["average_rating"], &second["ratings_count"]), (&json!(3.0), &json!(1)));
    eventually(SOON_SECS, || async {
        let ranked = report(&system, &system.admin(), "popular-dishes").await;
        let views = &ranked[1]["views_count"];
        // The same person twice within half an hour is one look.
        if *views == 2 { Ok(()) } else { Err(format!("looked at {views} times")) }
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revenue_is_of_the_day_of_the_zone_and_days_without_any_are_there() {
    // Today is the same day to all that is asked.
    let system = TestSystem::builder().stopped_clock().start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.deliver(order).await;
    let placed_at: DateTime<Utc> =
        system.customer().order(order).await.data()["created_at"].as_str().unwrap().parse().unwrap();
    // It completes by itself two days later.
    system.advance(TimeDelta::hours(48));
    system.order_reaches(order, OrderStatus::Completed).await;
    let moscow = FixedOffset::east_opt(3 * 3_600).unwrap();
    let day = |at: DateTime<Utc>| at.with_timezone(&moscow).date_naive().to_string();
    let now = system.setup.clock.now();
    for (query, expected) in [("", day(placed_at)), ("&basis=created", day(placed_at)), ("&basis=completed", day(now))]
    {
        let days = report(&system, &system.producer(), &format!("daily-revenue?days=7{query}")).await;
        let days = days.as_array().unwrap();
        assert_eq!(days.len(), 7);
        assert_eq!(days[6]["date"], day(now), "the last day is today");
        for entry in days {
            let (revenue, count) = if entry["date"] == expected { ("100.00", 1) } else { ("0.00", 0) };
            assert_eq!((&entry["revenue"], &entry["orders_count"]), (&rub(revenue), &json!(count)), "{query}: {entry}");
        }
    }
    let whole = report(&system, &system.admin(), "daily-revenue?tz=Asia/Kathmandu").await;
    assert_eq!(whole.as_array().map(Vec::len), Some(30));
    let none = report(&system, &system.other_producer(), "daily-revenue?days=3").await;
    assert!(none.as_array().unwrap().iter().all(|day| day["revenue"] == rub("0.00")), "{none}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_sees_what_its_caller_has_just_done() {
    let system = TestSystem::start().await;
    for expected in 1..=5 {
        let placed =
            system.customer().post("/api/v1/orders", &crate::harness::wish(scenario_dish(0), 1)).await.expect(201);
        let seen = system.admin().after("/api/v1/analytics/orders", &placed.token()).await.expect(200);
        assert_eq!(seen.data()["total_orders"], expected);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_make_no_sense_are_refused() {
    let system = TestSystem::start().await;
    for wrong in [
        "orders?from=yesterday",
        "orders?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "orders?currency=GOLD",
        "orders?colour=red",
        "top-producers?limit=0",
        "top-producers?limit=101",
        "popular-dishes?limit=-1",
        "popular-dishes?limit=many",
        "daily-revenue?days=0",
        "daily-revenue?days=367",
        "daily-revenue?basis=paid",
        "daily-revenue?tz=Middle/Earth",
        "daily-revenue?tz=%00",
    ] {
        let answer = system.admin().get(&format!("/api/v1/analytics/{wrong}")).await;
        answer.expect_problem(400, "VALIDATION_ERROR");
    }
    let extremes = "orders?from=-262143-01-01T00:00:00Z&to=%2B262142-01-01T00:00:00Z";
    system.admin().get(&format!("/api/v1/analytics/{extremes}")).await.expect(200);
    let orders = format!("/api/v1/{extremes}");
    system.admin().get(&orders).await.expect_problem(400, "VALIDATION_ERROR");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_for_those_who_run_the_place() {
    let system = TestSystem::start().await;
    for path in ["orders", "top-producers", "popular-dishes", "daily-revenue"] {
        let path = format!("/api/v1/analytics/{path}");
        system.nobody().get(&path).await.expect_problem(401, "UNAUTHENTICATED");
        system.customer().get(&path).await.expect_problem(403, "PERMISSION_DENIED");
        for client in [system.producer(), system.admin(), system.analyst()] {
            client.get(&path).await.expect(200);
        }
    }
    system.finish().await;
}

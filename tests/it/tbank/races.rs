//! Paying through T-Bank: customer, bank, clock and network in every odd order.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation, Telling};
use serde_json::json;
use shared::domain::order::OrderStatus;

use super::{holds_back, open_page, paid, pay, with_bank};
use crate::harness::{Leftovers, TestSystem, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_a_double_click_is_one_init_at_the_bank() {
    let system = with_bank().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let (first, second) = tokio::join!(customer.wait_to_pay(order), customer.wait_to_pay(order));
    let (first, second) = (first.expect(201).data(), second.expect(201).data());
    assert_eq!(first["payment_id"], second["payment_id"]);
    assert_eq!(first["payment_url"], second["payment_url"]);
    assert_eq!(first["provider"], "TBANK");
    assert_eq!(system.bank().calls(Operation::Init), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_news_that_overtakes_the_answer_to_init_pays_the_order() {
    let system = with_bank().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(6), 1).await;
    let payment = customer.pay(order).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    let events = system.payment_gets(payment, "payment_applied").await;
    assert_eq!(events.iter().filter(|event| *event == "payment_succeeded").count(), 1, "{events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_s13_news_told_again_or_out_of_order_changes_nothing() {
    let system = with_bank().await;
    for suffix in [7, 8] {
        let (order, payment) = paid(&system, scenario_dish(suffix)).await;
        let events = system.payment_gets(payment, "payment_applied").await;
        let expected = ["payment_initiated", "payment_session_opened", "payment_succeeded", "payment_applied"];
        assert_eq!(events, expected);
        assert_eq!(system.order_events(order).await.len(), 3);
    }
    system.metric_reaches("webhook_total{", "repeated", 2).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_page_whose_address_was_lost_is_withdrawn_before_the_next_is_opened() {
    let system = with_bank().await;
    let (_, payment) = paid(&system, scenario_dish(5)).await;
    assert_eq!(system.payload(payment, "payment_session_opened").await["init_try"], 2);
    let pages = system.bank().payments_of(&payment.to_string());
    let words: Vec<&str> = pages.iter().map(|page| page.status.as_str()).collect();
    assert_eq!(words, ["CANCELED", "CONFIRMED"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_a_cancellation_that_wins_against_the_money_sends_it_back() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling { held_back: true, ..Telling::default() }).await;
    holds_back(&system, 1).await;
    system.customer().act(order, "cancel").await.expect(200);
    assert!(system.bank().release().await >= 1);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    let events = system.order_events(order).await;
    assert!(!events.contains(&"order_paid".to_owned()), "{events:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_money_that_wins_against_a_cancellation_is_refunded() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    system.customer().act(order, "cancel").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_calling_off_a_page_that_is_paid_at_that_moment_sends_the_money_back_in_one_append() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    let rule = FaultRule::next(Operation::Cancel, Fault::PaidMeanwhile).about(&payment.to_string());
    system.bank().misbehave(rule);
    // By the bank's clock the page still lives at our deadline.
    system.bank().run_late(TimeDelta::minutes(1));
    system.advance(TimeDelta::minutes(30));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    let events = system.payment_gets(payment, "payment_refund_succeeded").await;
    let tail = ["payment_unapplied", "payment_succeeded", "payment_refund_requested", "payment_refund_succeeded"];
    assert!(events.ends_with(&tail.map(str::to_owned)), "{events:?}");
    assert!(!system.order_events(order).await.contains(&"order_paid".to_owned()));
    assert_eq!(system.bank().payments()[0].refunded, 10_000);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_a_customer_under_check_at_the_deadline_gets_ten_minutes_and_no_more() {
    for in_time in [true, false] {
        let system = with_bank().await;
        let (order, payment) = open_page(&system, scenario_dish(3)).await;
        pay(&system, payment, Telling::default()).await;
        system.payment_gets(payment, "payment_processing").await;
        system.advance(TimeDelta::minutes(30));
        system.timer_is_put_off(order).await;
        if in_time {
            pay(&system, payment, Telling::default()).await;
            system.order_reaches(order, OrderStatus::Paid).await;
        } else {
            system.advance(TimeDelta::minutes(10));
            system.order_reaches(order, OrderStatus::Cancelled).await;
            // The bank does not withdraw a page in 3-D Secure, so the customer can still pay.
            pay(&system, payment, Telling::default()).await;
            system.payment_gets(payment, "payment_refund_succeeded").await;
        }
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s19_of_two_attempts_that_are_paid_one_is_applied_and_the_other_goes_back() {
    let system = with_bank().await;
    let (order, first) = open_page(&system, scenario_dish(13)).await;
    system.bank().expire(&first.to_string(), Telling::default()).await.unwrap();
    system.order_gets(order, "order_payment_attempt_failed").await;
    let second = system.customer().pay(order).await;
    assert_ne!(first, second);
    pay(&system, second, Telling::default()).await;
    system.payment_gets(second, "payment_applied").await;
    pay(&system, first, Telling::default()).await;
    system.payment_gets(first, "payment_refund_succeeded").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_four_refusals_leave_a_fifth_attempt_and_five_end_the_order() {
    let system = with_bank().await;
    let customer = system.customer();
    for lost in [4, 5] {
        let order = customer.place(scenario_dish(0), 1).await;
        for _ in 0..lost {
            let payment = customer.pay(order).await;
            system.bank().decline(&payment.to_string(), "1041", Telling::default()).await.unwrap();
            system.payment_gets(payment, "payment_failed").await;
            let failed = system.payload(payment, "payment_failed").await;
            assert_eq!((&failed["reason"], &failed["customer_retryable"]), (&json!("DECLINED"), &json!(false)));
            system.order_is_free_to_pay(order).await;
        }
        if lost == 5 {
            system.order_reaches(order, OrderStatus::Cancelled).await;
        } else {
            let payment = customer.pay(order).await;
            pay(&system, payment, Telling::default()).await;
            system.order_reaches(order, OrderStatus::Paid).await;
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s21_another_amount_than_asked_is_held_for_a_person_and_pays_nothing() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(11)).await;
    pay(&system, payment, Telling::default()).await;
    system.payment_gets(payment, "payment_integrity_violated").await;
    let leftovers = Leftovers { money_of: [payment].into(), ..Leftovers::default() };
    system.audit_with(&leftovers).await;
    assert_eq!(system.order_events(order).await, ["order_created", "order_payment_requested"]);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_that_never_came_is_asked_for() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(0)).await;
    pay(&system, payment, Telling::nothing()).await;
    system.advance(TimeDelta::seconds(61));
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_a_day_after_its_page_died_is_found_and_goes_back() {
    let system = with_bank().await;
    let (order, payment) = open_page(&system, scenario_dish(13)).await;
    system.advance(TimeDelta::minutes(31));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    system.payment_gets(payment, "payment_failed").await;
    pay(&system, payment, Telling::nothing()).await;
    for _ in 0..8 {
        system.advance(TimeDelta::hours(12));
        system.come_to_rest(&Leftovers { money_of: [payment].into(), ..Leftovers::default() }).await;
    }
    assert_eq!(system.payload(payment, "payment_succeeded").await["late"], true);
    system.payment_gets(payment, "payment_refund_succeeded").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_s10_one_key_pays_once_and_stands_for_one_wish() {
    let system = with_bank().await;
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    let path = format!("/api/v1/orders/{order}/payments");
    let body = json!({ "return_url": "http://localhost:3000/paid" });
    let asked = (0..20).map(|_| customer.post_once(&path, &body, "one-key"));
    let answers = futures::future::join_all(asked).await;
    let paid: Vec<_> = answers.iter().filter(|answer| matches!(answer.status, 201 | 202)).collect();
    assert!(!paid.is_empty());
    assert!(paid.iter().all(|answer| answer.data()["payment_id"] == paid[0].data()["payment_id"]));
    for other in answers.iter().filter(|answer| !matches!(answer.status, 201 | 202)) {
        other.clone().expect_problem(409, "IDEMPOTENCY_IN_PROGRESS");
    }
    assert_eq!(system.bank().calls(Operation::Init), 1);
    let another = json!({ "return_url": "http://localhost:3000/elsewhere" });
    customer.post_once(&path, &another, "one-key").await.expect_problem(422, "IDEMPOTENCY_KEY_REUSED");
    pay(&system, crate::harness::id_of(&paid[0].data()["payment_id"]), Telling::default()).await;
    system.order_reaches(order, OrderStatus::Paid).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_cannot_be_withdrawn_is_asked_about_on_schedule_and_no_more() {
    let rests = ["--provider-rest-ms", "10", "--payment-page-wait-ms", "100"];
    let system = TestSystem::builder().fake_tbank().stopped_clock().write_side(&rests).start().await;
    let refusal =
        Fault::Code { code: "8".to_owned(), message: "Неверный статус транзакции".to_owned() };
    system.bank().misbehave(FaultRule::next(Operation::Init, Fault::DropAfter).times(1_000));
    system.bank().misbehave(FaultRule::next(Operation::Cancel, refusal).times(100_000));
    let customer = system.customer();
    let order = customer.place(scenario_dish(0), 1).await;
    customer.wait_to_pay(order).await.expect(202);
    let asked = || {
        let calls = |operation| system.bank().calls(operation);
        calls(Operation::CheckOrder) + calls(Operation::GetState)
    };
    let rest = Leftovers::default();
    system.come_to_rest(&rest).await;
    // Five tries in one go, at the beginning and at each date; between them nobody is asked.
    let mut so_far = asked();
    assert!((1..=5).contains(&so_far), "{so_far}");
    let mut minutes = 0;
    for date in [1, 5, 15] {
        system.advance(TimeDelta::seconds((date - minutes) * 60 - 5));
        system.come_to_rest(&rest).await;
        assert_eq!(asked(), so_far, "before minute {date}");
        system.advance(TimeDelta::seconds(5));
        minutes = date;
        crate::harness::eventually(crate::harness::SOON_SECS, || async {
            if asked() > so_far { Ok(()) } else { Err(format!("nobody asks at minute {date}")) }
        })
        .await;
        system.come_to_rest(&rest).await;
        assert!(asked() - so_far <= 5, "{} at minute {date}", asked() - so_far);
        so_far = asked();
    }
    // The page dies by itself, and calling it off has a schedule of its own.
    system.advance(TimeDelta::minutes(16));
    system.order_reaches(order, OrderStatus::Cancelled).await;
    for _ in 0..16 {
        system.advance(TimeDelta::hours(6));
        system.come_to_rest(&rest).await;
    }
    assert!(asked() < 150, "{} questions in four days", asked());
    system.finish().await;
}

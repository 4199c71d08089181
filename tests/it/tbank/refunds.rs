//! Money that goes back through T-Bank: once, whatever is lost, and when the bank lets it.

use chrono::TimeDelta;
use fake_bank::{Fault, FaultRule, Operation};
use serde_json::json;
use shared::domain::order::OrderStatus;

use super::{open_page, paid, pay, with_bank};
use crate::harness::{Leftovers, scenario_dish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_refund_whose_answer_was_lost_is_one_refund_at_the_bank() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(10)).await;
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_settled").await;
    let page = &system.bank().payments_of(&payment.to_string())[0];
    assert_eq!((page.refunded, page.acts.len()), (10_010, 1));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_s35_a_refund_that_the_bank_puts_off_is_tried_again_in_an_hour_and_not_before() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(9)).await;
    system.producer().act(order, "reject").await.expect(200);
    system.payment_gets(payment, "payment_refund_failed").await;
    let failed = system.payload(payment, "payment_refund_failed").await;
    assert_eq!((&failed["code"], &failed["epoch"]), (&json!("3029"), &json!(1)));
    let so_far = system.bank().calls(Operation::Cancel);
    system.advance(TimeDelta::minutes(55));
    system.come_to_rest(&Leftovers::default()).await;
    assert_eq!(system.bank().calls(Operation::Cancel), so_far, "not before its time");
    system.advance(TimeDelta::minutes(6));
    system.order_gets(order, "order_refund_settled").await;
    assert_eq!(system.payload(payment, "payment_refund_succeeded").await["epoch"], 2);
    let page = &system.bank().payments_of(&payment.to_string())[0];
    assert_eq!(page.acts.len(), 1);
    assert!(page.acts[0].name.as_ref().unwrap().ends_with("-2"), "{page:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s32_two_parts_at_once_never_exceed_what_was_paid() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    let version = system.order_events(order).await.len() as u64;
    let admin = system.admin();
    let (one, other) = tokio::join!(admin.refund(order, "70.00", version), admin.refund(order, "60.00", version));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(statuses == [202, 412] || statuses == [202, 422], "{statuses:?}");
    system.order_gets(order, "order_refund_settled").await;
    let version = system.order_events(order).await.len() as u64;
    admin.refund(order, "60.00", version).await.expect_rule("refund_exceeds_paid");
    assert!(system.bank().payments_of(&payment.to_string())[0].refunded <= 7_000);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_go_back_one_after_the_other_although_answers_get_lost() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    let about = payment.to_string();
    system.bank().misbehave(FaultRule::next(Operation::Cancel, Fault::DropAfter).about(&about));
    system.bank().misbehave(FaultRule::next(Operation::Cancel, Fault::StatusBefore { status: 500 }).about(&about));
    for amount in ["30.00", "30.00", "40.00"] {
        let version = system.order_events(order).await.len() as u64;
        let answer = system.admin().refund(order, amount, version).await;
        // Settling of the part before may have been faster.
        if answer.status == 412 {
            let version = answer.json()["current_version"].as_u64().unwrap();
            system.admin().refund(order, amount, version).await.expect(202);
        }
        system.come_to_rest(&Leftovers { money_of: [payment].into(), ..Leftovers::default() }).await;
    }
    system.advance(TimeDelta::minutes(2));
    let page = || system.bank().payments_of(&about)[0].clone();
    crate::harness::eventually(crate::harness::SOON_SECS, || async {
        if page().refunded == 10_000 { Ok(()) } else { Err(format!("{:?}", page().acts)) }
    })
    .await;
    assert_eq!(page().acts.len(), 3);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_only_a_person_can_do_opens_a_case() {
    let system = with_bank().await;
    let (order, payment) = paid(&system, scenario_dish(0)).await;
    let fault = Fault::Code { code: "3028".to_owned(), message: "Обратитесь в банк".to_owned() };
    system.bank().misbehave(FaultRule::next(Operation::Cancel, fault));
    system.producer().act(order, "reject").await.expect(200);
    system.order_gets(order, "order_refund_failed").await;
    let kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM payment_cases WHERE payment_id = $1")
        .bind(payment)
        .fetch_all(&system.db)
        .await
        .unwrap();
    assert_eq!(kinds, ["REFUND_REFUSED"]);
    system.advance(TimeDelta::days(4));
    let leftovers = Leftovers { money_of: [payment, order].into(), ..Leftovers::default() };
    system.audit_with(&leftovers).await;
    assert_eq!(system.bank().calls(Operation::Cancel), 1, "nobody tries what only a person can do");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_money_is_taken_when_the_cook_accepts_and_let_go_when_not() {
    let system = with_bank().await;
    let customer = system.customer();
    for accepted in [true, false] {
        let order = customer.place(scenario_dish(0), 1).await;
        let body = json!({ "return_url": "http://localhost:3000/paid", "capture_mode": "ON_ACCEPT" });
        let asked =
            customer.post_answered(&format!("/api/v1/orders/{order}/payments"), &body, &order.to_string()).await;
        let payment = crate::harness::id_of(&asked.expect(201).data()["payment_id"]);
        pay(&system, payment, fake_bank::Telling::default()).await;
        system.order_reaches(order, OrderStatus::Paid).await;
        let word = if accepted {
            // The answer to the capture gets lost.
            system.bank().misbehave(FaultRule::next(Operation::Confirm, Fault::DropAfter));
            system.producer().act(order, "accept").await.expect(200);
            system.payment_gets(payment, "payment_succeeded").await;
            "CONFIRMED"
        } else {
            system.producer().act(order, "reject").await.expect(200);
            system.payment_gets(payment, "payment_failed").await;
            "REVERSED"
        };
        assert_eq!(system.bank().payments_of(&payment.to_string())[0].status, word);
    }
    let _ = open_page(&system, scenario_dish(0)).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s28_s29_what_the_kitchen_does_not_cook_is_paid_back_in_full() {
    let system = with_bank().await;
    for rejected in [true, false] {
        let (order, payment) = paid(&system, scenario_dish(0)).await;
        let reason = if rejected {
            system.producer().act(order, "reject").await.expect(200);
            "PRODUCER_REJECTED"
        } else {
            system.advance(TimeDelta::minutes(15));
            "PRODUCER_TIMEOUT"
        };
        system.order_gets(order, "order_refund_settled").await;
        assert_eq!(system.payload(order, "order_cancelled").await["reason_code"], reason);
        let page = &system.bank().payments_of(&payment.to_string())[0];
        assert_eq!((page.status.as_str(), page.refunded, page.acts.len()), ("REFUNDED", 10_000, 1));
    }
    system.finish().await;
}

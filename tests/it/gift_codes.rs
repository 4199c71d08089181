//! Codes are known to whom they belong, and lie nowhere else.

use std::sync::Arc;

use async_nats::jetstream;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Parts, SOON_SECS, ServiceProcess, TestSystem, eventually, roubles};

/// The refusal without what differs from request to request.
fn bare(answer: &Answer) -> Value {
    let mut problem = answer.json();
    for member in ["correlation_id", "instance"] {
        problem.as_object_mut().unwrap().remove(member);
    }
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_foreign_and_blocked_gifts_sound_the_same() {
    let system = TestSystem::start().await;
    let (foreign, foreign_code) = system.paid_gift("1000.00").await;
    system.new_customer().activate(&foreign_code).await.expect(200);
    let (blocked, blocked_code) = system.paid_gift("1000.00").await;
    let reason = json!({ "reason": "stolen card" });
    system
        .customer()
        .gift_command(&format!("/{blocked}/block"), &reason)
        .await
        .expect_problem(403, "PERMISSION_DENIED");
    system.admin().gift_command(&format!("/{blocked}/block"), &reason).await.expect(200);
    let holder = system.other_customer();
    let mut answers = Vec::new();
    for code in ["0123-4567-89AB-CDEF", &foreign_code, &blocked_code] {
        answers.push(holder.activate(code).await.expect_problem(404, "NOT_FOUND"));
    }
    let taken = json!({ "gift_id": foreign });
    answers.push(holder.gift_command("/activate", &taken).await.expect_problem(404, "NOT_FOUND"));
    let unknown = json!({ "gift_id": Uuid::now_v7() });
    answers.push(holder.gift_command("/activate", &unknown).await.expect_problem(404, "NOT_FOUND"));
    for answer in &answers {
        assert_eq!(bare(answer), bare(&answers[0]));
        let names = |answer: &Answer| answer.headers.keys().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(answer), names(&answers[0]));
    }
    // As somebody else, who still has guesses: the same holds for orders and balances.
    let other = system.new_customer();
    let _ = system.admin().gift_command(&format!("/{blocked}/unblock"), &reason).await.expect(200);
    assert_eq!(other.balance("0123-4567-89AB-CDEF").await.status, 404);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_codes_are_not_looked_at() {
    let system = TestSystem::start().await;
    let (_, code) = system.paid_gift("1000.00").await;
    let guesser = system.other_customer();
    let guesses = (0..100).map(|no| format!("{no:016}"));
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guesser.activate(&guess).await);
    }
    assert!(answers[..5].iter().all(|answer| answer.status == 404));
    for answer in &answers[5..] {
        assert!(answer.header("retry-after").parse::<u32>().unwrap() <= 15 * 60 + 1);
        answer.clone().expect_problem(429, "RATE_LIMITED");
    }
    guesser.activate(&code).await.expect_problem(429, "RATE_LIMITED");
    guesser.balance(&code).await.expect_problem(429, "RATE_LIMITED");
    guesser.order_with(1, &json!({ "gift_code": code })).await.expect_problem(429, "RATE_LIMITED");
    // Neither somebody else at the same address.
    system.new_customer().activate(&code).await.expect_problem(429, "RATE_LIMITED");
    system.advance(chrono::TimeDelta::minutes(16));
    assert_eq!(guesser.balance(&code).await.expect(200).data()["available"]["amount"], "1000.00");
    guesser.activate(&code).await.expect(200);
    system.finish().await;
}

/// Every row of every table, as text, that contains one of the words.
async fn tables_with(system: &TestSystem, words: &[String]) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&system.db)
    .await
    .unwrap();
    assert!(tables.len() > 10);
    let mut found = Vec::new();
    for table in tables {
        for word in words {
            let count = format!("SELECT count(*) FROM {table} AS t WHERE position($1 IN upper(t::text)) > 0");
            let count: i64 = sqlx::query_scalar(&count).bind(word).fetch_one(&system.db).await.unwrap();
            if count > 0 {
                found.push(format!("{table}: {word}"));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_lies_nowhere_in_plain_text() {
    let system = TestSystem::start().await;
    let (gift, code) = system.paid_gift("1000.00").await;
    let holder = system.other_customer();
    assert_eq!(holder.balance(&code.to_lowercase()).await.expect(200).data()["last4"], code[15..]);
    let bytes = code.replace('-', "");
    let words = [code.clone(), bytes.clone(), bytes.bytes().map(|byte| format!("{byte:02X}")).collect()];
    assert_eq!(tables_with(&system, &words).await, Vec::<String>::new(), "before it is used");
    holder.activate(&code).await.expect(200);
    let order = holder.place_with(3, &json!({ "gift_code": code })).await;
    system.order_gets(order, "order_paid").await;
    // What is in the log is in the mirror: the audit compares them.
    system.audit().await;
    assert_eq!(tables_with(&system, &words).await, Vec::<String>::new(), "after it was used");
    let sealed = "SELECT sealed IS NULL FROM gift_codes WHERE gift_id = $1";
    let erased: bool = sqlx::query_scalar(sealed).bind(gift).fetch_one(&system.db).await.unwrap();
    assert!(erased, "and what was encrypted is erased");
    // A refusal does not repeat what was asked.
    let refused = holder.balance(&format!("{code}-{code}")).await.expect_problem(404, "NOT_FOUND");
    assert!(!refused.text().contains(&code), "{}", refused.text());
    system.finish().await;
}

/// Everything that is said over NATS from now on, headers and all, that contains one of the words.
async fn overheard(system: &TestSystem, words: Vec<String>) -> Arc<Mutex<(u64, Vec<String>)>> {
    let heard = Arc::new(Mutex::new((0, Vec::new())));
    let mut everything = system.nats.subscribe(">").await.unwrap();
    system.nats.flush().await.unwrap();
    let keeps = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(message) = everything.next().await {
            let said =
                format!("{} {:?} ", message.subject, message.headers) + &String::from_utf8_lossy(&message.payload);
            let mut heard = keeps.lock();
            heard.0 += 1;
            if words.iter().any(|word| said.to_uppercase().contains(word)) {
                heard.1.push(said);
            }
        }
    });
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_in_no_log_line_and_in_no_message() {
    let system = TestSystem::builder().own_nats().instances(&[Parts::READ]).start().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let filter = "debug,shared=trace,command_service=trace,projection_service=trace";
    let mut process = ServiceProcess::start_with(&system, filter, log.reopen().unwrap().into()).await;
    let (buyer, holder) = (system.customer().at(&process.url), system.other_customer().at(&process.url));
    let (gift, payment) = buyer.buy_gift(&json!({ "value": roubles("1000.00") })).await;
    buyer.complete_at_bank(payment).await;
    system.gift_gets(gift, "gift_delivered").await;
    let code = buyer.gift_code(gift).await;
    let bare = code.replace('-', "");
    let heard = overheard(&system, vec![code.clone(), bare.clone()]).await;
    holder.balance(&code).await.expect(200);
    holder.balance(&code.to_lowercase()).await.expect(200);
    holder.get(&format!("/api/v1/gifts/balance?code={bare}")).await.expect(200);
    holder.post("/api/v1/gifts/activate", &json!({ "code": code, "nonsense": code })).await.expect(400);
    holder.activate(&code).await.expect(200);
    holder.activate(&code).await.expect_rule("gift_already_activated");
    let order = holder.place_with(3, &json!({ "gift_code": code })).await;
    system.order_gets(order, "order_paid").await;
    system.gift_gets(gift, "gift_redeemed").await;
    eventually(SOON_SECS, || async { if heard.lock().0 > 0 { Ok(()) } else { Err("nothing was said") } }).await;
    process.kill().await;
    let (said, with_code) = std::mem::take(&mut *heard.lock());
    assert_eq!(with_code, Vec::<String>::new(), "of {said} messages");
    let stream = jetstream::new(system.nats.clone()).get_stream(system.setup.names.events_stream()).await.unwrap();
    for position in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(position).await.unwrap();
        let message = (format!("{:?}", message.headers) + &String::from_utf8_lossy(&message.payload)).to_uppercase();
        assert!(!message.contains(&code) && !message.contains(&bare), "{message}");
    }
    let lines = std::fs::read_to_string(log.path()).unwrap();
    assert!(lines.lines().count() > 100, "a log that says nothing: {lines}");
    let with_code: Vec<&str> = lines
        .lines()
        .filter(|line| line.to_uppercase().contains(&code) || line.to_uppercase().contains(&bare))
        .collect();
    assert_eq!(with_code, Vec::<&str>::new());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_buyer_sees_the_code() {
    let system = TestSystem::start().await;
    let (gift, _) = system.paid_gift("1000.00").await;
    let path = format!("/api/v1/gifts/{gift}/code");
    system.other_customer().get(&path).await.expect_problem(404, "NOT_FOUND");
    system.admin().get(&path).await.expect_problem(403, "PERMISSION_DENIED");
    system.nobody().get(&path).await.expect_problem(401, "UNAUTHENTICATED");
    let answer = system.customer().get(&path).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let (unpaid, _) = system.customer().buy_gift(&json!({ "value": crate::harness::roubles("1000.00") })).await;
    system.customer().get(&format!("/api/v1/gifts/{unpaid}/code")).await.expect_rule("invalid_transition");
    system.finish().await;
}

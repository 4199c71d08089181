//! Everything at random: many payments, every fault, and at the end the bank's books are ours.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use fake_bank::{Chaos, Telling};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use shared::domain::{
    DomainEvent,
    payment::{Payment, PaymentStatus, Purpose},
};
use uuid::Uuid;

use crate::harness::{Leftovers, TestSystem, id_of, scenario_dish};

/// Customers at the same time.
const AT_ONCE: usize = 24;
/// So much time of the business passes with every customer.
const STEP: TimeDelta = TimeDelta::seconds(4);
/// How long the adapter waits for the bank; some of its answers take longer.
const PATIENCE_MS: u64 = 5_000;
/// How long ten thousand flows may take to come to rest.
const REST_SECS: u64 = 300;
/// How long it may take until nothing but a deadline of the business is waited for.
const PAUSE_SECS: u64 = 20;

/// The same number for the same payment, so that a run can be told again.
fn dice(seed: u64, n: usize, what: &str, sides: u64) -> u64 {
    let name = Uuid::new_v5(&Uuid::from_u64_pair(seed, n as u64), what.as_bytes());
    name.as_u64_pair().0 % sides
}

/// 200 payments; `tests/soak/run` takes 10,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_with_every_fault_at_random_lose_no_kopeck() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    soak(number("SOAK_PAYMENTS", 200) as usize, number("SOAK_SEED", 1)).await;
}

async fn soak(payments: usize, seed: u64) {
    let system = TestSystem::builder()
        .fake_tbank()
        .write_side(&[
            "--tbank-timeout-ms",
            &PATIENCE_MS.to_string(),
            "--provider-rest-ms",
            "100",
            // While the bank is not well nobody waits long for its page.
            "--payment-page-wait-ms",
            "2000",
        ])
        .start()
        .await;
    println!("soak: {payments} orders, seed {seed}; the same again with: tests/soak/run {payments} {seed}");
    let chaos = Chaos { seed, calls_permille: 150, notices_permille: 300, patience_ms: PATIENCE_MS };
    system.bank().set_chaos(Some(chaos));
    let next = AtomicUsize::new(0);
    join_all((0..AT_ONCE).map(|_| async {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= payments {
                return;
            }
            one_customer(&system, seed, n).await;
            // Time goes on with the work and not with the machine's clock, so a slow machine sees the same story.
            system.advance(STEP);
        }
    }))
    .await;
    settle(&system).await;
    judge(&system, payments).await;
}

/// One order and what its people do to it; nobody cares for refusals.
async fn one_customer(system: &TestSystem, seed: u64, n: usize) {
    let roll = |what: &str, sides: u64| dice(seed, n, what, sides);
    let customer = system.customer();
    let suffix = [0, 0, 0, 0, 0, 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16][roll("dish", 20) as usize];
    let order = customer.place(scenario_dish(suffix), 1).await;
    for attempt in 0..=roll("attempts", 2) {
        let capture_mode = if roll("mode", 5) == 0 { "ON_ACCEPT" } else { "ON_PAYMENT" };
        let body = json!({ "return_url": "http://localhost:3000/paid", "capture_mode": capture_mode });
        let key = format!("{order}-{attempt}");
        let asked = customer.post_once(&format!("/api/v1/orders/{order}/payments"), &body, &key).await;
        if !matches!(asked.status, 201 | 202) {
            continue;
        }
        let payment = id_of(&asked.data()["payment_id"]).to_string();
        at_the_bank(system, &payment, roll(&format!("bank {attempt}"), 12)).await;
    }
    let path = format!("/api/v1/orders/{order}");
    match roll("after", 6) {
        0 => drop(customer.act(order, "cancel").await),
        1 => drop(system.producer().act(order, "reject").await),
        2 => {
            system.producer().act(order, "accept").await;
            let version = system.admin().get(&path).await.header("etag").to_owned();
            for _ in 0..2 {
                let amount = json!({ "amount": { "amount": "30.00", "currency": "RUB" } });
                let request = system.admin().request(Method::POST, &format!("{path}/refunds")).json(&amount);
                let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
                system.admin().send(request.header("If-Match", &version)).await;
            }
        }
        3 => drop(system.producer().act(order, "accept").await),
        _ => {}
    }
}

async fn at_the_bank(system: &TestSystem, payment: &str, what: u64) {
    let bank = system.bank();
    let usual = Telling::default();
    let _ = match what {
        0..=4 => bank.pay(payment, usual).await,
        5 => bank.pay_by_sbp(payment, usual).await,
        6 => bank.pay(payment, Telling::nothing()).await,
        7 => bank.decline(payment, "1051", usual).await,
        8 => {
            let first = bank.pay(payment, usual.clone()).await;
            let _ = bank.pay(payment, usual).await;
            first
        }
        9 => bank.expire(payment, usual).await,
        10 => {
            let paid = bank.pay(payment, usual.clone()).await;
            let _ = bank.refund_in_cabinet(payment, Some(2_000), usual).await;
            paid
        }
        // Walks away.
        _ => Ok(String::new()),
    };
}

/// The faults end, and all deadlines pass.
async fn settle(system: &TestSystem) {
    system.bank().set_chaos(None);
    system.bank().release().await;
    let anything = everything(system).await;
    // Meanwhile the bank's books may differ from ours.
    for minutes in [2, 2, 15, 20, 60, 60, 120, 360, 720, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440]
    {
        system.advance(TimeDelta::minutes(minutes));
        // A page that cannot be withdrawn is asked about until the order's deadline.
        system.rests_within(PAUSE_SECS, &anything).await;
    }
    let lines = system.bank().registry();
    let (names, lines) = lines.split_once('\n').unwrap();
    for part in lines.lines().collect::<Vec<_>>().chunks(500) {
        let admin = system.admin();
        let request = admin.request(Method::POST, "/api/v1/admin/bank-registry");
        admin.send(request.body(format!("{names}\n{}\n", part.join("\n")))).await.expect(200);
    }
    system.come_to_rest_within(REST_SECS, &anything).await;
}

/// Excuses whatever differs.
async fn everything(system: &TestSystem) -> Leftovers {
    let ids = system.events().await.into_iter().map(|event| event.aggregate_id);
    Leftovers { money_of: ids.collect(), ..Leftovers::default() }
}

/// Every payment is at its end, or a person was told; the books agree; nothing was done twice.
async fn judge(system: &TestSystem, payments: usize) {
    let mut all = HashMap::<Uuid, Payment>::new();
    for event in system.events().await {
        if let Ok(DomainEvent::Payment(news)) = &event.event {
            cqrs_es::Aggregate::apply(all.entry(event.aggregate_id).or_default(), news.clone());
        }
    }
    let cases: Vec<(Uuid, String, String)> =
        sqlx::query_as("SELECT payment_id, kind, detail FROM payment_cases WHERE closed_at IS NULL")
            .fetch_all(&system.db)
            .await
            .unwrap();
    let with_case: HashSet<Uuid> = cases.iter().map(|(id, _, _)| *id).collect();
    let told: HashSet<Uuid> =
        all.iter().filter(|(id, payment)| payment.is_on_hold() || with_case.contains(id)).map(|(id, _)| *id).collect();
    // Held until the cook accepts or the hold runs out.
    let held = |payment: &Payment| payment.status() == Some(PaymentStatus::Authorized) && !payment.is_unapplied();
    let lost: Vec<_> =
        all.iter().filter(|(id, payment)| !payment.is_settled() && !held(payment) && !told.contains(*id)).collect();
    assert!(lost.is_empty(), "neither at an end nor told to a person: {lost:?}");
    for page in system.bank().payments() {
        // A refund's name ends with its epoch: one that was done under two was done twice.
        let refund = |name: &String| name.rsplit_once('-').map_or(name.clone(), |(refund, _)| refund.to_owned());
        let names: Vec<String> = page.acts.iter().filter_map(|act| act.name.as_ref()).map(refund).collect();
        let once: HashSet<_> = names.iter().collect();
        assert_eq!(names.len(), once.len(), "done twice: {page:?}");
        assert!(page.refunded <= page.captured, "{page:?}");
    }
    let orders =
        all.iter().filter(|(id, _)| told.contains(*id)).filter_map(|(_, payment)| match payment.purpose()? {
            Purpose::Order { order_id } => Some(order_id.0),
            Purpose::Gift { .. } => None,
        });
    let money_of: HashSet<Uuid> = orders.chain(told.iter().copied()).collect();
    system.audit_with(&Leftovers { money_of, ..Leftovers::default() }).await;
    report(system, payments, &all, &told, &cases);
}

/// Figures for people, and whether the run was worth its time.
fn report(
    system: &TestSystem,
    orders: usize,
    all: &HashMap<Uuid, Payment>,
    told: &HashSet<Uuid>,
    cases: &[(Uuid, String, String)],
) {
    let mut stands = BTreeMap::<String, usize>::new();
    for payment in all.values() {
        *stands.entry(payment.status().map_or_else(String::new, |status| format!("{status:?}"))).or_default() += 1;
    }
    let mut kinds = BTreeMap::<&str, usize>::new();
    for (_, kind, _) in cases {
        *kinds.entry(kind).or_default() += 1;
    }
    let pages = system.bank().payments();
    let (taken, back) = pages.iter().fold((0, 0), |(taken, back), page| (taken + page.captured, back + page.refunded));
    let acts: usize = pages.iter().map(|page| page.acts.len()).sum();
    let paid = all.values().filter(|payment| payment.captured().is_some()).count();
    let mischief = system.bank().mischief();
    println!("soak: {orders} orders, {} payments, {paid} of them paid; by status: {stands:?}", all.len());
    println!("soak: {} calls and notifications went wrong: {mischief:?}", mischief.values().sum::<u32>());
    println!("soak: left to a person, with an alarm: {} payments; open cases: {kinds:?}", told.len());
    println!("soak: at the bank {} pages, {taken} kopecks taken, {back} given back in {acts} acts", pages.len());
    println!("soak: bank books == ledger but for those left to a person; no operation was done twice");
    let is_worth_it = paid * 4 > orders && told.len() * 4 < orders;
    assert!(is_worth_it, "a soak that tests nothing: {paid} paid, {} left to a person", told.len());
}

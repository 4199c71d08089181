//! Everybody does anything at any time, against the real services, which are killed meanwhile: the smaller sister of the
//! model run. Time is virtual, the bank is the imitation one with its faults, and the invariants are asked at the end.
//!
//! `RANDOM_RUN_SEED` has other choices made, `RANDOM_RUN_SECS` makes it longer; what races is never quite the same.

mod bank_side;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::{DisputeId, OrderId};
use uuid::Uuid;

use crate::harness::{
    Answer, Client, KITCHEN, Leftovers, Parts, SOON_SECS, ServiceProcess, TestSystem, complaint, eventually, roubles,
    scenario_dish,
};

/// People who do things at the same time.
const PEOPLE: u64 = 6;
/// What they choose by, unless somebody says otherwise.
const SEED: u64 = 62;
/// How long they do, unless somebody says otherwise.
const SECS: u64 = 9;
/// They go on until they were answered so often: on a busy machine that takes longer.
const ANSWERS_MIN: u64 = 300;
/// How long a process lives before it is killed.
const LIFE: Duration = Duration::from_secs(3);
/// Portions of the dish that runs out.
const PORTIONS: u32 = 25;
/// Scenarios of the imitation bank that end without a person: see its table.
const SUFFIXES: [i64; 14] = [0, 0, 0, 0, 0, 1, 3, 5, 6, 7, 8, 9, 10, 13];
/// How long the system may take to come to rest after each leap of time, before the next one.
const PAUSE_SECS: u64 = 2;
/// Leaps of an hour until nothing is left to do.
const HOURS_MAX: usize = 20;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.below(of.len())].clone())
    }
}

/// What there is to do things to.
#[derive(Default)]
struct Things {
    orders: Mutex<Vec<Uuid>>,
    payments: Mutex<Vec<Uuid>>,
    gifts: Mutex<Vec<Uuid>>,
    codes: Mutex<Vec<String>>,
    offers: Mutex<Vec<(Uuid, Value)>>,
    /// How often each status was answered.
    answers: Mutex<BTreeMap<u16, u64>>,
    url: Mutex<String>,
    limited: Uuid,
}

struct Run<'a> {
    system: &'a TestSystem,
    things: &'a Things,
}

impl Run<'_> {
    fn at(&self, client: Client) -> Client {
        client.at(&self.things.url.lock())
    }

    /// Asks under a key, now and then twice at once; whoever is killed before an answer gives none.
    async fn ask(&self, client: Client, path: &str, body: &Value, chance: &mut Chance) -> Option<Answer> {
        let (client, key) = (self.at(client), Uuid::now_v7().to_string());
        let once = || {
            let request = client.request(Method::POST, path).header("Idempotency-Key", &key).json(body);
            let is_versioned = ["/refunds", "/resolve", "/approve"].iter().any(|end| path.ends_with(end));
            let request = if is_versioned { request.header("If-Match", "*") } else { request };
            client.try_send(request)
        };
        let answer = if chance.below(8) == 0 {
            let (first, second) = tokio::join!(once(), once());
            first.or(second)
        } else {
            once().await
        };
        let answer = answer.ok()?;
        *self.things.answers.lock().entry(answer.status).or_default() += 1;
        assert_ne!(answer.status, 500, "{path}: {}", answer.text());
        (answer.status < 300).then_some(answer)
    }

    async fn step(&self, chance: &mut Chance) {
        match chance.below(100) {
            0..21 => self.place(chance).await,
            21..38 => self.pay(chance).await,
            38..52 => self.at_the_bank(chance).await,
            52..68 => self.on_an_order(chance).await,
            68..80 => self.about_a_dispute(chance).await,
            80..89 => self.about_gifts(chance).await,
            89..92 => self.give_back(chance).await,
            92..94 => self.charge_back(chance).await,
            94..97 => self.dispute_held_money(chance).await,
            _ if chance.below(4) == 0 => self.let_time_pass(chance).await,
            _ => {}
        }
    }

    async fn place(&self, chance: &mut Chance) {
        let dish = if chance.below(4) == 0 { self.things.limited } else { scenario_dish(SUFFIXES[chance.below(14)]) };
        let mut wish = crate::harness::wish(dish, 1 + chance.below(3) as u32);
        let gifts = self.things.gifts.lock().clone();
        match (chance.below(4), chance.pick(&gifts)) {
            (0, Some(gift)) => wish["gift_id"] = json!(gift),
            (1, Some(_)) => {
                let codes = self.things.codes.lock().clone();
                let Some(code) = chance.pick(&codes) else { return };
                (wish["gift_code"], wish["gift_amount"]) = (json!(code), roubles("50.00"));
            }
            _ => {}
        }
        if let Some(placed) = self.ask(self.system.customer(), "/api/v1/orders", &wish, chance).await {
            self.things.orders.lock().push(crate::harness::id_of(&placed.data()["id"]));
        }
    }

    fn any_order(&self, chance: &mut Chance) -> Option<Uuid> {
        let orders = self.things.orders.lock();
        // The newest are those to which most can still happen.
        let newest = &orders[orders.len().saturating_sub(12)..];
        if chance.below(4) > 0 { chance.pick(newest) } else { chance.pick(&orders) }
    }

    async fn pay(&self, chance: &mut Chance) {
        let Some(order) = self.any_order(chance) else { return };
        let capture_mode = if chance.below(3) == 0 { "ON_ACCEPT" } else { "ON_PAYMENT" };
        let body = json!({ "return_url": "http://localhost:3000/paid", "capture_mode": capture_mode });
        let path = format!("/api/v1/orders/{order}/payments");
        if let Some(opened) = self.ask(self.system.customer(), &path, &body, chance).await {
            self.things.payments.lock().push(crate::harness::id_of(&opened.data()["payment_id"]));
        }
    }

    async fn at_the_bank(&self, chance: &mut Chance) {
        let payments = self.things.payments.lock().clone();
        let newest = &payments[payments.len().saturating_sub(8)..];
        let Some(payment) = chance.pick(newest) else { return };
        let act = ["complete", "complete", "complete", "complete", "decline", "expire"][chance.below(6)];
        self.ask(self.system.customer(), &format!("/api/v1/dev/fake/{payment}/{act}"), &json!({}), chance).await;
    }

    async fn on_an_order(&self, chance: &mut Chance) {
        let Some(order) = self.any_order(chance) else { return };
        let cook = || self.system.producer();
        let (client, act, body) = match chance.below(12) {
            0..4 => (cook(), "accept", json!({ "eta_minutes": 30 })),
            4 => (cook(), "start-preparation", json!({})),
            5 => (cook(), "ready", json!({})),
            6 => (cook(), "dispatch", json!({})),
            7 => (cook(), "deliver", json!({})),
            8 => (self.system.customer(), "complete", json!({})),
            9 => (cook(), "reject", json!({ "reason_code": "TOO_BUSY" })),
            10 => (self.system.customer(), "cancel", json!({})),
            _ => (self.system.admin(), "cancel", json!({})),
        };
        self.ask(client, &format!("/api/v1/orders/{order}/{act}"), &body, chance).await;
        // Some meals go all the way.
        if act == "accept" && chance.below(2) == 0 {
            for act in ["start-preparation", "ready", "dispatch", "deliver"] {
                self.ask(cook(), &format!("/api/v1/orders/{order}/{act}"), &json!({}), chance).await;
            }
        }
    }

    async fn about_a_dispute(&self, chance: &mut Chance) {
        let Some(order) = self.any_order(chance) else { return };
        let path = format!("/api/v1/orders/{order}/disputes");
        let claimed = [None, Some("50.00"), Some("3000.01")][chance.below(3)];
        self.ask(self.system.customer(), &path, &complaint(claimed), chance).await;
        let dispute = DisputeId::of_order(OrderId(order), 1).0;
        let (customer, cook, admin) = (self.system.customer(), self.system.producer(), self.system.admin());
        let (client, act, body) = match chance.below(8) {
            0 => (cook, "respond".to_owned(), json!({ "message": "it was fine" })),
            1 => (cook, "accept-claim".to_owned(), json!({})),
            2 => (customer, "withdraw".to_owned(), json!({})),
            3 => (customer, "escalate".to_owned(), json!({})),
            4 => (admin, "resolve".to_owned(), json!({ "outcome": "REFUND_FULL", "fault": "PRODUCER" })),
            5 => (admin, "resolve".to_owned(), json!({ "outcome": "REJECTED", "fault": "PLATFORM" })),
            6 => (cook, "offers".to_owned(), json!({ "amount": roubles("10.00"), "message": "sorry" })),
            _ => {
                let offers = self.things.offers.lock().clone();
                let Some((dispute, offer)) = chance.pick(&offers) else { return };
                let offer = offer.as_str().unwrap_or_default();
                let path = format!("/api/v1/disputes/{dispute}/offers/{offer}/accept");
                self.ask(customer, &path, &json!({}), chance).await;
                return;
            }
        };
        let said = self.ask(client, &format!("/api/v1/disputes/{dispute}/{act}"), &body, chance).await;
        if let (Some(said), "offers") = (said, act.as_str()) {
            self.things.offers.lock().push((dispute, said.data()["offer_id"].clone()));
        }
    }

    async fn about_gifts(&self, chance: &mut Chance) {
        let gifts = self.things.gifts.lock().clone();
        let buyer = self.system.customer();
        match chance.below(5) {
            0 | 1 => {
                let wish = json!({ "value": roubles("1000.00"), "recipient": { "name": "Boris" },
                    "return_url": "http://localhost:3000/paid" });
                let Some(gift) = self.ask(buyer, "/api/v1/gifts", &wish, chance).await else { return };
                let gift = gift.data();
                self.things.gifts.lock().push(crate::harness::id_of(&gift["id"]));
                let Some(payment) = gift["payment"]["payment_id"].as_str() else { return };
                let path = format!("/api/v1/dev/fake/{payment}/complete");
                self.ask(self.system.customer(), &path, &json!({}), chance).await;
            }
            2 | 3 => {
                let Some(gift) = chance.pick(&gifts) else { return };
                let buyer = self.at(buyer);
                let request = buyer.request(Method::GET, &format!("/api/v1/gifts/{gift}/code"));
                let Ok(answer) = buyer.try_send(request).await else { return };
                if answer.status == 200 {
                    let code = answer.data()["code"].as_str().unwrap_or_default().to_owned();
                    if chance.below(2) == 0 {
                        let body = json!({ "code": code });
                        self.ask(self.system.customer(), "/api/v1/gifts/activate", &body, chance).await;
                    }
                    self.things.codes.lock().push(code);
                }
            }
            _ => {
                let Some(gift) = chance.pick(&gifts) else { return };
                self.ask(buyer, &format!("/api/v1/gifts/{gift}/cancel"), &json!({}), chance).await;
            }
        }
    }

    async fn give_back(&self, chance: &mut Chance) {
        let Some(order) = self.any_order(chance) else { return };
        let body = json!({ "amount": roubles(["1.00", "60.00"][chance.below(2)]) });
        self.ask(self.system.admin(), &format!("/api/v1/orders/{order}/refunds"), &body, chance).await;
    }

    async fn let_time_pass(&self, chance: &mut Chance) {
        let minutes = [1, 1, 2, 5, 16, 31, 25 * 60][chance.below(7)];
        self.leap(TimeDelta::minutes(minutes)).await;
    }

    /// Here and in the process that is killed.
    async fn leap(&self, by: TimeDelta) {
        self.system.advance(by);
        let body = json!({ "advance_seconds": by.num_seconds() });
        let admin = self.at(self.system.admin());
        let _ = admin.try_send(admin.request(Method::POST, "/api/v1/dev/clock").json(&body)).await;
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn dish_that_runs_out(system: &TestSystem, url: &str) -> Uuid {
    let (dish, cook) = (Uuid::now_v7(), system.producer().at(url));
    let body = json!({ "producer_id": KITCHEN, "name": "Pelmeni", "price": roubles("120.00"), "is_available": true,
        "portions_left": PORTIONS });
    cook.send(cook.request(Method::PUT, &format!("/api/v1/dishes/{dish}")).json(&body)).await.expect(200);
    dish
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s62_whatever_everybody_does_while_the_services_are_killed_the_invariants_hold() {
    let seed = number("RANDOM_RUN_SEED", SEED);
    println!("RANDOM_RUN_SEED={seed}");
    let system = TestSystem::builder().instances(&[Parts::READ]).start().await;
    let mut process = ServiceProcess::start(&system).await;
    let limited = dish_that_runs_out(&system, &process.url).await;
    let things = Things { url: Mutex::new(process.url.clone()), limited, ..Things::default() };
    let run = Run { system: &system, things: &things };
    let (stop, steps) = (AtomicBool::new(false), AtomicU64::new(0));
    let person = |n: u64| {
        let (run, stop, steps) = (&run, &stop, &steps);
        async move {
            let mut chance = Chance(seed ^ (n << 32));
            while !stop.load(Ordering::Relaxed) {
                run.step(&mut chance).await;
                steps.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let end = Instant::now() + Duration::from_secs(number("RANDOM_RUN_SECS", SECS));
    let mut kills = 0;
    let murder = async {
        while Instant::now() < end || things.answers.lock().values().sum::<u64>() < ANSWERS_MIN {
            let left = end.saturating_duration_since(Instant::now());
            let life = if left.is_zero() { LIFE } else { LIFE.min(left) };
            tokio::time::sleep_until((Instant::now() + life).into()).await;
            process.kill().await;
            kills += 1;
            process = ServiceProcess::start(&system).await;
            things.url.lock().clone_from(&process.url);
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures::future::join_all((0..PEOPLE).map(person)), murder);
    println!("{steps:?} steps, {kills} kills, answers {:?}", things.answers.lock());
    settle(&run).await;
    judge(&run).await;
    process.kill().await;
    system.stop().await;
}

/// All deadlines pass; what nobody was told of is asked for.
async fn settle(run: &Run<'_>) {
    let anything = run.system.events().await.into_iter().map(|event| event.aggregate_id).collect();
    let anything = Leftovers { money_of: anything, ..Leftovers::default() };
    for minutes in [0, 2, 15, 30, 61, 360, 1_440, 1_440, 1_440, 1_440, 1_440, 1_440] {
        run.leap(TimeDelta::minutes(minutes)).await;
        run.system.rests_within(PAUSE_SECS, &anything).await;
        run.clear_up().await;
    }
    // What the last of them set off may be put off by the bank for an hour, and again.
    for _ in 0..HOURS_MAX {
        if run.system.rests_within(PAUSE_SECS, &Leftovers::default()).await {
            return;
        }
        run.leap(TimeDelta::minutes(61)).await;
        run.clear_up().await;
    }
}

async fn judge(run: &Run<'_>) {
    let types: Vec<_> = run.system.events().await.iter().map(|event| event.event_type.to_string()).collect();
    let count = |wanted: &str| types.iter().filter(|found| *found == wanted).count();
    let known = [
        "order_paid",
        "order_cancelled",
        "order_refund_settled",
        "order_completed",
        "dispute_resolved",
        "gift_redeemed",
        "payment_capture_requested",
        "payment_chargeback_recorded",
        "payment_refund_resolved",
    ];
    println!("{} events, {:?}", types.len(), known.map(|wanted| (wanted, count(wanted))));
    assert!(count("order_paid") > 0 && count("order_cancelled") > 0, "a run that tests nothing");
    run.system.audit().await;
    let admin = run.system.admin();
    let asked = admin.post("/api/v1/admin/audit", &json!({ "reason": "after a random run" })).await;
    let path = format!("/api/v1/operations/{}", asked.data()["id"].as_str().unwrap());
    let audited = eventually(SOON_SECS, || async {
        let found = admin.get(&path).await.expect(200).data();
        if found["state"] == "succeeded" { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert_eq!(audited["result"]["violations"], 0, "{audited}");
    assert_eq!(audited["result"]["events"], json!(types.len()), "{audited}");
}

//! What people do with gifts.

use serde_json::{Value, json};
use shared::domain::AggregateType;
use uuid::Uuid;

use super::{
    catalogue::scenario_dish,
    client::{Answer, Client},
    system::TestSystem,
    verbs::{id_of, wish},
    wait::eventually,
};

const SOON_SECS: u64 = 20;

pub fn roubles(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "RUB" })
}

/// An order of so many dishes at 100 roubles, with these fields besides.
pub fn wish_with(dishes: u32, more: &Value) -> Value {
    let mut wish = wish(scenario_dish(0), dishes);
    for (name, value) in more.as_object().unwrap() {
        wish[name] = value.clone();
    }
    wish
}

impl Client {
    /// A command about gifts, under a new key.
    pub async fn gift_command(&self, path: &str, body: &Value) -> Answer {
        self.post_once(&format!("/api/v1/gifts{path}"), body, &Uuid::now_v7().to_string()).await
    }

    /// Chooses a gift and opens its page to pay on: the gift and its payment.
    pub async fn buy_gift(&self, more: &Value) -> (Uuid, Uuid) {
        let mut wish = json!({ "return_url": "http://localhost:3000/paid", "recipient": { "name": "Boris" } });
        for (name, value) in more.as_object().unwrap() {
            wish[name] = value.clone();
        }
        let gift = self.gift_command("", &wish).await.expect(201).data();
        (id_of(&gift["id"]), id_of(&gift["payment"]["payment_id"]))
    }

    pub async fn gift_code(&self, gift: Uuid) -> String {
        let data = self.get(&format!("/api/v1/gifts/{gift}/code")).await.expect(200).data();
        data["code"].as_str().unwrap().to_owned()
    }

    pub async fn activate(&self, code: &str) -> Answer {
        self.gift_command("/activate", &json!({ "code": code })).await
    }

    pub async fn balance(&self, code: &str) -> Answer {
        self.get(&format!("/api/v1/gifts/balance?code={code}")).await
    }

    /// Orders so many dishes at 100 roubles with these fields besides.
    pub async fn order_with(&self, dishes: u32, more: &Value) -> Answer {
        self.post_once("/api/v1/orders", &wish_with(dishes, more), &Uuid::now_v7().to_string()).await
    }

    /// Orders so many dishes with the gift.
    pub async fn place_with(&self, dishes: u32, more: &Value) -> Uuid {
        id_of(&self.order_with(dishes, more).await.expect(201).data()["id"])
    }
}

impl TestSystem {
    /// A paid gift of the first customer, and its code.
    pub async fn paid_gift(&self, value: &str) -> (Uuid, String) {
        self.paid_gift_of(&json!({ "value": roubles(value) })).await
    }

    pub async fn paid_gift_of(&self, what: &Value) -> (Uuid, String) {
        let buyer = self.customer();
        let (gift, payment) = buyer.buy_gift(what).await;
        buyer.complete_at_bank(payment).await;
        self.gift_gets(gift, "gift_issued").await;
        let code = buyer.gift_code(gift).await;
        (gift, code)
    }

    /// A gift that the other customer has taken.
    pub async fn taken_gift(&self, value: &str) -> Uuid {
        let (gift, code) = self.paid_gift(value).await;
        self.other_customer().activate(&code).await.expect(200);
        gift
    }

    pub async fn gift_events(&self, gift: Uuid) -> Vec<String> {
        let events = self.log().stream(AggregateType::Gift, gift, 0, 10_000).await.unwrap();
        events.into_iter().map(|event| event.event_type.into_owned()).collect()
    }

    /// Waits until a gift has an event of that type.
    #[track_caller]
    pub fn gift_gets(&self, gift: Uuid, event_type: &str) -> impl Future<Output = Vec<String>> {
        eventually(SOON_SECS, move || async move {
            let types = self.gift_events(gift).await;
            if types.iter().any(|found| found == event_type) { Ok(types) } else { Err(format!("{types:?}")) }
        })
    }

    /// Waits until the gift looks like this to an administrator: each member of `wanted` equals the gift's.
    #[track_caller]
    pub fn gift_shows(&self, gift: Uuid, wanted: Value) -> impl Future<Output = Value> {
        eventually(SOON_SECS, move || {
            let (admin, wanted) = (self.admin(), wanted.clone());
            async move {
                let answer = admin.get(&format!("/api/v1/gifts/{gift}")).await;
                let found = if answer.status == 200 { answer.data() } else { answer.json() };
                let is_so = wanted.as_object().unwrap().iter().all(|(name, value)| found[name] == *value);
                if is_so { Ok(found) } else { Err(format!("not {wanted} but {found}")) }
            }
        })
    }
}

//! What people do, in the words of the business.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Answer, Client},
    wait::{SOON_SECS, eventually},
};

/// An order just placed.
pub fn wish(dish: Uuid, quantity: u32) -> Value {
    json!({
        "dish_id": dish, "quantity": quantity, "delivery_type": "BUILDING",
        "delivery_address_text": "Building 7, flat 12", "user_name": "Anna", "phone": "+79990000001"
    })
}

/// A complaint about a cold meal, over so many roubles or all of them.
pub fn complaint(claimed: Option<&str>) -> Value {
    let mut complaint = json!({ "reason_code": "LATE", "description": "It came two hours late." });
    if let Some(amount) = claimed {
        complaint["claimed_amount"] = json!({ "amount": amount, "currency": "RUB" });
    }
    complaint
}

/// Where the browser goes after paying.
pub fn return_url() -> Value {
    json!({ "return_url": "http://localhost:3000/paid" })
}

#[track_caller]
pub fn id_of(value: &Value) -> Uuid {
    value.as_str().and_then(|text| Uuid::parse_str(text).ok()).unwrap_or_else(|| panic!("no id: {value}"))
}

impl Client {
    /// Places an order of one dish; it must succeed.
    pub async fn place(&self, dish: Uuid, quantity: u32) -> Uuid {
        let answer = self.post("/api/v1/orders", &wish(dish, quantity)).await.expect(201);
        id_of(&answer.data()["id"])
    }

    /// Asks to pay under a new key.
    pub async fn ask_to_pay(&self, order: Uuid) -> Answer {
        let key = Uuid::now_v7().to_string();
        self.post_once(&format!("/api/v1/orders/{order}/payments"), &return_url(), &key).await
    }

    /// The same, and asks again under that key as long as the service is overtaxed.
    pub async fn wait_to_pay(&self, order: Uuid) -> Answer {
        let key = Uuid::now_v7().to_string();
        self.post_answered(&format!("/api/v1/orders/{order}/payments"), &return_url(), &key).await
    }

    /// Opens a page to pay on; the answer may come before the page.
    pub async fn pay(&self, order: Uuid) -> Uuid {
        let answer = self.wait_to_pay(order).await;
        assert!(matches!(answer.status, 201 | 202), "{}", answer.text());
        id_of(&answer.data()["payment_id"])
    }

    /// Acts at the imitation bank: `complete`, `decline`, `expire` or `refund`, with its query.
    pub async fn at_bank(&self, payment: Uuid, act: &str) -> Answer {
        self.post(&format!("/api/v1/dev/fake/{payment}/{act}"), &json!({})).await
    }

    /// The customer pays on the bank's page.
    pub async fn complete_at_bank(&self, payment: Uuid) {
        self.at_bank(payment, "complete").await.expect(200);
    }

    /// Something that is done to an order without much to say.
    pub async fn act(&self, order: Uuid, act: &str) -> Answer {
        let body = match act {
            "accept" | "eta" => json!({ "eta_minutes": 30 }),
            "reject" => json!({ "reason_code": "TOO_BUSY" }),
            "rating" => json!({ "rating": 5 }),
            _ => json!({}),
        };
        self.post(&format!("/api/v1/orders/{order}/{act}"), &body).await
    }

    /// Gives money back as an administrator who has seen `version`.
    pub async fn refund(&self, order: Uuid, amount: &str, version: u64) -> Answer {
        let body = json!({ "amount": { "amount": amount, "currency": "RUB" } });
        let request = self.request(Method::POST, &format!("/api/v1/orders/{order}/refunds"));
        let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        self.send(request.header("If-Match", format!("\"v{version}\"")).json(&body)).await
    }

    /// Disputes an order under a new key.
    pub async fn dispute(&self, order: Uuid, complaint: &Value) -> Answer {
        let key = Uuid::now_v7().to_string();
        self.post_once(&format!("/api/v1/orders/{order}/disputes"), complaint, &key).await
    }

    /// Says or does something in a dispute.
    pub async fn in_dispute(&self, dispute: Uuid, act: &str, body: Value) -> Answer {
        let key = Uuid::now_v7().to_string();
        self.post_once(&format!("/api/v1/disputes/{dispute}/{act}"), &body, &key).await
    }

    /// Decides a dispute, or agrees to a decision, as an administrator who has seen `version`.
    pub async fn decide(&self, dispute: Uuid, act: &str, body: &Value, version: u64) -> Answer {
        let request = self.request(Method::POST, &format!("/api/v1/disputes/{dispute}/{act}"));
        let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        self.send(request.header("If-Match", format!("\"v{version}\"")).json(body)).await
    }

    /// Writes down what the bank did with a payment.
    pub async fn record(&self, payment: Uuid, what: &str, amount: &str, registry_ref: &str) -> Answer {
        let body = json!({ "amount": { "amount": amount, "currency": "RUB" }, "registry_ref": registry_ref });
        let key = Uuid::now_v7().to_string();
        self.post_once(&format!("/api/v1/payments/{payment}/{what}"), &body, &key).await
    }

    /// The order, at least as new as `token` says.
    pub async fn order_after(&self, order: Uuid, token: &str) -> Answer {
        self.after(&format!("/api/v1/orders/{order}"), token).await
    }

    /// Whatever is there, at least as new as `token` says; asked for again as long as the read side is late.
    #[track_caller]
    pub fn after(&self, path: &str, token: &str) -> impl Future<Output = Answer> {
        eventually(SOON_SECS, move || async move {
            let answer = self.after_once(path, token).await;
            if answer.status == 503 { Err(answer.text()) } else { Ok(answer) }
        })
    }

    /// The same, or the word that the read side is late.
    pub async fn after_once(&self, path: &str, token: &str) -> Answer {
        let request = self.request(Method::GET, path);
        self.send(request.header("Consistency-Token", token).header("Prefer", "wait=8")).await
    }

    pub async fn order(&self, order: Uuid) -> Answer {
        self.get(&format!("/api/v1/orders/{order}")).await
    }

    pub async fn payment(&self, payment: Uuid) -> Answer {
        self.get(&format!("/api/v1/payments/{payment}")).await
    }
}
